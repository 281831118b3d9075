"""The learning rate of each step."""

from __future__ import annotations

import math

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
