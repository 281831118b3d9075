from __future__ import annotations

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
from dfdbench_lsda import Lsda, latent, network, training

REGISTRY = registries.load()
TINY = {"use": "timm", "model": "test_vit", "pretrained": "none", "size": 32}
Z = torch.tensor([[0.0, 0.0], [4.0, 0.0], [2.0, 3.0], [10.0, 10.0]])
METHOD = torch.tensor([0, 0, 0, 1])


def detector(**options: Any) -> Lsda:
    options = {"backbone": TINY, "peft": "ln_tuning", "lr": 1e-2, "epochs": 2} | options
    return Lsda.model_validate(options, context=REGISTRY.resolve)


def faces(count: int = 8) -> Faces:
    """Fakes have a brighter left half, of two methods; two frames a video."""
    rng = np.random.default_rng(0)
    images = rng.integers(60, 160, (2 * count, 32, 32, 3)).astype(np.uint8)
    labels = np.repeat([0, 1], count)
    images[labels == 1, :, :16] += 60
    made = Faces.from_arrays(images, labels, [f"v{n // 2}" for n in range(2 * count)])
    made.method[labels == 1] = "x"
    return made


def with_methods(made: Faces) -> Faces:
    from dataclasses import replace

    fakes = np.flatnonzero(made.labels == 1)
    names = np.array([""] * len(made), dtype="<U4")
    names[fakes[::2]], names[fakes[1::2]] = "swap", "draw"
    return replace(made, method=names)


def test_each_method_has_its_own_mean_and_its_own_hardest_feature() -> None:
    assert latent.centroids(Z, METHOD).tolist() == [[2, 1], [2, 1], [2, 1], [10, 10]]
    # Distances from (2, 1): sqrt(5), sqrt(5), 2; the first of equals.
    assert latent.hardest(Z, METHOD).tolist() == [[0, 0], [0, 0], [0, 0], [10, 10]]


def test_features_move_by_hand() -> None:
    by = torch.tensor([[0.5], [1.0], [0.0], [0.5]])
    out = latent.outwards(Z, latent.centroids(Z, METHOD), by)
    assert out.tolist() == [[-1, -0.5], [6, -1], [2, 3], [10, 10]]
    half = latent.towards(Z, Z[[3, 3, 3, 0]], torch.full((4, 1), 0.5))
    assert half.tolist() == [[5, 5], [7, 5], [6, 6.5], [5, 5]]


def test_a_feature_is_mixed_with_another_method_only_and_stays_between() -> None:
    for seed in range(20):
        rng = torch.Generator().manual_seed(seed)
        chosen = latent.others(METHOD, rng)
        assert chosen[:3].tolist() == [3, 3, 3] and int(chosen[3]) in (0, 1, 2)
    mixed = latent.across(Z, METHOD, torch.Generator().manual_seed(1))
    fraction = mixed[0] / 10  # on the line from (0, 0) to (10, 10)
    assert float(fraction[0]) == pytest.approx(float(fraction[1])) and 0 < fraction[0] < 1


def test_with_one_method_nothing_is_mixed() -> None:
    one = torch.zeros(4, dtype=torch.long)
    assert latent.across(Z, one, torch.Generator().manual_seed(0)).equal(Z)


def test_without_strength_nothing_moves_within_a_method() -> None:
    assert latent.within(Z, METHOD, 0.0, torch.Generator().manual_seed(0)).equal(Z)
    moved = latent.within(Z, METHOD, 1.0, torch.Generator().manual_seed(0))
    assert moved[3].equal(Z[3]), "alone in its method, it is mean and hardest itself"
    assert not moved[:3].equal(Z[:3])


def test_the_terms_are_those_of_the_paper_and_only_fakes_meet_their_teacher(tmp_path: Path) -> None:
    run = training.Run(detector(strength=0.0, distillation=2.0, domain=3.0), Context(tmp_path), 1)
    x = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    domain = torch.tensor([-1, 0, -1, 0])
    terms = run.losses(x, domain, torch.Generator().manual_seed(0))
    # Nothing has trained and nothing moves: student and both teachers agree.
    assert float(terms["distillation"].detach()) == pytest.approx(0, abs=1e-10)
    assert float(terms["domain"].detach()) == 0, "one method cannot be taken for another"
    p = torch.softmax(run.student.head(run.student.features(x)), 1)[range(4), [0, 1, 0, 1]]
    assert float(terms["binary"].detach()) == pytest.approx(float(-p.log().mean().detach()))
    with torch.no_grad():
        for p in run.student.parameters():
            p.mul_(1.5)
    terms = run.losses(x, domain, torch.Generator().manual_seed(0))
    z, teacher = run.student.features(x), run.teacher.features(x)
    expected = 2 * (z - teacher).square().mean()
    assert float(terms["distillation"].detach()) == pytest.approx(
        float(expected.detach()), rel=1e-4
    )
    terms["distillation"].backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in run.teacher.parameters()), "the student follows, not it"


def test_every_fake_comes_once_an_epoch_with_as_many_real_faces() -> None:
    domains = np.array([-1, 0, 1, 0, -1, 1, 1])
    batches = list(training._batches(domains, 4, 0, 0))
    assert [len(batch) for batch in batches] == [4, 4], "the fifth fake would be by itself"
    fakes = [n for batch in batches for n in batch if domains[n] >= 0]
    assert len(set(fakes)) == len(fakes) == 4
    assert all((domains[batch] < 0).sum() * 2 == len(batch) for batch in batches)


def test_it_learns_and_scores_the_same_in_any_order(tmp_path: Path) -> None:
    train = with_methods(faces())
    fit = detector(epochs=4).fit(train, train, Context(tmp_path))
    assert fit.selected_on == "validation" and fit.notes == {"methods": "draw, swap"}
    scores = detector(epochs=4).score(train, Context(tmp_path))
    assert scores[8:].min() > scores[:8].max()
    order = np.random.default_rng(0).permutation(len(train))
    shuffled = detector(epochs=4).score(train.take(order), Context(tmp_path))
    assert np.allclose(shuffled, scores[order], atol=1e-6)


def test_an_interrupted_training_ends_with_the_same_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, mine = with_methods(faces()), detector(augment=[{"use": "flip", "p": 0.5}])
    for name in ("straight", "broken"):
        (tmp_path / name).mkdir()
    mine.fit(train, train, Context(tmp_path / "straight"))
    finish = training.Run.finish

    def stop(run: training.Run, record: Any) -> None:
        finish(run, record)
        if run.epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training.Run, "finish", stop)
        mine.fit(train, train, Context(tmp_path / "broken"))
    fit = mine.fit(train, train, Context(tmp_path / "broken"))
    assert [record["epoch"] for record in fit.history] == [1, 2]
    one, two = ((tmp_path / name / network.STUDENT).read_bytes() for name in ("straight", "broken"))
    assert one == two


def test_a_loss_that_is_not_finite_names_step_and_videos(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"not finite at step \d+ of epoch \d+ .*lower lr"):
        detector(lr=1e18).fit(with_methods(faces()), None, Context(tmp_path))


test_conformance = conformance(detector())
