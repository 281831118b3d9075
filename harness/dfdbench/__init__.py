"""dfdbench: a plugin-based benchmark harness for deepfake detection.

The core runs a declarative spec from data sets to a leaderboard and knows no method, data set or
model by name: those are plugins (:mod:`dfdbench.hookspecs`).
"""

import pluggy

hookimpl = pluggy.HookimplMarker("dfdbench")
"""Marks a function of a plugin as the implementation of one of the hooks."""

__all__ = ["hookimpl"]
