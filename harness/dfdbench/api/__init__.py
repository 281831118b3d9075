"""The eight kinds of component and the data that pass between them.

This package is the whole of what a plugin builds on. It imports no torch: a command that only lists
components must start at once.

Labels are 0 for real and 1 for fake. Images are RGB, uint8, (H, W, 3) as arrays and (B, 3, H, W)
as tensors.
"""

from dfdbench.api.data import (
    FAKE,
    REAL,
    SCRATCH,
    Context,
    Face,
    Fit,
    Frame,
    FrameSource,
    Log,
    Video,
)
from dfdbench.api.kinds import (
    Backbone,
    DatasetAdapter,
    Detector,
    FacePreprocessor,
    Logger,
    PeftStrategy,
    Regularizer,
    Transform,
)

__all__ = [
    "FAKE",
    "REAL",
    "SCRATCH",
    "Backbone",
    "Context",
    "DatasetAdapter",
    "Detector",
    "Face",
    "FacePreprocessor",
    "Fit",
    "Frame",
    "FrameSource",
    "Log",
    "Logger",
    "PeftStrategy",
    "Regularizer",
    "Transform",
    "Video",
]
