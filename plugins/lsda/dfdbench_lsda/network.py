"""The student's and the teacher's network, and scoring by the student."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import nn

from dfdbench.api import Context
from dfdbench.encoder import Encoder, Input
from dfdbench.errors import TrainingError

if TYPE_CHECKING:
    from dfdbench.faces import Faces
    from dfdbench_lsda import Lsda

STUDENT = "student.safetensors"
SCORE_BATCH = 32
Tensors = dict[str, torch.Tensor]


class Network(nn.Module):
    """An encoder and a linear head on it."""

    def __init__(self, detector: Lsda, classes: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # of weights that are not pretrained, and of the head
            self.encoder: Encoder = frozen(detector)
            self.encoder = detector.peft.apply(self.encoder)
            self.head = nn.Linear(self.encoder.feature_dim, classes)
        self.whole = all(p.requires_grad for p in self.encoder.parameters())

    def train(self, mode: bool = True) -> Network:
        """Batch statistics and dropout are on only where the whole encoder trains."""
        super().train(mode)
        self.encoder.train(mode and self.whole)
        return self

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """(B, D) of images (B, 3, S, S) uint8."""
        z: torch.Tensor = self.encoder(self.encoder.input.normalise(images))
        return z

    def trained(self) -> Tensors:
        """All that training changes: what has a gradient, and buffers such as batch statistics."""
        still = {name for name, p in self.named_parameters() if not p.requires_grad}
        return {name: t for name, t in self.state_dict().items() if name not in still}


def frozen(detector: Lsda) -> Encoder:
    """The backbone as it is, in evaluation mode."""
    return detector.backbone.build().requires_grad_(False).eval()


def score(detector: Lsda, faces: Faces, context: Context) -> NDArray[np.float32]:
    """p(fake) (N,) by the student in ``context.folder``."""
    with safe_open(context.folder / STUDENT, framework="pt") as file:
        seed = int(file.metadata()["seed"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    student = Network(detector, 2, seed)
    student.load_state_dict(tensors, strict=False)
    return scores(student.to(context.device), faces, context)


def scores(student: Network, faces: Faces, context: Context) -> NDArray[np.float32]:
    """p(fake) (N,)."""
    student.eval()
    images = faces.images(*how(student.encoder.input))
    found = []
    with torch.inference_mode(), context.progress.task(f"score {faces.name}", len(faces)) as task:
        for start in range(0, len(faces), SCORE_BATCH):
            batch = torch.from_numpy(np.array(images[start : start + SCORE_BATCH]))
            z = student.features(batch.permute(0, 3, 1, 2).to(context.device))
            found.append(torch.softmax(student.head(z), 1)[:, 1].float().cpu().numpy())
            task.advance(len(batch))
    p_fake: NDArray[np.float32] = np.concatenate(found)
    if not np.isfinite(p_fake).all():
        raise TrainingError(f"the student's scores of {faces.name} are not finite; lower lr")
    return p_fake


def how(form: Input) -> tuple[int, str]:
    """Size and interpolation, as :meth:`dfdbench.faces.Faces.images` takes them."""
    return form.size, form.interpolation
