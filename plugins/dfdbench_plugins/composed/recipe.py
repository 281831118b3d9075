"""How a composed detector is trained: options only."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dfdbench.api import Transform

SELECT = r"^(last|val_(video|frame)_(auroc|map|ap|eer))$"


class Recipe(BaseModel):
    """Optimisation, augmentation and selection; defaults are the paper's."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: int = Field(10, ge=1)
    batch_size: int = Field(128, ge=2, description="faces in one forward pass")
    accumulate: int = Field(1, ge=1, description="forward passes for one optimizer step")
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float = Field(8e-5, gt=0, description="learning rate of the encoder, at its highest")
    head_lr: float | None = Field(None, gt=0, description="of the head; null: the same as lr")
    min_lr: float = Field(5e-5, ge=0, description="learning rate at the lowest of a cosine")
    schedule: Literal["constant", "cosine", "cyclic_cosine"] = "cosine"
    cycle_epochs: float = Field(10.0, gt=0, description="epochs in one cycle of cyclic_cosine")
    warmup_epochs: float = Field(0.0, ge=0, description="epochs of linear warm-up, in each cycle")
    betas: tuple[float, float] = Field((0.9, 0.999), description="of AdamW")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD")
    weight_decay: float = Field(0.0, ge=0, description="never on biases and norms")
    clip_norm: float | None = Field(None, gt=0, description="largest norm of the gradient")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: bf16 where the hardware has it, else fp32"
    )
    augment: tuple[Transform, ...] = Field((), description="transforms of training faces")
    select: str = Field(
        "val_video_map",
        pattern=SELECT,
        description="the metric that chooses the epoch, or `last`; without validation, the last",
    )
    early_stopping: int | None = Field(
        None, ge=1, description="stop after so many epochs without a better one"
    )

    @model_validator(mode="after")
    def _descending(self) -> Recipe:
        if self.schedule != "constant" and self.min_lr > self.lr:
            raise ValueError(f"min_lr {self.min_lr:g} is above lr {self.lr:g}")
        return self
