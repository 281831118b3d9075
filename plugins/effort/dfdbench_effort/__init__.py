"""Effort: the attention's smallest singular components train, all others stay as they are.

Each weight W (D, D) of an attention's query, key, value and output projection is taken apart by
its singular value decomposition, W = U S V^T. The largest D - k components are put together again
and stay frozen: they hold what the encoder knows. The smallest k train as u diag(s) v^T. Two
penalties are added to the loss, each a mean over the weights:

- orthogonality: |A^T A - I|^2 + |B^T B - I|^2 (squared Frobenius norms), where A are the columns of
  the frozen part of U beside u, and B those of V beside v. What is learned stays apart from what
  was known.
- spectrum: the difference of |W|^2 now and before, as an absolute value. The singular values keep
  their sum of squares.

Source: Yan et al. 2024, Orthogonal Subspace Decomposition for Generalizable AI-Generated Image
Detection (arXiv:2411.15633). With k = 1, as there, ViT-L/14 has 196,704 parameters that train. The
weights of the penalties are ours: 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import PeftStrategy
from dfdbench.errors import SpecError

if TYPE_CHECKING:
    import torch

    from dfdbench.encoder import Encoder


class Effort(PeftStrategy):
    """Trains the smallest singular components of every attention's projections."""

    name: ClassVar[str] = "effort"

    components: int = Field(1, ge=1, description="singular components of a weight that train")
    orthogonality: float = Field(1.0, ge=0, description="weight of its penalty in the loss, from 0")
    spectrum: float = Field(1.0, ge=0, description="weight of its penalty in the loss, from 0")

    def apply(self, encoder: Encoder) -> Encoder:
        """Take the attention's weights apart; what the encoder computes does not change.

        Raises:
            SpecError: no attention, or one whose weights have too few components or no squares.
        """
        from dfdbench_effort import residual

        found = list(residual.weights(encoder))
        if not found:
            raise SpecError(
                f"peft {self.name!r}: the encoder {type(encoder).__name__} has no attention; "
                "choose a vision transformer, or another strategy"
            )
        for where, module, name in found:
            rows, width = getattr(module, name).shape
            if rows % width or self.components >= width:
                raise SpecError(
                    f"peft {self.name!r}: {where}.{name} is {rows} x {width}; it has to consist of "
                    f"square weights with more than {self.components} components; lower "
                    "`components`, or choose another encoder"
                )
            residual.split(module, name, self.components)
        return encoder

    def penalty(self, encoder: Encoder) -> torch.Tensor | float:
        """Both penalties by their weights, each a mean over the encoder's square weights."""
        import torch

        from dfdbench_effort import residual

        # In half precision the differences that are penalised would be lost in rounding.
        with torch.autocast(next(encoder.parameters()).device.type, enabled=False):
            terms = [
                self.orthogonality * orthogonality + self.spectrum * spectrum
                for orthogonality, spectrum in residual.penalties(encoder)
            ]
            return torch.stack(terms).mean()


@hookimpl
def dfdbench_peft() -> Sequence[type[PeftStrategy]]:
    """This strategy."""
    return [Effort]
