"""The released detectors that are known: where each is, and what its network is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)

PAPER, GEND = "arXiv:2503.19683", "arXiv:2508.06248"


@dataclass(frozen=True)
class Known:
    """One released detector.

    Attributes:
        repository: on the Hugging Face hub.
        file: the weights in it.
        source: the paper that it belongs to.
        tower: whose names the encoder's tensors have in the file.
        vision: the shape of the encoder: open_clip's ``vision_cfg``, or what timm makes it from.
        size: side of the input in pixels.
        mean: of the input, as :class:`dfdbench.encoder.Input` has it, and so are the next two.
        normalised: whether the head sees features of unit length, where the file does not say.
    """

    repository: str
    file: str
    source: str
    tower: Literal["clip", "dinov3", "perception"]
    vision: Mapping[str, Any] = field(hash=False)
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bicubic", "bilinear"]
    size: int = 224
    normalised: bool = True


CLIP_L14 = {"layers": 24, "width": 1024, "head_width": 64, "patch_size": 14, "mlp_ratio": 4.0}
DINOV3_L16 = {"model_name": "vit_large_patch16_dinov3_qkvb", "global_pool": "token"}
PERCEPTION_L14 = {"model_name": "vit_pe_core_large_patch14_336", "dynamic_img_size": True}

# Sources: the papers, and the code that their authors published with them (yermandy/GenD). The
# input of each is what that code gives its network: transformers' image processors for CLIP and
# DINOv3, timm's transform at 224 pixels for the Perception Encoder.
MODELS: dict[str, Known] = {
    "clip_ln": Known(
        "yermandy/deepfake-detection", "model.ckpt", PAPER,
        "clip", CLIP_L14, CLIP_MEAN, CLIP_STD, "bicubic",
    ),
    "gend_clip": Known(
        "yermandy/GenD_CLIP_L_14", "model.safetensors", GEND,
        "clip", CLIP_L14, CLIP_MEAN, CLIP_STD, "bicubic",
    ),
    "gend_dinov3": Known(
        "yermandy/GenD_DINOv3_L", "model.safetensors", GEND,
        "dinov3", DINOV3_L16, IMAGENET_MEAN, IMAGENET_STD, "bilinear",
    ),
    "gend_perception": Known(
        "yermandy/GenD_PE_L", "model.safetensors", GEND,
        "perception", PERCEPTION_L14, HALF, HALF, "bicubic",
    ),
}  # fmt: skip
