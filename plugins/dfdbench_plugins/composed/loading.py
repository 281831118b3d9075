"""Batches of faces, the same for the same seed however many processes load them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from dfdbench.api import Transform
from dfdbench.encoder import Input
from dfdbench_plugins.composed.share import Share

if TYPE_CHECKING:
    from dfdbench.faces import Faces

Batch = tuple[torch.Tensor, torch.Tensor, NDArray[np.int64]]
"""Images (B, 3, S, S) uint8, labels (B,) int64, positions of the faces (B,).

Of several processes each has the images of its share alone, and all of the labels and positions.
"""
ALL = Share()


def generator(*seeds: int) -> torch.Generator:
    """A generator that depends on all seeds and on nothing else."""
    mixed = np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed))


def epoch_order(count: int, batch_size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Positions of each batch of an epoch: every face once, in random order.

    A last batch of a single face is left out: neither batch statistics nor the losses over pairs
    are defined for it.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    batches = [order[start : start + batch_size] for start in range(0, count, batch_size)]
    return [batch for batch in batches if len(batch) > 1]


class TrainBatches(Dataset[Batch]):
    """The batches of one epoch, augmented; item n depends on the seed, the epoch and n alone."""

    def __init__(
        self,
        faces: Faces,
        form: Input,
        augment: Sequence[Transform],
        batch_size: int,
        seed: int,
        share: Share = ALL,
    ) -> None:
        # Augmentation sees the stored face, as large as it is; without it the resized one will do.
        self.images = faces.images() if augment else faces.images(form.size, form.interpolation)
        self.labels = torch.from_numpy(faces.labels)
        self.form, self.transforms = form, tuple(augment)
        self.batch_size, self.seed, self.epoch, self.share = batch_size, seed, 0, share
        self.batches: list[NDArray[np.int64]] = []
        self.start(0)

    def start(self, epoch: int) -> None:
        """Draw the order of an epoch."""
        self.epoch = epoch
        self.batches = epoch_order(len(self.labels), self.batch_size, self.seed, epoch)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, n: int) -> Batch:
        where = self.batches[n]
        images = to_tensor(self.images[where])
        rng = generator(self.seed, self.epoch, n)
        for transform in self.transforms:
            images = transform.augment(images, rng)
        # Only now: a face is augmented by the same draws however many processes share its batch.
        images = images[self.share.shown(len(where))]
        if images.shape[-1] != self.form.size:
            how = InterpolationMode(self.form.interpolation)
            images = resize(images, [self.form.size], how, antialias=True)
        return images, self.labels[where], where


def loader(batches: TrainBatches, workers: int) -> DataLoader[Any]:
    """The batches in order, loaded by this process or by ``workers`` others."""
    own = torch.Generator().manual_seed(batches.seed)  # else it draws from the global generator
    return DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        pin_memory=workers > 0 and torch.cuda.is_available(),
        generator=own,
    )


class FeatureBatches:
    """The batches of an epoch as features (N, D), for a frozen encoder without augmentation."""

    def __init__(self, features: torch.Tensor, data: TrainBatches) -> None:
        self.z, self.data = features, data

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Batch]:
        for where in self.data.batches:
            yield self.z[where], self.data.labels[where], where


def in_order(
    faces: Faces, form: Input, batch_size: int, share: Share = ALL
) -> Iterator[torch.Tensor]:
    """The faces in their order, resized as the encoder wants them; (B, 3, S, S) uint8.

    All batches, or those of a process: its rank, and every so many after it.
    """
    images = faces.images(form.size, form.interpolation)
    for start in range(share.rank * batch_size, len(faces), share.count * batch_size):
        yield to_tensor(images[start : start + batch_size])


def to_tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    """(B, S, S, 3) array to (B, 3, S, S) tensor, copied out of the mapped file.

    The copy keeps the channels last, which is how the transforms want them.
    """
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
