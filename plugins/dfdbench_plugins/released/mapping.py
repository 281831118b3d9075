"""From the names in a released file to those of the open_clip and timm towers.

The file's names are those of the modules that its authors trained: an encoder by transformers (or
timm), perhaps inside a PEFT model, as ``feature_extractor``, and a head as ``model.linear``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]

ENCODER, HEAD = "feature_extractor.", "model.linear."
PEFT = "base_model.model."
TUNED = re.compile(r"\.ln_tuning_layers\.[^.]+\.")
UNUSED = re.compile(
    r"visual_projection\.weight|.*embeddings\.position_ids|embeddings\.mask_token|text_model\..*"
    r"|backbone\.head\..*|logit_scale|text_projection\.weight"
)
"""What a file may hold of the encoder that no feature depends on."""


def parts(tensors: Mapping[str, torch.Tensor]) -> tuple[Tensors, Tensors, Tensors]:
    """Encoder, head and whatever is neither, each by its own names.

    A LayerNorm that PEFT tuned is in the file twice: as it was, and as it is used. The second
    takes the place of the first.
    """
    encoder: Tensors = {}
    head: Tensors = {}
    other: Tensors = {}
    tuned: Tensors = {}
    for name, tensor in tensors.items():
        if name.startswith(HEAD):
            head[name.removeprefix(HEAD)] = tensor
        elif name.startswith(ENCODER):
            own = name.removeprefix(ENCODER).removeprefix(PEFT)
            if TUNED.search(own):
                tuned[TUNED.sub(".", own)] = tensor
            elif not UNUSED.fullmatch(own):
                encoder[own.replace(".base_layer.", ".")] = tensor
        else:
            other[name] = tensor
    return encoder | tuned, head, other


def clip(tensors: Tensors) -> Tensors:
    """From transformers' ``CLIPVisionModel`` to open_clip's ``VisionTransformer``."""
    named = {name.removeprefix("vision_model."): tensor for name, tensor in tensors.items()}
    merged = _with_qkv(named, "self_attn.", "attn.in_proj_weight", "attn.in_proj_bias")
    return _renamed(
        merged,
        (
            (r"^embeddings\.class_embedding$", "class_embedding"),
            (r"^embeddings\.patch_embedding\.", "conv1."),
            (r"^embeddings\.position_embedding\.weight$", "positional_embedding"),
            (r"^pre_layrnorm\.", "ln_pre."),  # so spelt there
            (r"^post_layernorm\.", "ln_post."),
            (r"^encoder\.layers\.", "transformer.resblocks."),
            (r"\.self_attn\.out_proj\.", ".attn.out_proj."),
            (r"\.layer_norm1\.", ".ln_1."),
            (r"\.layer_norm2\.", ".ln_2."),
            (r"\.mlp\.fc1\.", ".mlp.c_fc."),
            (r"\.mlp\.fc2\.", ".mlp.c_proj."),
        ),
    )


def dinov3(tensors: Tensors) -> Tensors:
    """From transformers' ``DINOv3ViTModel`` to timm's ``Eva`` with biases of query and value."""
    named = {name.removeprefix("backbone."): tensor for name, tensor in tensors.items()}
    # transformers 5 puts the layers one level deeper than 4, with which the file was written.
    named = {re.sub(r"^model\.layer\.", "layer.", name): t for name, t in named.items()}
    named = {name: t for name, t in named.items() if not UNUSED.fullmatch(name)}
    merged = _with_qkv(named, "attention.", "attn.qkv.weight", "")
    return _renamed(
        merged,
        (
            (r"^embeddings\.cls_token$", "cls_token"),
            (r"^embeddings\.register_tokens$", "reg_token"),
            (r"^embeddings\.patch_embeddings\.", "patch_embed.proj."),
            (r"^layer\.", "blocks."),
            (r"\.attention\.q_proj\.bias$", ".attn.q_bias"),
            (r"\.attention\.v_proj\.bias$", ".attn.v_bias"),
            (r"\.attention\.o_proj\.", ".attn.proj."),
            (r"\.layer_scale(\d)\.lambda1$", r".gamma_\1"),
            (r"\.mlp\.up_proj\.", ".mlp.fc1."),
            (r"\.mlp\.down_proj\.", ".mlp.fc2."),
        ),
    )


def perception(tensors: Tensors) -> Tensors:
    """The names are timm's own, below ``backbone``."""
    return {name.removeprefix("backbone."): tensor for name, tensor in tensors.items()}


OF_TOWER: dict[str, Callable[[Tensors], Tensors]] = {
    "clip": clip,
    "dinov3": dinov3,
    "perception": perception,
}


def _with_qkv(tensors: Tensors, attention: str, weight: str, bias: str) -> Tensors:
    """Query, key and value of each attention under each other, as one matrix of that name.

    An attention that lacks one of the three stays as it is, so that the message on what does not
    fit names the tensors that are there.
    """
    import torch

    out = dict(tensors)
    for name in tensors:
        if not name.endswith(f"{attention}q_proj.weight"):
            continue
        block = name.removesuffix(f"{attention}q_proj.weight")
        for kind, target in (("weight", weight), ("bias", bias)):
            names = [f"{block}{attention}{letter}_proj.{kind}" for letter in "qkv"]
            if target and all(each in out for each in names):
                out[block + target] = torch.cat([out.pop(each) for each in names])
    return out


def _renamed(tensors: Tensors, rules: tuple[tuple[str, str], ...]) -> Tensors:
    out = {}
    for name, tensor in tensors.items():
        for pattern, target in rules:
            name = re.sub(pattern, target, name)
        out[name] = tensor
    return out
