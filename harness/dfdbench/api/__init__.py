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

API_VERSION = "1"
"""Version of the plugin API: of the hooks, of this package, and of what their docstrings promise.

It rises when something that a plugin may rely on is taken away or changes its meaning, not when
something is added. A plugin says which one it was made for by ``dfdbench_api = "1"`` in its module
(:mod:`dfdbench.hookspecs`).
"""

__all__ = [
    "API_VERSION",
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
