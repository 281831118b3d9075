"""What one of several processes does of a training that they share.

Each process encodes its part of every batch; the features are then gathered, so that every process
computes the loss of the whole batch by itself, with the same draws. A loss over pairs, or a
regularizer that mixes samples, is what it is with one process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from dfdbench.errors import TrainingError
from dfdbench_plugins.composed.model import Model


@dataclass(frozen=True)
class Share:
    """One process of ``count``; by default the only one, which does everything."""

    rank: int = 0
    count: int = 1

    def part(self, n: int) -> slice:
        """This process's part of a batch of ``n``; empty where there are more processes than that.

        >>> [Share(rank, 3).part(8) for rank in range(3)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        return slice(n * self.rank // self.count, n * (self.rank + 1) // self.count)

    def shown(self, n: int) -> slice:
        """What this process encodes of a batch of ``n``: its part, or one face where it has none.

        Every process must go through the encoder for each batch, because the gradients of its
        parameters are averaged over all of them.
        """
        part = self.part(n)
        return slice(part.start, max(part.stop, part.start + 1))

    def gather(self, z: torch.Tensor, n: int) -> torch.Tensor:
        """Features of a whole batch (n, D), from those of what each process was shown."""
        if self.count == 1:
            return z
        part = self.part(n)
        own = z[: part.stop - part.start]
        whole: torch.Tensor = _Gather.apply(own, part, n, self.count)
        return whole

    def interleaved(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        """What all processes made of their batches, in the order of the batches."""
        if self.count == 1:
            return parts
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, [part.cpu() for part in parts])
        return [part for group in zip_longest(*found) for part in group if part is not None]

    def losses(self, model: Model, encode: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
        """From a batch as this process has it to the loss terms of the whole batch.

        Raises:
            TrainingError: several processes would not give the result of one.
        """
        losses = Losses(model, encode, self)
        if self.count == 1:
            return losses
        _refuse_what_differs(model, self.count)
        # Unused parameters: a strategy may train some that the features do not depend on.
        return nn.parallel.DistributedDataParallel(losses, find_unused_parameters=True)


class Losses(nn.Module):
    """Images (B, 3, S, S), labels (N,) and a generator to loss terms by name; B is N's share."""

    def __init__(
        self, model: Model, encode: Callable[[torch.Tensor], torch.Tensor], share: Share
    ) -> None:
        super().__init__()
        self.model, self.encode, self.share = model, encode, share

    def forward(
        self, x: torch.Tensor, y: torch.Tensor, rng: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """The loss terms; features (N, D) instead of images are the whole batch's already."""
        z = self.encode(x)
        if x.dtype == torch.uint8:
            z = self.share.gather(z, len(y))
        return self.model.loss(z, y, rng)


class _Gather(torch.autograd.Function):
    """Puts the rows of all processes together; each process backpropagates through its own.

    Every process computes the same loss, so the whole gradient is known in each of them. It is
    multiplied by their number because DistributedDataParallel divides the sum over all by it.
    """

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, part: slice, n: int, count: int) -> torch.Tensor:
        ctx.part, ctx.count = part, count
        # Sums with zeros are exact, and take parts of different sizes as they come.
        whole = torch.zeros(n, z.shape[1], dtype=torch.float32, device=z.device)
        whole[part] = z.float()
        dist.all_reduce(whole)
        return whole.to(z.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        return gradients[0][ctx.part] * ctx.count, None, None, None


def _refuse_what_differs(model: Model, count: int) -> None:
    """Batch statistics and dropout are on only where the whole encoder trains."""
    for name, module in model.encoder.named_modules() if model.whole else ():
        rates = [getattr(module, "drop_prob", 0), getattr(module, "dropout", 0)]
        if isinstance(module, nn.modules.dropout._DropoutNd):
            rates.append(module.p)
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            what = "statistics of the batch"
        elif any(isinstance(rate, float) and rate > 0 for rate in rates):
            what = "dropout"
        else:
            continue
        raise TrainingError(
            f"the encoder has {what} ({name}), which {count} processes cannot share with the "
            "result of one; train this detector with one process (DFDBENCH_PROCESSES=1)"
        )
