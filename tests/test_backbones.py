from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from dfdbench.encoder import Encoder, Input
from dfdbench.errors import SpecError
from dfdbench_plugins.open_clip_backbone import OpenClip, table
from dfdbench_plugins.open_clip_backbone.encoder import ClassToken, tower
from dfdbench_plugins.timm_backbone import Timm

SMALL = "ViT-S-32-alt"
FORM = Input(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
VISION = {"image_size": 32, "patch_size": 8, "width": 64, "layers": 3, "head_width": 16}


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight + bias


def plain_forward(w: Mapping[str, Tensor], images: Tensor, heads: int, quick: bool) -> Tensor:
    """CLIP's vision transformer from its equations: the class token after the last LayerNorm."""
    kernel = w["conv1.weight"]
    width, side = kernel.shape[0], kernel.shape[-1]
    patches = nn.functional.unfold(images, side, stride=side).transpose(1, 2)
    x = patches @ kernel.reshape(width, -1).T
    token = w["class_embedding"].expand(len(images), 1, width)
    x = torch.cat([token, x], 1) + w["positional_embedding"]
    x = layer_norm(x, w["ln_pre.weight"], w["ln_pre.bias"])
    layers = 1 + max(int(name.split(".")[2]) for name in w if name.startswith("transformer."))
    for n in range(layers):
        b = {k.split(".", 3)[3]: v for k, v in w.items() if f"resblocks.{n}." in k}
        h = layer_norm(x, b["ln_1.weight"], b["ln_1.bias"])
        qkv = h @ b["attn.in_proj_weight"].T + b["attn.in_proj_bias"]
        q, k, v = (
            part.reshape(*part.shape[:2], heads, -1).transpose(1, 2) for part in qkv.chunk(3, -1)
        )
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        out = (scores.softmax(-1) @ v).transpose(1, 2).reshape(x.shape)
        x = x + out @ b["attn.out_proj.weight"].T + b["attn.out_proj.bias"]
        h = layer_norm(x, b["ln_2.weight"], b["ln_2.bias"])
        h = h @ b["mlp.c_fc.weight"].T + b["mlp.c_fc.bias"]
        h = h / (1 + (-1.702 * h).exp()) if quick else h * (1 + (h / math.sqrt(2)).erf()) / 2
        x = x + h @ b["mlp.c_proj.weight"].T + b["mlp.c_proj.bias"]
    return layer_norm(x, w["ln_post.weight"], w["ln_post.bias"])[:, 0]


def tower_weights(encoder: Encoder) -> dict[str, Tensor]:
    return {k.removeprefix("visual."): v for k, v in encoder.state_dict().items()}


def tiny(quick: bool = False) -> ClassToken:
    torch.manual_seed(0)
    encoder = ClassToken(tower(16, VISION, quick), FORM)
    for p in encoder.parameters():  # biases of 0 and gains of 1 would hide mistakes
        nn.init.normal_(p, std=0.1) if p.ndim == 1 else None
    return encoder


@pytest.mark.parametrize("quick", [False, True])
def test_features_equal_an_independent_forward(quick: bool) -> None:
    encoder, images = tiny(quick), torch.randn(3, 3, 32, 32)
    expected = plain_forward(tower_weights(encoder), images, 4, quick)
    assert torch.allclose(encoder(images), expected, atol=1e-5)
    assert not torch.allclose(
        plain_forward(tower_weights(encoder), images, 4, not quick), expected, atol=1e-4
    )


def test_features_of_vit_b_32_equal_an_independent_forward() -> None:
    torch.manual_seed(0)
    encoder = OpenClip(model="ViT-B-32", pretrained="none", quick_gelu=True).build().eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        expected = plain_forward(tower_weights(encoder), images, 12, quick=True)
        assert torch.allclose(encoder(images), expected, atol=1e-5)
    assert encoder.feature_dim == expected.shape[1] == 768
    assert encoder.input.size == 224 and len(encoder.blocks()) == 12


def test_the_last_block_for_the_class_token_alone_gives_the_same_features_and_gradients() -> None:
    quick, full = tiny(), tiny()
    assert quick.class_token_only
    full.class_token_only = False
    images, direction = torch.randn(3, 3, 32, 32), torch.randn(3, 64)
    for encoder in (quick, full):
        (encoder(images) * direction).sum().backward()
    assert torch.allclose(quick(images), full(images), atol=1e-5)
    for (name, p), q in zip(quick.named_parameters(), full.parameters(), strict=True):
        assert p.grad is not None and q.grad is not None, name
        assert torch.allclose(p.grad, q.grad, atol=1e-5, rtol=1e-4), name


def test_our_table_of_models_and_weights_is_open_clips() -> None:
    import open_clip

    assert set(table.models()) == set(open_clip.list_models())
    for model, tag in open_clip.list_pretrained():
        theirs, ours = open_clip.get_pretrained_cfg(model, tag), table.tags(model)[tag]
        assert ours.get("hf_hub", "") == theirs["hf_hub"], (model, tag)
        assert bool(ours.get("quick_gelu")) == bool(theirs.get("quick_gelu")), (model, tag)


@pytest.mark.parametrize(
    ("model", "tag", "quick"),
    [
        ("ViT-L-14", "openai", True),
        ("ViT-L-14", "OpenAI", True),
        ("ViT-L-14", "laion2b_s32b_b82k", False),
        ("ViT-L-14-quickgelu", "dfn2b", True),
        ("ViT-B-16", "metaclip-400m", True),
        ("roberta-ViT-B-32", "laion2b_s12b_b32k", True),
        ("ViT-B-32", "none", False),
    ],
)
def test_quick_gelu_is_on_exactly_where_the_weights_were_trained_with_it(
    model: str, tag: str, quick: bool
) -> None:
    backbone = OpenClip(model=model, pretrained=tag)
    assert backbone.activation_is_quick() is quick
    with torch.device("meta"):
        config = table.config(model)
        vision = {**config["vision_cfg"], "layers": 1}
        visual: Any = tower(config["embed_dim"], vision, backbone.activation_is_quick())
    name = type(visual.transformer.resblocks[0].mlp.gelu).__name__
    assert name == ("QuickGELU" if quick else "GELU")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "ViT-L14", "pretrained": "none"}, "no model 'ViT-L14'; did you mean 'ViT-L-14'"),
        ({"model": "ViT-L-14", "pretrained": "opnai"}, "no weights 'opnai' .* mean 'openai'"),
        (
            {"model": "ViT-L-14", "pretrained": "openai", "quick_gelu": False},
            "were trained with quick_gelu: true; leave quick_gelu out",
        ),
        ({"model": "ViT-L-14", "pretrained": "w/l14.pt"}, "does not say which activation"),
    ],
)
def test_wrong_options_of_open_clip_are_refused_with_the_way_out(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        OpenClip(**options)


FAMILIES = {
    "ViT-L-14-CLIPA": 1024,  # average over the patches
    "coca_ViT-B-32": 512,  # attention pool
    "RN50": 1024,
    "convnext_tiny": 768,
    "MobileCLIP2-S0": 1024,
    "EVA02-B-16": 768,
    "ViT-B-32-SigLIP2-256": 768,
    "PE-Core-T-16-384": 192,
    "ViTamin-S": 384,
    "swin_base_patch4_window7_224": 1024,
    "vit_relpos_medium_patch16_cls_224": 512,
    "nllb-clip-base": 768,  # its text tower would be downloaded
}


@pytest.mark.parametrize("model", FAMILIES)
def test_a_tower_of_each_family_gives_a_feature_before_the_projection(model: str) -> None:
    with torch.device("meta"):
        encoder = OpenClip(model=model, pretrained="none").build().eval()
        images = torch.empty(2, 3, encoder.input.size, encoder.input.size)
    assert encoder(images).shape == (2, FAMILIES[model])
    assert encoder.feature_dim == FAMILIES[model]
    assert len(encoder.blocks()) >= 4


@pytest.mark.slow
def test_every_model_of_open_clip_builds() -> None:
    seen = set()
    for model in table.models():
        vision = table.config(model)["vision_cfg"]
        # The same timm network for another image size is the same code.
        kind = re.sub(r"_\d+$", "", vision.get("timm_model_name", json.dumps(vision)))
        if kind in seen:
            continue
        seen.add(kind)
        with torch.device("meta"):
            encoder = OpenClip(model=model, pretrained="none").build()
        assert encoder.feature_dim >= 192 and encoder.input.size >= 224, model


def test_the_preprocessing_is_that_of_the_weights() -> None:
    def form(model: str) -> Input:
        with torch.device("meta"):
            return OpenClip(model=model, pretrained="none").build().input

    clip, siglip = form("ViT-B-16"), form("ViT-B-16-SigLIP-256")
    assert clip.mean == (0.48145466, 0.4578275, 0.40821073)
    assert (clip.size, clip.interpolation) == (224, "bicubic")
    assert (siglip.size, siglip.mean, siglip.std) == (256, (0.5,) * 3, (0.5,) * 3)
    assert form("MobileCLIP-S1").interpolation == "bilinear"


def test_timm_gives_the_mean_over_the_places_of_a_residual_network() -> None:
    torch.manual_seed(0)
    encoder = Timm(model="resnet10t", pretrained="none", size=64).build().eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        places = encoder.network.forward_features(images)  # type: ignore[operator,union-attr]
        assert torch.allclose(encoder(images), places.mean((2, 3)), atol=1e-6)
    assert (encoder.feature_dim, encoder.input.size, len(encoder.blocks())) == (512, 64, 4)


@pytest.mark.parametrize(
    ("model", "features", "blocks"),
    [
        ("vit_tiny_patch16_224", 192, 12),
        ("convnext_atto", 320, 12),
        ("efficientnet_b4", 1792, 32),
        ("legacy_xception", 2048, 12),
        ("mobilenetv3_small_050", 1024, 12),
        ("swin_tiny_patch4_window7_224", 768, 12),
        ("vit_small_patch16_dinov3", 384, 12),
        ("vit_pe_core_tiny_patch16_384", 192, 12),
    ],
)
def test_feature_length_and_blocks_of_timm_networks(model: str, features: int, blocks: int) -> None:
    with torch.device("meta"):
        encoder = Timm(model=model, pretrained="none").build().eval()
        images = torch.empty(2, 3, encoder.input.size, encoder.input.size)
    assert encoder(images).shape == (2, features)
    assert encoder.feature_dim == features
    assert len(encoder.blocks()) == blocks


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "xceptoin65", "pretrained": "none"}, "no network .* did you mean 'xception65'"),
        ({"model": "resnet18", "pretrained": "a1_in1l"}, "no weights 'a1_in1l' .* 'a1_in1k'"),
        ({"model": "resnet18d_", "pretrained": True}, "timm has no network"),
    ],
)
def test_unknown_networks_and_tags_of_timm_name_the_closest(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        Timm(**options).build()


def test_two_tags_of_timm_are_refused() -> None:
    with pytest.raises(ValidationError, match="two tags"):
        Timm(model="resnet18.a1_in1k", pretrained="a2_in1k")
