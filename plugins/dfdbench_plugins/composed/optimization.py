"""What a recipe means for the optimizer: groups, learning rate of each step, precision."""

from __future__ import annotations

import math

import torch
from torch import nn

from dfdbench_plugins.composed.recipe import Recipe


def rate(recipe: Recipe, step: int, per_epoch: int) -> float:
    """Learning rate of the encoder at optimizer step ``step`` (from 0), with that many an epoch.

    A cosine falls from ``lr`` to ``min_lr`` over the whole training, or over each cycle; the
    warm-up rises linearly from 0 at the start of each.
    """
    length = recipe.epochs if recipe.schedule != "cyclic_cosine" else recipe.cycle_epochs
    total, warmup = length * per_epoch, recipe.warmup_epochs * per_epoch
    at = step % total if recipe.schedule == "cyclic_cosine" else step
    if at < warmup:
        return recipe.lr * (at + 1) / (warmup + 1)
    if recipe.schedule == "constant":
        return recipe.lr
    # - 1: the last step is the one that trains with min_lr.
    share = min(1.0, (at - warmup) / max(1.0, total - warmup - 1))
    return recipe.min_lr + (recipe.lr - recipe.min_lr) * 0.5 * (1 + math.cos(math.pi * share))


def optimizer_of(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """One group for each pair of (weight decay or none, encoder or head)."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            head = name.startswith("head.")
            scale = recipe.head_lr / recipe.lr if head and recipe.head_lr else 1.0
            decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((decay, scale), []).append(parameter)
    params = [{"params": p, "weight_decay": d, "scale": s} for (d, s), p in groups.items()]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(params, lr=recipe.lr, momentum=recipe.momentum)
    return torch.optim.AdamW(params, lr=recipe.lr, betas=recipe.betas)


def precision_of(recipe: Recipe, device: str) -> torch.dtype:
    """The type that the forward pass computes in."""
    named = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if recipe.precision != "auto":
        return named[recipe.precision]
    # bf16 is emulated, and far slower than fp32, on a CPU without instructions for it.
    if torch.device(device).type == "cuda":
        has = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # get_capabilities: torch 2.6 lacks it
        flags: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        has = bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))
    return torch.bfloat16 if has else torch.float32
