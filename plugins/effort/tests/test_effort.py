from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import dfdbench_effort
from dfdbench import metrics
from dfdbench import registry as registries
from dfdbench.api import Context, Detector
from dfdbench.encoder import Encoder
from dfdbench.errors import SpecError
from dfdbench.faces import Faces
from dfdbench.testing import conformance
from dfdbench_effort import Effort
from dfdbench_effort.residual import Residual, apartness

REGISTRY = registries.load()


def encoder_of(use: dict[str, object]) -> Encoder:
    torch.manual_seed(0)
    built: Encoder = REGISTRY.resolve("backbone", use).build()  # type: ignore[attr-defined]
    return built.requires_grad_(False).eval()


OPEN_CLIP = {"use": "demo_clip"}  # nn.MultiheadAttention, width 192, 4 blocks
TIMM = {"use": "timm", "model": "test_vit", "pretrained": "none", "size": 32}  # qkv and proj


@pytest.mark.parametrize("use", [OPEN_CLIP, TIMM], ids=lambda use: str(use["use"]))
def test_the_encoder_computes_the_same_as_before(use: dict[str, object]) -> None:
    encoder = encoder_of(use)
    images = torch.randn(3, 3, encoder.input.size, encoder.input.size)
    before = encoder(images)
    with torch.no_grad():
        after = Effort(components=2).apply(encoder)(images)
    assert torch.allclose(before, after, atol=1e-5)


def test_vit_l_14_has_the_papers_number_of_parameters_that_train() -> None:
    with torch.device("meta"):
        encoder = encoder_of({"use": "open_clip", "model": "ViT-L-14", "pretrained": "none"})
    trained = [p for p in Effort().apply(encoder).parameters() if p.requires_grad]
    # 24 blocks with 4 weights of 1024 x 1024, each with two vectors and a value: "0.19M".
    assert sum(p.numel() for p in trained) == 24 * 4 * (2 * 1024 + 1) == 196_704


def test_steps_change_the_residual_and_leave_the_principal_part() -> None:
    encoder = Effort().apply(encoder_of(TIMM))
    head = nn.Linear(encoder.feature_dim, 2)
    before = {name: p.detach().clone() for name, p in encoder.named_parameters()}
    trained = {name: p for name, p in encoder.named_parameters() if p.requires_grad}
    assert {name.rpartition(".")[2] for name in trained} == {"u", "s", "v"}
    optimizer = torch.optim.SGD([*trained.values(), *head.parameters()], lr=0.1)
    images, y = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 0, 1])
    for _ in range(2):
        loss = nn.functional.cross_entropy(head(encoder(images)), y)
        (loss + Effort().penalty(encoder)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    moved = {name for name, p in encoder.named_parameters() if not torch.equal(p, before[name])}
    assert moved == set(trained)


def test_a_second_encoder_gets_the_same_names() -> None:
    first, second = (Effort().apply(encoder_of(TIMM)) for _ in range(2))
    assert list(dict(first.named_parameters())) == list(dict(second.named_parameters()))


def test_apartness_is_the_papers_orthogonality_without_its_large_matrix() -> None:
    torch.manual_seed(1)
    basis = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))[0]
    principal, u0 = basis[:, :5], basis[:, 5:]
    u = u0 + 0.3 * torch.randn(8, 3, dtype=torch.float64)
    whole = torch.cat([principal, u], dim=1)
    defined = (whole.T @ whole - torch.eye(8)).square().sum()
    assert torch.allclose(apartness(u, u0), defined, rtol=1e-12)


def test_the_penalties_of_a_weight_figured_by_hand() -> None:
    # Components 3, 2 and 1 along the axes: the last one trains.
    part = Residual(torch.diag(torch.tensor([3.0, 2.0, 1.0])), k=1)
    principal = torch.diag(torch.tensor([3.0, 2.0, 0.0]))
    assert float(part.orthogonality().detach()) == pytest.approx(0, abs=1e-12)
    assert float(part.spectrum(principal).detach()) == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        part.s.mul_(2)  # 2^2 in place of 1^2
        part.u.copy_(torch.tensor([[0.5], [0.0], [float(part.u[2])]]))
    # 2 (0.5)^2 outside, (1.25 - 1)^2 inside; the other side is as it was.
    assert float(part.orthogonality().detach()) == pytest.approx(2 * 0.25 + 0.0625)
    # The weight has 3, 2, 2 on its diagonal, and 2 * 0.5 beside the 3: 9 + 4 + 4 + 1 against 14.
    assert float(part.spectrum(principal).detach()) == pytest.approx(4)


def test_the_penalty_is_the_mean_over_the_square_weights() -> None:
    encoder = Effort().apply(encoder_of(TIMM))
    weights = [m for m in encoder.modules() if isinstance(m, Residual)]
    assert len(weights) == 4 * len(encoder.blocks())
    with torch.no_grad():
        weights[0].u.mul_(2)  # |4 - 1|^2, and as yet no other
    strategy = Effort(orthogonality=0.5, spectrum=0)
    found = strategy.penalty(encoder)
    assert isinstance(found, torch.Tensor)
    assert float(found.detach()) == pytest.approx(0.5 * 9 / len(weights), rel=1e-4)


@pytest.mark.parametrize(
    ("use", "components", "message"),
    [
        ({"use": "timm", "model": "resnet10t", "pretrained": "none"}, 1, "has no attention"),
        (TIMM, 64, "square weights with more than 64 components"),
    ],
)
def test_an_encoder_that_cannot_be_taken_apart_is_refused(
    use: dict[str, object], components: int, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        Effort(components=components).apply(encoder_of(use))


def test_a_detector_with_it_trains_on_its_penalty_and_scores_from_its_checkpoint(
    tmp_path: Path,
) -> None:
    registry = registries.Registry()
    for module in import_module(registries.BUILTINS).MODULES:
        registry.register(import_module(module), "dfdbench", "0")
    registry.register(dfdbench_effort, "dfdbench-effort", "0")
    recipe = {"epochs": 2, "batch_size": 8, "lr": 1e-2, "min_lr": 0}
    detector = registry.resolve(
        "detector", {"backbone": TIMM, "peft": {"use": "effort"}, "recipe": recipe}
    )
    assert isinstance(detector, Detector)
    images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    images[8:, :, :16] //= 2
    faces = Faces.from_arrays(images, np.repeat([0, 1], 8))
    fit = detector.fit(faces, faces, Context(tmp_path))
    first, second = (record["loss"]["effort"] for record in fit.history)
    assert 0 < first < 1 and 0 < second < 1, "it starts at 0 and is held small"
    scores = detector.score(faces, Context(tmp_path))
    assert np.array_equal(scores, detector.score(faces, Context(tmp_path)))
    assert metrics.auroc(faces.labels, scores) == fit.history[fit.epoch - 1]["video"]["auroc"]


test_conformance = conformance(Effort(), Effort(components=3, orthogonality=0.1))
