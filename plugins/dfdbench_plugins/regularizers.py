"""Regularizers of the features between encoder and head: L2 norm, UnAl, Slerp.

The functions are pure; the components below them carry the options.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from dfdbench import hookimpl
from dfdbench.api import Regularizer

if TYPE_CHECKING:
    import torch


def alignment(z: torch.Tensor, y: torch.Tensor, alpha: float = 2.0) -> torch.Tensor:
    """Mean of ||a - b||^alpha over all pairs of equal label, 0 where there is no such pair.

    Args:
        z: (B, D) unit rows.
        y: (B,) labels.
        alpha: exponent, at least 1 (below, the gradient at distance 0 is infinite).

    Source: Wang & Isola 2020 (arXiv:2005.10242), the alignment loss; pairs by label.
    """
    import torch

    first, second = torch.triu_indices(len(z), len(z), offset=1, device=z.device)
    same = y[first] == y[second]
    if not bool(same.any()):
        return z.sum() * 0
    return torch.pdist(z)[same].pow(alpha).mean()


def uniformity(z: torch.Tensor, t: float = 2.0, floor: float = 1e-6) -> torch.Tensor:
    """Log of the mean of exp(-t ||a - b||^2) over all pairs; the mean is at least ``floor``.

    Args:
        z: (B, D) unit rows, B >= 2.
        t: positive temperature.
        floor: keeps the logarithm finite.

    Returns:
        A scalar from log(floor) to 0; lower is more uniform.

    Raises:
        ValueError: B < 2, so that there is no pair.

    Source: Wang & Isola 2020 (arXiv:2005.10242), the uniformity loss.
    """
    import torch

    if len(z) < 2:
        raise ValueError(f"uniformity needs at least 2 features, not {len(z)}")
    return torch.pdist(z).pow(2).mul(-t).exp().mean().clamp(min=floor).log()


def slerp(a: torch.Tensor, b: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The point at fraction ``t`` of the way from ``a`` to ``b`` along the great circle.

    Args:
        a: (B, D) unit rows.
        b: (B, D) unit rows; a row opposite to its ``a`` has no single great circle.
        t: (B,) in [0, 1].

    Returns:
        (B, D) unit rows.

    Source: Shoemake 1985, Animating rotation with quaternion curves, section 3.3.
    """
    # 1e-7: at a dot product of 1 the derivative of acos is infinite and the sine below is 0.
    dot = (a * b).sum(1, keepdim=True).clamp(-1 + 1e-7, 1 - 1e-7)
    angle = dot.acos()
    t = t.unsqueeze(1)
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()


def partners(y: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """For each sample another one of its class, uniformly; itself where it is alone.

    ``y`` (B,) labels; returns (B,) int64 indices on the device of ``y``.
    """
    import torch

    chosen = torch.arange(len(y), device=y.device)
    for label in set(y.tolist()):
        members = (y == label).nonzero().flatten()
        n = len(members)
        if n > 1:
            step = torch.randint(1, n, (n,), generator=rng, device=rng.device).to(y.device)
            chosen[members] = members[(torch.arange(n, device=y.device) + step) % n]
    return chosen


class L2Norm(Regularizer):
    """Puts every feature on the sphere, in training and in testing."""

    name = "l2_norm"
    scale: float = Field(
        1.0, gt=0, description="radius of the sphere, above 0; the head sees features this long"
    )

    def project(self, z: torch.Tensor) -> torch.Tensor:
        """Scale every row of (B, D) to the length ``scale``."""
        from torch.nn import functional as F

        return F.normalize(z, dim=1) * self.scale


class UniformityAlignment(Regularizer):
    """Adds uniformity and label-aware alignment of the normalised features to the loss.

    The default weights are those of GenD (arXiv:2508.06248).
    """

    name = "uniformity_alignment"
    uniformity: float = Field(0.5, ge=0, description="weight of uniformity in the loss, from 0")
    alignment: float = Field(0.1, ge=0, description="weight of alignment in the loss, from 0")
    t: float = Field(2.0, gt=0, description="temperature of uniformity, above 0")
    alpha: float = Field(2.0, ge=1, description="exponent of the distance in alignment, from 1")

    def penalty(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor | float:
        """Weighted sum for z (B, D) and labels y (B,); 0 for one sample, which has no pair."""
        from torch.nn import functional as F

        if len(z) < 2:
            return 0.0
        # float32: sums of squares over a thousand dimensions lose too much in half precision.
        unit = F.normalize(z.float(), dim=1)
        return self.uniformity * uniformity(unit, self.t) + self.alignment * alignment(
            unit, y, self.alpha
        )


class Slerp(Regularizer):
    """Replaces each training feature by a point between it and another one of its class.

    The points lie on the unit sphere. A sample that is alone in its class stays as it is.
    """

    name = "slerp"
    low: float = Field(0.0, ge=0, le=1, description="smallest fraction of the way, 0 to 1")
    high: float = Field(1.0, ge=0, le=1, description="largest fraction of the way, 0 to 1")

    @model_validator(mode="after")
    def _ordered(self) -> Slerp:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) may not be above high ({self.high})")
        return self

    def augment(self, z: torch.Tensor, y: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Slerp each row of z (B, D) towards a random partner of its class; one t a sample."""
        import torch
        from torch.nn import functional as F

        partner = partners(y, rng)
        alone = partner == torch.arange(len(y), device=y.device)
        t = torch.rand(len(z), generator=rng, device=rng.device).to(z.device)
        t = self.low + (self.high - self.low) * t
        unit = F.normalize(z.float(), dim=1)
        between = slerp(unit, unit[partner], t).to(z.dtype)
        return torch.where(alone.unsqueeze(1), z, between)


@hookimpl
def dfdbench_regularizers() -> Sequence[type[Regularizer]]:
    """The regularizers above."""
    return [L2Norm, UniformityAlignment, Slerp]
