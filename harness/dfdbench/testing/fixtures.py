"""The samples of the suite as pytest fixtures: ``pytest_plugins = ["dfdbench.testing.fixtures"]``.

They need pytest, which dfdbench itself does not.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dfdbench.api import Context
from dfdbench.faces import Faces
from dfdbench.testing import samples


@pytest.fixture
def train_faces() -> Faces:
    """24 faces of 12 videos, 48 px, half of them fake."""
    return samples.faces(1)


@pytest.fixture
def other_faces() -> Faces:
    """Other faces of 8 videos, 48 px."""
    return samples.faces(3, videos=8, name="test")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A detector's context with an empty folder and the seed 1."""
    folder = tmp_path / "detector"
    folder.mkdir()
    return Context(folder, seed=1)


@pytest.fixture
def image_batch() -> torch.Tensor:
    """Four images (4, 3, 24, 20) uint8."""
    return samples.images()


@pytest.fixture
def feature_batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Twelve features (12, 8) float32 and their labels."""
    return samples.features()


@pytest.fixture
def small_encoder() -> samples.SmallEncoder:
    """A vision transformer of two blocks, seeded, frozen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        encoder = samples.SmallEncoder()
    encoder.requires_grad_(False)
    return encoder


@pytest.fixture
def video_frames() -> samples.Frames:
    """Six frames of 96 px, without a face."""
    return samples.Frames(samples.pictures())
