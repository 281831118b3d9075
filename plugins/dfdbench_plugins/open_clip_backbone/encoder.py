"""Encoders around the vision towers of open_clip; the text towers are never built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from open_clip.model import _build_vision_tower
from open_clip.transformer import QuickGELU, ResidualAttentionBlock, VisionTransformer
from torch import nn
from torch.nn import functional as F

from dfdbench.encoder import Encoder, Input
from dfdbench_plugins import weights
from dfdbench_plugins.timm_backbone.encoder import blocks_of


class ClassToken(Encoder):
    """A CLIP vision transformer up to its last LayerNorm: the class token, not projected.

    Attributes:
        class_token_only: compute the last block for the class token alone. Nothing else of that
            block reaches the feature, so the result is the same; it saves most of one block.
            Off where the tower pools all tokens.
    """

    def __init__(self, visual: VisionTransformer, form: Input) -> None:
        super().__init__()
        self.visual = visual
        self.visual.proj = None
        for name, module in list(visual.named_modules()):
            if isinstance(module, QuickGELU):
                visual.set_submodule(name, QuickGelu())
        self.input = form
        self.feature_dim = int(visual.ln_post.normalized_shape[0])
        self.class_token_only = (
            visual.attn_pool is None
            and visual.pool_type == "tok"
            and isinstance(visual.transformer.resblocks[-1], ResidualAttentionBlock)
        )

    def blocks(self) -> list[nn.Module]:
        """The transformer's blocks."""
        return list(self.visual.transformer.resblocks)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) normalised images to (B, feature_dim)."""
        if not self.class_token_only:
            out = self.visual(images)
            pooled: torch.Tensor = out[0] if isinstance(out, tuple) else out
            return pooled
        *blocks, last = self.blocks()
        x = self._embed(images)  # (B, 1 + patches, width)
        for block in blocks:
            x = _block(block, x, x.shape[1])
        token: torch.Tensor = self.visual.ln_post(_block(last, x, 1))
        return token[:, 0]

    def _embed(self, images: torch.Tensor) -> torch.Tensor:
        patches = _patches(self.visual.conv1, images)  # (B, patches, width)
        token = self.visual.class_embedding.to(patches.dtype).expand(images.shape[0], 1, -1)
        x = torch.cat([token, patches], dim=1) + self.visual.positional_embedding.to(patches.dtype)
        normed: torch.Tensor = self.visual.ln_pre(self.visual.patch_dropout(x))
        return normed


def _patches(conv: Any, images: torch.Tensor) -> torch.Tensor:
    """The patch embedding, (B, 3, S, S) to (B, patches, width), as one matrix product.

    A convolution whose stride is its kernel is that; torch's own takes three times as long.
    """
    plain = type(conv) is nn.Conv2d and conv.stride == conv.kernel_size
    if not plain or images.shape[-1] % conv.kernel_size[0]:
        replaced: torch.Tensor = conv(images).flatten(2).transpose(1, 2)
        return replaced
    cut = F.pixel_unshuffle(images, conv.kernel_size[0])  # (B, 3 * patch * patch, side, side)
    return F.linear(cut.flatten(2).transpose(1, 2), conv.weight.flatten(1), conv.bias)


def _block(block: Any, x: torch.Tensor, asking: int) -> torch.Tensor:
    """One residual block, (B, T, width) to (B, asking, width): only the first tokens ask."""
    keys = block.ln_1(x)
    x = x[:, :asking] + block.ls_1(_attention(block.attn, keys[:, :asking], keys))
    out: torch.Tensor = x + block.ls_2(block.mlp(block.ln_2(x)))
    return out


def _attention(attn: nn.Module, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Attention of queries (B, Q, width) to keys (B, T, width), as ``attn`` has it; (B, Q, width).

    torch's own module computes the projections on transposed copies, which takes a fifth of a
    training step on a CPU. A module that stands in its place (LoRA's) is called as it is.
    """
    if type(attn) is not nn.MultiheadAttention or attn.in_proj_weight is None:
        replaced: torch.Tensor = attn(queries, keys, keys, need_weights=False)[0]
        return replaced
    width, weight, bias = attn.embed_dim, attn.in_proj_weight, attn.in_proj_bias
    if queries.shape == keys.shape:
        q, k, v = F.linear(keys, weight, bias).chunk(3, dim=-1)
    else:
        q = F.linear(queries, weight[:width], bias[:width])
        k, v = F.linear(keys, weight[width:], bias[width:]).chunk(2, dim=-1)
    q, k, v = (each.view(*each.shape[:2], attn.num_heads, -1).transpose(1, 2) for each in (q, k, v))
    mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    out: torch.Tensor = attn.out_proj(mixed)
    return out


class QuickGelu(nn.Module):
    """x * sigmoid(1.702 x), in a form that keeps one tensor for the backward pass, not two.

    It writes over its input, which a block's MLP needs no more.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Elementwise."""
        return F.silu(x.mul_(1.702)).div_(1.702)


class Pooled(Encoder):
    """Another tower of open_clip, up to its pooled feature.

    A timm network gives what its own pooling makes, before the projection into the space shared
    with the text. CLIP's ResNets end in an attention pool whose last layer is that projection;
    their feature is the pool's output.
    """

    def __init__(self, visual: nn.Module, form: Input) -> None:
        super().__init__()
        self.input = form
        trunk = getattr(visual, "trunk", None)
        if trunk is None:
            self.visual = visual
            self.feature_dim = int(visual.output_dim)  # type: ignore[arg-type]
        else:
            trunk.reset_classifier(0)  # where the trunk's classifier is the projection
            self.visual = trunk
            self.feature_dim = int(trunk.num_features)

    def blocks(self) -> list[nn.Module]:
        """The network's blocks, of all stages."""
        return blocks_of(self.visual)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) normalised images to (B, feature_dim)."""
        pooled: torch.Tensor = self.visual(images)
        return pooled


def tower(embed_dim: int, vision: Mapping[str, Any], quick_gelu: bool) -> nn.Module:
    """A vision tower from open_clip's configuration, its weights drawn at random."""
    # Stochastic depth belongs to the contrastive training; here it would only add noise that a
    # frozen encoder may not have.
    vision = {key: value for key, value in vision.items() if key != "timm_drop_path"}
    visual: nn.Module = _build_vision_tower(embed_dim, vision, quick_gelu)
    return visual


def load(visual: nn.Module, file: Path, what: str) -> None:
    """Copy the vision tower's weights from a file of a whole CLIP or of the tower alone.

    Raises:
        MissingError: there is no such file.
        DataError: it cannot be read, or the weights belong to another architecture.
    """
    tensors = weights.read(file)
    mine = {n.removeprefix("visual."): t for n, t in tensors.items() if n.startswith("visual.")}
    weights.load_into(visual, mine or tensors, file, what)


def encoder(visual: nn.Module, form: Input) -> Encoder:
    """The encoder around a tower."""
    if isinstance(visual, VisionTransformer):
        return ClassToken(visual, form)
    return Pooled(visual, form)


def input_of(visual: nn.Module, preprocess: Mapping[str, Any]) -> Input:
    """The tower's input from open_clip's preprocessing (``mean``, ``std``, ``interpolation``)."""
    size: Any = visual.image_size
    mean, std = preprocess["mean"], preprocess["std"]
    filter: Literal["bicubic", "bilinear"] = (
        "bilinear" if preprocess["interpolation"] == "bilinear" else "bicubic"
    )
    return Input(
        size=int(size[0] if isinstance(size, tuple | list) else size),
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        interpolation=filter,
    )
