"""Faces under a perturbation: what must be in memory together, and that it does what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dfdbench.errors import DataError, DfdbenchError

if TYPE_CHECKING:
    from dfdbench.api import Transform

Image = NDArray[np.uint8]
CHUNK = 256


def chunks(video_id: Sequence[str], whole_videos: bool) -> Iterator[slice]:
    """Where to cut N faces, ordered by video: into videos, or every 256 faces.

    >>> list(chunks(["a", "a", "b"], whole_videos=True))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    count = len(video_id)
    if whole_videos:
        starts = [n for n in range(count) if n == 0 or video_id[n] != video_id[n - 1]]
    else:
        starts = list(range(0, count, CHUNK))
    for start, end in zip(starts, [*starts[1:], count], strict=True):
        yield slice(start, end)


class Perturbing:
    """Puts faces through a perturbation, and knows in the end whether it changed any of them."""

    def __init__(self, transform: Transform) -> None:
        self.transform = transform
        self.faces, self.changed = 0, 0

    def __call__(self, images: Sequence[Image], frame_index: Sequence[int]) -> list[Image]:
        """Images (S, S, 3) as they are in one chunk; the same number, shape and order.

        Raises:
            DfdbenchError: the transform returned something else.
        """
        import torch

        clean = np.stack(images)
        order = np.arange(len(clean))
        if self.transform.per_video:
            order = np.argsort(frame_index, kind="stable")
        # A copy, as a transform may write into what it is given.
        given = torch.from_numpy(clean[order]).permute(0, 3, 1, 2)
        found = self.transform.perturb(given)
        if found.shape != given.shape or found.dtype != given.dtype:
            raise DfdbenchError(
                f"{_said(self.transform)} made {tuple(found.shape)} {found.dtype} of images of "
                f"{tuple(given.shape)} {given.dtype}; its `perturb` has to keep shape and type"
            )
        changed = np.empty_like(clean)
        changed[order] = found.permute(0, 2, 3, 1).numpy()
        self.faces += len(clean)
        self.changed += int((changed != clean).any(axis=(1, 2, 3)).sum())
        return list(changed)

    def check(self) -> None:
        """See, after the last chunk, that it was no clean test under another name.

        Raises:
            DataError: no face changed, and the strength is not zero; or the other way round.
        """
        zero = self.transform.does_nothing()
        if self.faces and not self.changed and not zero:
            raise DataError(
                f"the perturbation {_said(self.transform)} changes no pixel of {self.faces:,} "
                "faces, so its figures would be those of the clean faces under another name; "
                "correct its options in the spec"
            )
        if self.changed and zero:
            raise DataError(
                f"the perturbation {_said(self.transform)} says that its strength is zero, and "
                f"changes {self.changed:,} of {self.faces:,} faces; correct the plugin, in "
                "`does_nothing` or in `perturb`"
            )


def _said(transform: Transform) -> str:
    """As in a spec: ``{use: resize, factor: 0.5}``."""
    options: dict[str, Any] = transform.to_spec()
    for name in transform.training_only:
        options.pop(name, None)
    return "{" + ", ".join(f"{name}: {value}" for name, value in options.items()) + "}"
