"""What all transforms share: options that are one value or a range, and one image at a time."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field

from dfdbench.api import Transform

if TYPE_CHECKING:
    import torch

    Params = tuple[float, ...]


Value = float | tuple[float, float] | None


def _ordered(value: Value) -> Value:
    if isinstance(value, tuple) and value[0] > value[1]:
        raise ValueError(f"the range {list(value)} is [low, high]; low may not be above high")
    return value


def within(low: float, high: float) -> AfterValidator:
    """Refuses values outside [low, high]."""

    def check(value: Value) -> Value:
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None and not low <= each <= high:
                raise ValueError(f"{each} is not between {low} and {high}")
        return value

    return AfterValidator(check)


Span = Annotated[float | tuple[float, float], AfterValidator(_ordered)]
IntSpan = Annotated[int | tuple[int, int], AfterValidator(_ordered)]
MaybeIntSpan = Annotated[int | tuple[int, int] | None, AfterValidator(_ordered)]


class PerImage(Transform):
    """A transform that treats each image by itself: draw parameters, then change the image."""

    training_only: ClassVar[tuple[str, ...]] = ("p",)

    p: float = Field(1.0, ge=0, le=1, description="probability of a change in training, 0 to 1")

    @abstractmethod
    def draw(self, rng: torch.Generator) -> Params:
        """Random parameters for one image."""

    @abstractmethod
    def fixed(self) -> Params:
        """The parameters of the perturbation. Raises ValueError where an option is a range."""

    @abstractmethod
    def change(self, image: torch.Tensor, params: Params) -> torch.Tensor:
        """Change one image (3, H, W) uint8; returns the same shape and type."""

    def augment(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Change each image with probability ``p`` by parameters of its own; (B, 3, H, W) uint8."""
        import torch

        changed = images.clone()
        hit = torch.rand(len(images), generator=rng, device=rng.device) < self.p
        for i in hit.nonzero().flatten().tolist():
            changed[i] = self.change(images[i], self.draw(rng))
        return changed

    def perturb(self, images: torch.Tensor) -> torch.Tensor:
        """Change every image by the fixed strength; (B, 3, H, W) uint8."""
        import torch

        params = self.fixed()
        changed = torch.empty_like(images)
        for i, image in enumerate(images):
            changed[i] = self.change(image, params)
        return changed

    def check_perturbation(self) -> None:
        """Raise ValueError where an option is a range."""
        self.fixed()

    def one(self, option: str) -> float:
        """The single value of an option. Raises ValueError where it is a range."""
        value = getattr(self, option)
        low, high = value if isinstance(value, tuple) else (value, value)
        if low != high:
            raise ValueError(
                f"perturbation {self.name!r}: {option} is the range {list(value)}, and a "
                f"perturbation has one strength; write {{use: {self.name}, {option}: {high}}}"
            )
        return float(low)


def uniform(rng: torch.Generator, low: float, high: float) -> float:
    """A number of [low, high)."""
    import torch

    return low + (high - low) * float(torch.rand((), generator=rng, device=rng.device))


def drawn(rng: torch.Generator, span: float | tuple[float, float]) -> float:
    """A number of a range; the value itself where there is one only."""
    return uniform(rng, *span) if isinstance(span, tuple) else span


def whole(rng: torch.Generator, span: int | tuple[int, int], step: int = 1) -> int:
    """A whole number of low, low + step, ..., high; the value itself where there is one only."""
    if not isinstance(span, tuple):
        return span
    low, high = span
    return low + step * int(uniform(rng, 0, (high - low) // step + 1))
