from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import nn

from dfdbench.api import PeftStrategy
from dfdbench.encoder import Encoder, Input
from dfdbench.errors import MissingError, SpecError
from dfdbench_plugins.open_clip_backbone import OpenClip
from dfdbench_plugins.open_clip_backbone.encoder import ClassToken, tower
from dfdbench_plugins.peft_strategies import BitFit, Full, LastBlocks, LinearProbe, LnTuning, Lora
from dfdbench_plugins.peft_strategies.attention import SplitAttention
from dfdbench_plugins.timm_backbone import Timm

WIDTH, LAYERS = 32, 3
VISION = {"image_size": 32, "patch_size": 16, "width": WIDTH, "layers": LAYERS, "head_width": 16}
FORM = Input(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

# By hand, for the tower above (mlp_ratio 4): two LayerNorms a block, one before, one after.
LAYER_NORMS = (2 * LAYERS + 2) * 2 * WIDTH
# A block: in_proj, out_proj, c_fc, c_proj and two LayerNorms; ln_pre and ln_post.
BIASES = LAYERS * (3 + 1 + 4 + 1 + 2) * WIDTH + 2 * WIDTH
BLOCK = 12 * WIDTH * WIDTH + (3 + 1 + 4 + 1) * WIDTH + 4 * WIDTH


def tiny() -> Encoder:
    torch.manual_seed(0)
    encoder = ClassToken(tower(16, VISION, quick_gelu=True), FORM)
    encoder.requires_grad_(False)
    return encoder


def trained(encoder: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p for name, p in encoder.named_parameters() if p.requires_grad}


def count(encoder: nn.Module) -> int:
    return sum(p.numel() for p in trained(encoder).values())


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (LinearProbe(), 0),
        (LnTuning(), LAYER_NORMS),
        (BitFit(), BIASES),
        (LastBlocks(k=1), BLOCK + 2 * WIDTH),
        (LastBlocks(k=3), 3 * BLOCK + 2 * WIDTH),
        # Pairs (WIDTH x rank, rank x 3 WIDTH) and (WIDTH x rank, rank x WIDTH) a block.
        (Lora(rank=4), LAYERS * 4 * (WIDTH + 3 * WIDTH + WIDTH + WIDTH)),
        (Lora(rank=2, targets=("mlp.c_fc",)), LAYERS * 2 * (WIDTH + 4 * WIDTH)),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_strategy_trains_the_number_of_parameters_counted_by_hand(
    strategy: PeftStrategy, expected: int
) -> None:
    assert count(strategy.apply(tiny())) == expected


def test_full_trains_every_parameter() -> None:
    assert all(p.requires_grad for p in Full().apply(tiny()).parameters())


def test_ln_tuning_with_the_head_trains_104450_parameters_of_vit_l_14() -> None:
    with torch.device("meta"):
        encoder = OpenClip(model="ViT-L-14", pretrained="none").build().requires_grad_(False)
        head = nn.Linear(encoder.feature_dim, 2)
    LnTuning().apply(encoder)
    assert encoder.feature_dim == 1024
    assert count(encoder) + sum(p.numel() for p in head.parameters()) == 104_450
    everything = [*encoder.parameters(), *head.parameters()]
    assert sum(p.numel() for p in everything) == 303_181_826


@pytest.mark.parametrize(
    "strategy",
    [LinearProbe(), LnTuning(), BitFit(), LastBlocks(k=2), Lora(rank=2), Full()],
    ids=lambda s: s.name,
)
def test_an_optimizer_step_changes_what_trains_and_nothing_else(strategy: PeftStrategy) -> None:
    encoder = strategy.apply(tiny())
    head = nn.Linear(WIDTH, 2)
    before = {name: p.detach().clone() for name, p in encoder.named_parameters()}
    parameters = [*trained(encoder).values(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.5)
    y = torch.tensor([0, 1, 0, 1])
    for _ in range(2):  # LoRA's second matrix starts at 0, so the first gets no gradient at once
        optimizer.zero_grad()
        z = encoder(torch.randn(4, 3, 32, 32))
        nn.functional.cross_entropy(head(z), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    moved = {name for name, p in encoder.named_parameters() if not torch.equal(p, before[name])}
    assert moved == set(trained(encoder))


@pytest.mark.parametrize("tokens", [1, 5])
def test_attention_in_linear_layers_is_multi_head_attention(tokens: int) -> None:
    attention = nn.MultiheadAttention(16, 4, batch_first=True)
    x = torch.randn(2, 5, 16)
    query = x if tokens == 5 else x[:, :tokens]
    expected = attention(query, x, x, need_weights=False)[0]
    split = SplitAttention(attention)
    assert torch.allclose(split(query, x, x)[0], expected, atol=1e-6)
    assert sum(p.numel() for p in split.parameters()) == 4 * 16 * 16 + 4 * 16


def test_lora_changes_nothing_before_it_is_trained() -> None:
    images = torch.randn(2, 3, 32, 32)
    assert torch.allclose(tiny()(images), Lora().apply(tiny())(images), atol=1e-6)


def test_lora_reaches_the_features_through_the_class_token_alone() -> None:
    encoder = Lora(rank=2).apply(tiny())
    for name, p in trained(encoder).items():
        nn.init.normal_(p, generator=torch.Generator().manual_seed(len(name)))
    images = torch.randn(2, 3, 32, 32)
    quick = encoder(images)
    encoder.class_token_only = False  # type: ignore[assignment]
    assert torch.allclose(quick, encoder(images), atol=1e-5)
    assert not torch.allclose(quick, tiny()(images), atol=1e-2)


@pytest.mark.parametrize("strategy", [LnTuning(), BitFit(), LastBlocks(k=1), Lora()])
def test_a_second_encoder_gets_the_same_names(strategy: PeftStrategy) -> None:
    assert list(trained(strategy.apply(tiny()))) == list(trained(strategy.apply(tiny())))


def network(model: str, size: int | None = 32) -> Encoder:
    with torch.device("meta"):
        return Timm(model=model, pretrained="none", size=size).build().requires_grad_(False)


def test_ln_tuning_takes_the_layer_norms_of_timm_in_either_layout() -> None:
    encoder = LnTuning().apply(network("convnext_atto"))
    # Stem 40; blocks 2, 2, 6, 2 of 40, 80, 160, 320; downsampling 40, 80, 160; head 320.
    channels = 40 + 2 * 40 + 2 * 80 + 6 * 160 + 2 * 320 + 40 + 80 + 160 + 320
    assert count(encoder) == 2 * channels


def test_last_blocks_takes_what_follows_them_in_a_staged_network() -> None:
    encoder = LastBlocks(k=1).apply(network("efficientnet_b0"))
    roots = {".".join(name.split(".")[:3]) for name in trained(encoder)}
    assert roots == {
        "network.blocks.6",
        "network.conv_head.weight",
        *(f"network.bn2.{name}" for name in ("weight", "bias")),
    }


def test_ln_tuning_of_a_network_without_layer_norms_is_refused() -> None:
    with pytest.raises(SpecError, match=r"'ln_tuning': the encoder Timm\(ResNet\) has no LayerN"):
        LnTuning().apply(network("resnet10t"))


def test_more_blocks_than_there_are_is_refused() -> None:
    with pytest.raises(SpecError, match=r"k is 4, and .* has 3 blocks"):
        LastBlocks(k=4).apply(tiny())


def test_lora_without_a_target_is_refused() -> None:
    with pytest.raises(SpecError, match=r"no module \['nowhere'\]"):
        Lora(targets=("nowhere",)).apply(tiny())
    with pytest.raises(SpecError, match="no attention; name the layers in `targets`"):
        Lora().apply(network("resnet10t"))


def test_lora_on_a_layer_that_is_never_called_is_refused() -> None:
    class Bypass(Encoder):
        def __init__(self) -> None:
            super().__init__()
            self.feature_dim, self.input = 3, FORM
            self.layer = nn.Linear(3, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(images.mean((2, 3)), self.layer.weight)

    with pytest.raises(SpecError, match="'layer' without calling it"):
        Lora(targets=("layer",)).apply(Bypass())


def test_lora_without_the_peft_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    modules: Any = sys.modules
    monkeypatch.setitem(modules, "peft", None)
    with pytest.raises(MissingError, match=r"pip install 'dfdbench\[peft\]'"):
        Lora().apply(tiny())
