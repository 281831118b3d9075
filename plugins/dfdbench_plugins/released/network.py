"""The networks of released detectors: a tower of open_clip or timm and a linear head."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from dfdbench.encoder import Encoder, Input
from dfdbench.errors import DataError
from dfdbench_plugins import weights
from dfdbench_plugins.open_clip_backbone import encoder as open_clip_towers
from dfdbench_plugins.released import mapping
from dfdbench_plugins.released.models import Known
from dfdbench_plugins.timm_backbone import encoder as timm_towers


class Network(nn.Module):
    """Encoder and head; normalised images (B, 3, S, S) to p(fake) (B,) float32."""

    def __init__(self, encoder: Encoder, normalised: bool) -> None:
        super().__init__()
        self.encoder, self.normalised = encoder, normalised
        self.head = nn.Linear(encoder.feature_dim, 2)

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2), real before fake."""
        z = self.encoder(images)
        logits: torch.Tensor = self.head(F.normalize(z, dim=1) if self.normalised else z)
        return logits

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The second probability."""
        return torch.softmax(self.logits(images).float(), dim=1)[:, 1]


def load(known: Known, path: Path) -> Network:
    """The network with the weights of a released file, in evaluation mode.

    Args:
        known: which detector it is.
        path: its file.

    Raises:
        MissingError: there is no such file.
        DataError: it cannot be read, holds more than tensors, or belongs to another detector.
    """
    tensors, said = weights.read_checkpoint(path, inert=("src.",))
    encoder, head, other = mapping.parts(tensors)
    what = f"the detector of {known.repository}"
    needed = (("encoder", mapping.ENCODER, encoder), ("head", mapping.HEAD, head))
    for lacking, prefix, there in needed:
        if not there:
            raise DataError(
                f"{path} is no file of {what}: it has no {lacking}, nothing called {prefix}*, but "
                f"{len(tensors)} tensors such as {next(iter(tensors))}; take {known.file} from "
                f"https://huggingface.co/{known.repository}"
            )
    network = build(known, _normalised(said, path, known.normalised))
    inner = next(iter(network.encoder._modules))  # the tower within the encoder
    names = mapping.OF_TOWER[known.tower](encoder)
    found = {f"encoder.{inner}.{name}": tensor for name, tensor in names.items()}
    found |= {f"head.{name}": tensor for name, tensor in head.items()}
    weights.load_into(network, found | other, path, what)
    return network.eval().requires_grad_(False)


def build(known: Known, normalised: bool) -> Network:
    """The network with random weights; leaves torch's global generator as it was."""
    form = Input(known.size, known.mean, known.std, known.interpolation)
    with torch.random.fork_rng(devices=[]):
        return Network(ENCODERS[known.tower](known, form), normalised)


def _open_clip(known: Known, form: Input) -> Encoder:
    """A vision transformer of OpenAI's CLIP: its activation is QuickGELU."""
    vision: dict[str, Any] = {**known.vision, "image_size": known.size}
    # The second argument is the width of the projection, which the encoder leaves out.
    return open_clip_towers.encoder(open_clip_towers.tower(1, vision, quick_gelu=True), form)


def _timm(known: Known, form: Input) -> Encoder:
    import timm

    return timm_towers.Timm(timm.create_model(num_classes=0, **known.vision), form)


ENCODERS: dict[str, Callable[[Known, Input], Encoder]] = {
    "clip": _open_clip,
    "dinov3": _timm,
    "perception": _timm,
}


def _normalised(said: Mapping[str, Any], path: Path, otherwise: bool) -> bool:
    """Whether features are brought to unit length: from the file, or the ``config.json`` beside it.

    The authors call a head after that: ``LinearNorm``, else ``linear``.
    """
    head = said.get("head")
    beside = path.with_name("config.json")
    if head is None and beside.is_file():
        try:
            head = json.loads(beside.read_text(encoding="utf-8")).get("head")
        except (ValueError, AttributeError) as error:
            raise DataError(f"{beside} is no JSON object: {error}; download it again") from error
    if head is None:
        return otherwise
    known = {"linear": False, "LinearNorm": True}
    if str(head) not in known:
        raise DataError(f"{path} has a head {str(head)!r}; known are {', '.join(known)}")
    return known[str(head)] or bool(said.get("normalize_features"))
