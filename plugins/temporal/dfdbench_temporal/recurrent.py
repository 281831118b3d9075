"""Faces to sequences of features, and the network that reads them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from dfdbench.api import Context, Fit
from dfdbench.encoder import Encoder
from dfdbench.errors import TrainingError

if TYPE_CHECKING:
    from dfdbench.faces import Faces
    from dfdbench_temporal import Temporal

CHECKPOINT = "temporal.safetensors"
BATCH = 32  # faces in one forward pass of the backbone


class Reader(nn.Module):
    """A GRU over the frames of each video, and a head on its last state.

    Attributes:
        mean: (D,) of the training features, taken off first.
        std: (D,) of the training features, divided by.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))
        self.gru = nn.GRU(width, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 2)

    def forward(self, videos: list[torch.Tensor]) -> torch.Tensor:
        """Logits (V, 2) of V videos (T, D), each of its own length T from 1."""
        lengths = torch.tensor([len(video) for video in videos])
        padded = pad_sequence([(v - self.mean) / self.std for v in videos], batch_first=True)
        # Packed: what is padded is never read, so that a video's score depends on no other video.
        packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
        _, last = self.gru(packed)  # (1, V, hidden)
        logits: torch.Tensor = self.head(last[0])
        return logits


@dataclass(frozen=True)
class Videos:
    """The faces of a set as one sequence of features for each video.

    Attributes:
        features: V tensors (T, D), in the order of the frames.
        labels: (V,) int64.
        video: (N,) the video, 0 to V - 1, of each face as it was given.
    """

    features: list[torch.Tensor]
    labels: torch.Tensor
    video: NDArray[np.intp]


def fit(detector: Temporal, train: Faces, validation: Faces | None, context: Context) -> Fit:
    """See :meth:`dfdbench_temporal.Temporal.fit`."""
    encoder = _encoder(detector, context.seed, context)
    known = sequences(train, encoder, context)
    held_out = sequences(validation, encoder, context) if validation is not None else None
    reader = _reader(detector, encoder, context.seed).to(context.device)
    everything = torch.cat(known.features)
    reader.mean.copy_(everything.mean(0))
    reader.std.copy_(everything.std(0, correction=0).clamp(min=1e-6))
    optimizer = torch.optim.AdamW(
        reader.parameters(), detector.lr, weight_decay=detector.weight_decay
    )
    best, best_epoch, history = np.inf, 0, list[dict[str, Any]]()
    with context.progress.task("train temporal", detector.epochs) as task:
        for epoch in range(1, detector.epochs + 1):
            loss = _one_epoch(detector, reader, known, optimizer, epoch, context)
            record: dict[str, Any] = {"epoch": epoch, "loss": {"cross_entropy": loss}}
            value = float(-epoch)
            if held_out is not None:
                value = float(F.cross_entropy(_logits(reader, held_out), held_out.labels))
                record["validation"] = {"cross_entropy": value}
            if value < best:
                best, best_epoch = value, epoch
                _save(reader, context)
            history.append(record)
            context.log(record)
            task.advance(1)
    trained = sum(p.numel() for p in reader.parameters())
    return Fit(
        selection="last epoch" if held_out is None else "lowest validation cross-entropy",
        selected_on="none" if held_out is None else "validation",
        epoch=best_epoch,
        trainable=trained,
        parameters=trained + sum(p.numel() for p in encoder.parameters()),
        history=history,
    )


def score(detector: Temporal, faces: Faces, context: Context) -> NDArray[np.float32]:
    """p(fake) (N,) by the checkpoint in ``context.folder``."""
    with safe_open(context.folder / CHECKPOINT, framework="pt") as file:
        seed = int(file.metadata()["seed"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    encoder = _encoder(detector, seed, context)
    reader = _reader(detector, encoder, seed)
    reader.load_state_dict(tensors)
    videos = sequences(faces, encoder, context)
    p_fake = torch.softmax(_logits(reader.to(context.device), videos), 1)[:, 1]
    scores: NDArray[np.float32] = p_fake.cpu().numpy()[videos.video]
    return scores


def sequences(faces: Faces, encoder: Encoder, context: Context) -> Videos:
    """Encode every face once and put those of a video in the order of its frames."""
    images, found = faces.images(encoder.input.size, encoder.input.interpolation), []
    with torch.inference_mode(), context.progress.task(f"see {faces.name}", len(faces)) as task:
        for start in range(0, len(faces), BATCH):
            batch = torch.from_numpy(np.array(images[start : start + BATCH])).permute(0, 3, 1, 2)
            found.append(encoder(encoder.input.normalise(batch.to(context.device))).float())
            task.advance(len(batch))
    z = torch.cat(found).clone()
    ids, first, video = np.unique(faces.video_id, return_index=True, return_inverse=True)
    # The path decides between frames of one number: a score may not depend on the faces' order.
    order = np.lexsort((faces.path, faces.frame_index, video))
    parts = np.split(order, np.cumsum(np.bincount(video, minlength=len(ids)))[:-1])
    labels = torch.from_numpy(faces.labels[first]).to(context.device)
    return Videos([z[torch.from_numpy(part)] for part in parts], labels, video)


def _one_epoch(
    detector: Temporal,
    reader: Reader,
    videos: Videos,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    context: Context,
) -> float:
    """Every video once; the mean of the loss over the steps."""
    order = np.random.default_rng([context.seed, epoch]).permutation(len(videos.features))
    losses = []
    for start in range(0, len(order), detector.batch_size):
        where = order[start : start + detector.batch_size]
        logits = reader([videos.features[n] for n in where])
        loss = F.cross_entropy(logits, videos.labels[torch.from_numpy(where)])
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is not finite at step {start // detector.batch_size} of epoch {epoch}; "
                "lower lr, or see to the backbone, whose features may not be finite"
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def _logits(reader: Reader, videos: Videos) -> torch.Tensor:
    """(V, 2), a part of the videos at a time. Raises TrainingError where one is not finite."""
    with torch.inference_mode():
        starts = range(0, len(videos.features), BATCH)
        logits = torch.cat([reader(videos.features[n : n + BATCH]) for n in starts])
    if not logits.isfinite().all():
        raise TrainingError("the scores of some videos are not finite; lower lr")
    return logits


def _encoder(detector: Temporal, seed: int, context: Context) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # draws the weights of a backbone that is not pretrained
        return detector.backbone.build().requires_grad_(False).eval().to(context.device)


def _reader(detector: Temporal, encoder: Encoder, seed: int) -> Reader:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Reader(encoder.feature_dim, detector.hidden)


def _save(reader: Reader, context: Context) -> None:
    path = context.folder / CHECKPOINT
    tensors = {name: t.contiguous().cpu() for name, t in reader.state_dict().items()}
    save_file(tensors, path.with_suffix(".new"), {"seed": str(context.seed)})
    os.replace(path.with_suffix(".new"), path)
