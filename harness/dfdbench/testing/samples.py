"""What components are tried on: small, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dfdbench import media
from dfdbench.api import FAKE, REAL, Frame, FrameSource, Video
from dfdbench.encoder import Encoder, Input
from dfdbench.errors import UnreadableError
from dfdbench.faces import Faces
from dfdbench.testing.case import fail


def faces(seed: int = 0, videos: int = 12, size: int = 48, name: str = "train") -> Faces:
    """Faces of real and fake videos in turn, each of 1 to 3 frames; images (N, S, S, 3) of noise.

    The fakes' left half is brighter, which any detector can learn.
    """
    rng = np.random.default_rng([seed, videos, size])
    video = np.repeat(np.arange(videos), [1 + n // 2 % 3 for n in range(videos)])
    labels = video % 2
    images = rng.integers(60, 160, (len(video), size, size, 3))
    images[labels == FAKE, :, : size // 2] += 40
    frame = np.arange(len(video)) - np.searchsorted(video, video)
    pixels = images.astype(np.uint8)

    def load(wanted: int | None, interpolation: str) -> NDArray[np.uint8]:
        if wanted is None:
            return pixels
        return np.stack([media.resize(image, wanted, interpolation) for image in pixels])

    return Faces(
        name=name,
        labels=labels.astype(np.int64),
        video_id=np.array([f"{name}/{n:03d}" for n in video]),
        frame_index=frame.astype(np.int64),
        path=np.array([f"{name}/{n:03d}/{k}.png" for n, k in zip(video, frame, strict=True)]),
        method=np.where(labels == FAKE, "swap", ""),
        load=load,
    )


def images(seed: int = 0, count: int = 4, height: int = 24, width: int = 20) -> torch.Tensor:
    """Images (B, 3, H, W) uint8: a coarse pattern with noise on it."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (count, 3, -(-height // 4), -(-width // 4)))
    pattern = coarse.repeat(4, 2).repeat(4, 3)[:, :, :height, :width]
    noisy = pattern + rng.integers(-20, 21, pattern.shape)
    return torch.from_numpy(noisy.astype(np.uint8))


def features(
    seed: int = 0, count: int = 12, dim: int = 8, labels: Sequence[int] = (REAL, FAKE)
) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (B, D) float32 and labels (B,) int64 that take turns."""
    rng = torch.Generator().manual_seed(seed)
    y = torch.tensor([labels[n % len(labels)] for n in range(count)])
    return torch.randn(count, dim, generator=rng) + y.unsqueeze(1), y


class Frames:
    """Frames in memory; positions must be asked for in ascending order, each once.

    Args:
        pictures: (H, W, 3) uint8 each; None: a frame that cannot be read.
        broken: the video cannot be read at all.
    """

    masks: FrameSource | None = None

    def __init__(
        self, pictures: Sequence[NDArray[np.uint8] | None], broken: bool = False, id: str = "video"
    ) -> None:
        self.video = Video(id=id, label=REAL, files=("video.mp4",))
        self.pictures, self.broken = pictures, broken
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, positions: Sequence[int]) -> Iterator[Frame]:
        """Yield the frames at ``positions``."""
        if self.broken:
            raise UnreadableError("is no video, or a damaged one")
        positions = list(positions)
        if positions != sorted(set(positions)) or not set(positions) <= set(range(len(self))):
            fail(f"it reads the positions {positions}; ask for 0 to len - 1, ascending, each once")
        self.asked += positions
        for position in positions:
            picture = self.pictures[position]
            error = "" if picture is not None else "damaged"
            yield Frame(position, f"{position}.png", picture, error=error)


def pictures(seed: int = 0, count: int = 6, size: int = 96) -> list[NDArray[np.uint8]]:
    """Pictures (H, W, 3) uint8 of a coarse pattern, without any face."""
    batch = images(seed, count, size, size).permute(0, 2, 3, 1).numpy()
    return [np.ascontiguousarray(picture) for picture in batch]


class SmallEncoder(Encoder):
    """A vision transformer of two blocks for 16 px images, 32 features wide."""

    feature_dim = 32
    input = Input(16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 8, stride=8)
        self.layers = nn.ModuleList(_Block(32) for _ in range(2))
        self.norm = nn.LayerNorm(32)

    def blocks(self) -> list[nn.Module]:
        """Both blocks."""
        return list(self.layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, 16, 16) to (B, 32)."""
        x = self.patches(images).flatten(2).transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        pooled: torch.Tensor = self.norm(x).mean(1)
        return pooled


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm1(x)
        x = x + self.attn(h, h, h, need_weights=False)[0]
        out: torch.Tensor = x + self.mlp(self.norm2(x))
        return out


@dataclass
class Heard:
    """The records that a detector logs; ``stop_at`` interrupts it as an epoch ends."""

    stop_at: int = 0
    records: list[dict[str, object]] = field(default_factory=list)

    def __call__(self, record: dict[str, object]) -> None:
        """Keep a record; raises KeyboardInterrupt where it is to interrupt."""
        self.records.append(record)
        if len(self.records) == self.stop_at:
            raise KeyboardInterrupt
