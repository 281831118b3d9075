from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfdbench import registry as registries
from dfdbench.api import Context
from dfdbench.errors import TrainingError
from dfdbench.faces import Faces
from dfdbench.testing import conformance
from dfdbench_temporal import Temporal
from dfdbench_temporal.recurrent import Reader

REGISTRY = registries.load()
TINY = {"use": "timm", "model": "test_vit", "pretrained": "none", "size": 32}
FRAMES, VIDEOS = 4, 24


def detector(**options: Any) -> Temporal:
    options = {"backbone": TINY, "epochs": 15, "lr": 1e-2, "hidden": 16} | options
    return Temporal.model_validate(options, context=REGISTRY.resolve)


def faces(seed: int) -> Faces:
    """Real videos grow brighter and fake ones darker, through the same frames."""
    rng = np.random.default_rng(seed)
    brightness = np.linspace(60, 180, FRAMES)
    images, labels, ids, numbers = [], [], [], []
    for video in range(VIDEOS):
        label = video % 2
        for n, light in enumerate(brightness[::-1] if label else brightness):
            noise = rng.normal(0, 5, (32, 32, 3))
            images.append(np.clip(light + noise, 0, 255).astype(np.uint8))
            labels.append(label)
            ids.append(f"v{video:02d}")
            numbers.append(n)
    made = Faces.from_arrays(np.stack(images), labels, ids)
    return replace(made, frame_index=np.array(numbers))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Context:
    context = Context(tmp_path_factory.mktemp("temporal"))
    fit = detector().fit(faces(0), faces(1), context)
    assert fit.selected_on == "validation" and len(fit.history) == 15
    # GRU: 3 gates of 16 from 64 features and 16 states, with two biases; head: 16 to 2.
    assert fit.trainable == 3 * 16 * (64 + 16 + 2) + 2 * 17
    return context


def test_it_tells_apart_what_no_single_frame_shows(trained: Context) -> None:
    test = faces(2)
    scores = detector().score(test, trained)
    assert scores[test.labels == 1].min() > scores[test.labels == 0].max()


def test_all_faces_of_a_video_have_its_score(trained: Context) -> None:
    scores = detector().score(faces(2), trained).reshape(VIDEOS, FRAMES)
    assert scores.shape[1] == FRAMES and np.ptp(scores, axis=1).max() == 0


def test_scores_follow_the_frames_numbers_not_the_order_of_the_faces(trained: Context) -> None:
    test = faces(2)
    scores = detector().score(test, trained)
    order = np.random.default_rng(0).permutation(len(test))
    assert np.allclose(detector().score(test.take(order), trained), scores[order], atol=1e-6)
    backwards = replace(test, frame_index=-test.frame_index)
    assert np.abs(detector().score(backwards, trained) - scores).min() > 0.3


def test_a_video_scores_the_same_alone_as_beside_a_longer_one() -> None:
    torch.manual_seed(0)
    reader = Reader(width=3, hidden=4)
    short, long = torch.randn(2, 3), torch.randn(7, 3)
    together = reader([short, long])
    assert torch.allclose(together[0], reader([short])[0], atol=1e-6)
    assert torch.allclose(together[1], reader([long])[0], atol=1e-6)


def test_the_last_state_is_that_of_a_gru_figured_by_hand() -> None:
    reader = Reader(width=1, hidden=1)
    with torch.no_grad():
        for p in reader.parameters():
            p.zero_()
        reader.gru.weight_ih_l0[2] = 1.0  # the candidate is tanh(x); both gates are 1/2
        reader.head.weight[1] = 1.0
    x = torch.tensor([[0.3], [-0.8]])
    # h1 = tanh(0.3) / 2, h2 = tanh(-0.8) / 2 + h1 / 2
    expected = np.tanh(-0.8) / 2 + np.tanh(0.3) / 4
    assert float(reader([x])[0, 1].detach()) == pytest.approx(expected, abs=1e-6)


def test_a_seed_gives_the_same_scores_and_another_one_others(tmp_path: Path) -> None:
    found = []
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        context = Context(tmp_path / name, seed=seed)
        detector(epochs=1).fit(faces(0), None, context)
        found.append(detector().score(faces(2), context))
    assert np.array_equal(found[0], found[1]) and not np.allclose(found[0], found[2])


def test_a_loss_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"not finite at step \d+ of epoch \d+; lower lr"):
        detector(lr=1e30).fit(faces(0), None, Context(tmp_path))


test_conformance = conformance(detector(epochs=3))
