"""Encoder, regularizers and head as one module, and its checkpoints of what trains."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from dfdbench.api import Backbone, PeftStrategy, Regularizer
from dfdbench.encoder import Encoder
from dfdbench.errors import DataError, TrainingError
from dfdbench.store import write_bytes

Tensors = dict[str, torch.Tensor]


def _as_many(
    regularizer: Regularizer, method: str, z: torch.Tensor, made: torch.Tensor
) -> torch.Tensor:
    """What a regularizer made of features (B, D), seen to be (B, D)."""
    if made.shape != z.shape:
        raise TrainingError(
            f"the regularizer {regularizer.name!r} made {tuple(made.shape)} of features "
            f"{tuple(z.shape)}: its `{method}` must keep their shape"
        )
    return made


class Model(nn.Module):
    """A detector's network."""

    def __init__(
        self, encoder: Encoder, peft: PeftStrategy, regularizers: Sequence[Regularizer]
    ) -> None:
        super().__init__()
        self.encoder, self.peft = encoder, peft
        self.head = nn.Linear(encoder.feature_dim, 2)
        self.regularizers = tuple(regularizers)
        self.frozen = not any(p.requires_grad for p in encoder.parameters())
        self.whole = all(p.requires_grad for p in encoder.parameters())

    def train(self, mode: bool = True) -> Model:
        """Batch statistics and dropout are on only where the whole encoder trains."""
        super().train(mode)
        self.encoder.train(mode and self.whole)
        return self

    def project(self, z: torch.Tensor) -> torch.Tensor:
        """Features (B, D) as the head sees them."""
        for regularizer in self.regularizers:
            z = _as_many(regularizer, "project", z, regularizer.project(z))
        return z

    def loss(
        self, z: torch.Tensor, y: torch.Tensor, rng: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Loss terms of encoder features z (B, D) with labels y (B,), by name."""
        for regularizer in self.regularizers:
            z = _as_many(regularizer, "augment", z, regularizer.augment(z, y, rng))
        z = self.project(z)
        terms = {"cross_entropy": nn.functional.cross_entropy(self.head(z), y)}
        penalties = {each.name: each.penalty(z, y) for each in self.regularizers}
        penalties[self.peft.name] = self.peft.penalty(self.encoder)
        return terms | {n: p for n, p in penalties.items() if isinstance(p, torch.Tensor)}

    def p_fake(self, z: torch.Tensor) -> torch.Tensor:
        """p(fake) (B,) float32 of encoder features z (B, D)."""
        return torch.softmax(self.head(self.project(z)).float(), dim=1)[:, 1]

    def trained(self) -> Tensors:
        """What training changes: trainable parameters, and buffers of an encoder that trains."""
        found = {name: p.detach() for name, p in self.named_parameters() if p.requires_grad}
        if self.whole:
            found.update(self.named_buffers())
        return found


def build(
    backbone: Backbone,
    peft: PeftStrategy,
    regularizers: Sequence[Regularizer],
    seed: int,
    device: str,
) -> Model:
    """A new model on ``device``; the same for the same seed, whatever torch drew before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = backbone.build().requires_grad_(False)
        encoder = peft.apply(encoder)
        model = Model(encoder, peft, regularizers)
    return model.to(device)


def save_checkpoint(path: Path, tensors: Tensors, about: dict[str, Any]) -> None:
    """Write tensors and a JSON description as one safetensors file, whole or not at all."""
    content = save(
        {name: t.contiguous().cpu() for name, t in tensors.items()},
        metadata={"dfdbench": json.dumps(about)},
    )
    write_bytes(path, content)


def load_checkpoint(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Read what :func:`save_checkpoint` wrote.

    Raises:
        DataError: not a checkpoint, or a truncated one.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = json.loads((file.metadata() or {})["dfdbench"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"{path} is no checkpoint of a composed detector: {error}") from error
    return tensors, about


def restore(model: Model, tensors: Tensors, path: Path) -> None:
    """Put trained tensors into a model that was built by the same options.

    Raises:
        DataError: names or shapes differ.
    """
    own = model.trained()
    differing = sorted(own.keys() ^ tensors.keys()) or sorted(
        name for name in own if own[name].shape != tensors[name].shape
    )
    if differing:
        raise DataError(
            f"{path} holds the weights of another detector: {len(differing)} tensors differ, "
            f"such as {differing[0]!r}; score it with the options that it was trained with"
        )
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)
