"""Weights as a frozen principal part and a residual that trains."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils import parametrize


class Residual(nn.Module):
    """The k smallest singular components of a square weight (D, D), which train.

    Attributes:
        u: (D, k) the last left singular vectors.
        v: (D, k) the last right singular vectors.
        s: (k,) their singular values.
        u0: what ``u`` was at first; spans all that is orthogonal to the principal part.
        v0: what ``v`` was at first.
        energy: squared Frobenius norm of the weight, before.
    """

    u0: torch.Tensor
    v0: torch.Tensor
    energy: torch.Tensor

    def __init__(self, weight: torch.Tensor, k: int) -> None:
        super().__init__()
        u, s, vt = torch.linalg.svd(weight, full_matrices=False)
        u, s, v = u[:, -k:].contiguous(), s[-k:].contiguous(), vt[-k:].T.contiguous()
        self.u, self.s, self.v = (nn.Parameter(each) for each in (u, s, v))
        # Not saved: they follow from the encoder's weights, as the principal part does.
        self.register_buffer("u0", u.clone(), persistent=False)
        self.register_buffer("v0", v.clone(), persistent=False)
        self.register_buffer("energy", weight.square().sum(), persistent=False)

    def forward(self) -> torch.Tensor:
        """The residual u diag(s) v^T, (D, D)."""
        return (self.u * self.s) @ self.v.T

    def orthogonality(self) -> torch.Tensor:
        """|A^T A - I|^2 + |B^T B - I|^2, a scalar from 0."""
        return apartness(self.u, self.u0) + apartness(self.v, self.v0)

    def spectrum(self, principal: torch.Tensor) -> torch.Tensor:
        """| |W|^2 - |W before|^2 |, a scalar from 0, with the principal part (D, D)."""
        energy: torch.Tensor = (principal + self()).square().sum()
        return (energy - self.energy).abs()


def apartness(u: torch.Tensor, u0: torch.Tensor) -> torch.Tensor:
    """|A^T A - I|^2 for A = [P u], without the D - k orthonormal columns P, which take much memory.

    ``u`` and ``u0`` (D, k). The blocks of A^T A - I are 0, P^T u twice, and u^T u - I. P and ``u0``
    together are a basis of the whole space, so that P^T u is as long as what ``u0`` cannot reach.
    """
    outside = u - u0 @ (u0.T @ u)
    inside = u.T @ u - torch.eye(u.shape[1], device=u.device, dtype=u.dtype)
    return 2 * outside.square().sum() + inside.square().sum()


class Split(nn.Module):
    """Parametrization of a weight (n D, D): n square weights on top of each other."""

    def __init__(self, weight: torch.Tensor, k: int) -> None:
        super().__init__()
        squares = torch.split(weight.detach(), weight.shape[1])
        self.parts = nn.ModuleList(Residual(square, k) for square in squares)

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        """The principal parts (n D, D), which take the weight's place."""
        return weight - self.residuals()

    def forward(self, principal: torch.Tensor) -> torch.Tensor:
        """The weight (n D, D) that the layer uses."""
        return principal + self.residuals()

    def residuals(self) -> torch.Tensor:
        """What trains, (n D, D)."""
        return torch.cat([part() for part in self.parts])


def split(module: nn.Module, name: str, k: int) -> None:
    """Let the ``k`` smallest components of a weight of ``module`` train."""
    parametrize.register_parametrization(module, name, Split(getattr(module, name), k))


def weights(encoder: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Full name of a module, the module, and the name of its weight, for every projection."""
    for where, module in encoder.named_modules():
        if isinstance(module, nn.MultiheadAttention):  # open_clip's: query, key and value in one
            yield where, module, "in_proj_weight"
            yield f"{where}.out_proj", module.out_proj, "weight"
        # timm's attention: linear layers `qkv` and `proj`, the first of them three in one.
        elif type(module) is nn.Linear and where.rpartition(".")[0].endswith("attn"):
            yield where, module, "weight"


def penalties(encoder: nn.Module) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Orthogonality and spectrum of every square weight that was split."""
    for module in encoder.modules():
        if isinstance(module, parametrize.ParametrizationList) and isinstance(module[0], Split):
            parts, principal = module[0].parts, module.original
            for part, own in zip(parts, torch.split(principal, principal.shape[1]), strict=True):
                assert isinstance(part, Residual)
                yield part.orthogonality(), part.spectrum(own)
