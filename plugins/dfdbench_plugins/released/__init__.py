"""Detectors that somebody else trained and released: their weights score, nothing trains."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from dfdbench import hookimpl
from dfdbench.api import Context, Detector, Fit
from dfdbench.errors import MissingError
from dfdbench_plugins import weights
from dfdbench_plugins.released.models import MODELS, Known

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from dfdbench.faces import Faces

BATCH = 32


class Released(Detector):
    """The CLIP of arXiv:2503.19683, or one of the three GenD of arXiv:2508.06248, as released.

    The weights come from a local file, or from the Hugging Face hub at a commit that the spec
    names: a name such as ``main`` may mean another file tomorrow. No pickled code in a file is
    executed. Faces should be taken as for the detector's training: see ``specs/released.yaml``.
    """

    name: ClassVar[str] = "released"
    trains: ClassVar[bool] = False

    model: Literal["clip_ln", "gend_clip", "gend_dinov3", "gend_perception"] = Field(
        description="which detector"
    )
    weights: Path | None = Field(
        None, description="its file: model.ckpt or model.safetensors; null: from the hub"
    )
    revision: str | None = Field(
        None, description="commit of the hub's repository, 40 hexadecimal digits; for the hub only"
    )

    @field_validator("revision")
    @classmethod
    def _commit(cls, revision: str | None) -> str | None:
        if revision is not None and not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise ValueError(f"{revision!r} is no commit: 40 digits from 0-9 and a-f")
        return revision

    @property
    def known(self) -> Known:
        """What is known of this detector."""
        return MODELS[self.model]

    def identity(self) -> dict[str, Any]:
        """The options, a local file by its content, whatever revision it is said to be."""
        if self.weights is None:
            return super().identity()
        content = weights.content_of(self.weights)
        return {**super().identity(), "weights": content, "revision": None}

    def missing(self) -> list[str]:
        """A sentence where the weights are neither a local file nor in the hub's cache."""
        repository, label = self.known.repository, f"released {self.model}"
        if self.weights is not None:
            there = self.weights.is_file()
            return [] if there else [_no_file(label, self.weights, self.known)]
        if self.revision is None:
            return [_no_revision(label, self.known)]
        if weights.cached(repository, [self.known.file], self.revision):
            return []
        return [weights.not_cached(f"{label} at {self.revision[:8]}", repository, "weights")]

    def file(self) -> Path:
        """The weights file, downloaded where the hub's cache has none.

        Raises:
            MissingError: it is not there, or cannot be had from the hub.
        """
        label = f"released {self.model}"
        if self.weights is not None:
            if not self.weights.is_file():
                raise MissingError(_no_file(label, self.weights, self.known))
            return self.weights
        if self.revision is None:
            raise MissingError(_no_revision(label, self.known))
        wanted_by = f"{label} at {self.revision[:8]}"
        repository, names = self.known.repository, [self.known.file]
        path = weights.fetch(repository, names, wanted_by, self.revision, option="weights")
        if path.suffix == ".safetensors":  # what the head is stands beside the weights
            weights.fetch(repository, ["config.json"], wanted_by, self.revision, option="weights")
        return path

    def fit(self, train: Faces, validation: Faces | None, context: Context) -> Fit:
        """Nothing to learn."""
        return Fit()

    def score(self, faces: Faces, context: Context) -> NDArray[np.floating[Any]]:
        """Forward every face once, in float32.

        Raises:
            MissingError: the weights are not there.
            DataError: they are not those of this detector.
        """
        import torch

        from dfdbench_plugins.composed.loading import in_order
        from dfdbench_plugins.released import network

        model = network.load(self.known, self.file()).to(context.device)
        form, parts = model.encoder.input, []
        with (
            torch.inference_mode(),
            context.progress.task(f"score {faces.name}", len(faces)) as task,
        ):
            for images in in_order(faces, form, BATCH):
                x = form.normalise(images.to(context.device))
                parts.append(model(x).cpu())
                task.advance(len(images))
        scores: NDArray[np.floating[Any]] = torch.cat(parts).numpy()
        return scores

    def module(self, size: int, context: Context) -> nn.Module:
        """The network with its preprocessing; see :class:`dfdbench.api.Detector`."""
        from dfdbench.export.graph import FromFaces
        from dfdbench_plugins.released import network

        model = network.load(self.known, self.file())
        return FromFaces(size, model.encoder.input, model).to(context.device).eval()


def _no_file(label: str, path: Path, known: Known) -> str:
    return (
        f"{label}: no weights file {path} (looked for it at {path.absolute()}); put {known.file} "
        f"of https://huggingface.co/{known.repository} there, or correct `weights`"
    )


def _no_revision(label: str, known: Known) -> str:
    return (
        f"{label}: where are the weights? Name a local file as `weights`, or a commit of "
        f"https://huggingface.co/{known.repository} as `revision`: its 40 digits"
    )


@hookimpl
def dfdbench_detectors() -> Sequence[type[Detector]]:
    """This detector."""
    return [Released]
