"""Multi-head attention whose projections are linear layers, so that LoRA can act on each."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class SplitAttention(nn.Module):
    """The same function as a ``nn.MultiheadAttention``, with the same parameters.

    peft's own layer for ``nn.MultiheadAttention`` adds the low-rank product to the frozen weights
    before each forward and takes it off afterwards: rounding changes the frozen weights a little
    every time, so that a resumed training differs from an uninterrupted one.
    """

    def __init__(self, source: nn.MultiheadAttention) -> None:
        super().__init__()
        width = source.embed_dim
        self.heads, self.dropout = source.num_heads, source.dropout
        with torch.device("meta"):  # the weights are those of the source
            self.in_proj = nn.Linear(width, 3 * width, bias=source.in_proj_bias is not None)
            self.out_proj = nn.Linear(width, width, bias=source.out_proj.bias is not None)
        self.in_proj.weight, self.in_proj.bias = source.in_proj_weight, source.in_proj_bias
        self.out_proj.weight, self.out_proj.bias = source.out_proj.weight, source.out_proj.bias

    @staticmethod
    def can_replace(module: nn.Module) -> bool:
        """Whether ``module`` is attention over one embedding, the batch first, without extras."""
        return (
            isinstance(module, nn.MultiheadAttention)
            and module._qkv_same_embed_dim
            and module.batch_first
            and module.bias_k is None
            and not module.add_zero_attn
        )

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        need_weights: bool = False,
        attn_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, None]:
        """Queries (B, Q, D) over keys (B, T, D), which are the values too; gives (B, Q, D)."""
        if value is not key or need_weights:
            raise NotImplementedError("keys and values are one tensor; weights are not returned")
        q, k, v = (self._split(part) for part in self.in_proj(key).chunk(3, dim=-1))
        if query is not key:
            q = self._split(self.in_proj(query).chunk(3, dim=-1)[0])
        dropout = self.dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, attn_mask, dropout)
        projected: torch.Tensor = self.out_proj(out.transpose(1, 2).flatten(2))
        return projected, None

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, heads, T, D / heads)
