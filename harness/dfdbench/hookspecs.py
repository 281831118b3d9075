"""The hooks of a plugin: the reference of the plugin API.

A plugin is a module or object with functions marked :data:`dfdbench.hookimpl`, found through the
entry-point group ``dfdbench``::

    [project.entry-points.dfdbench]
    my_plugin = "my_module"

Each hook returns *classes* of components (:mod:`dfdbench.api`), subclasses of the kind that the
hook is for, each with a ``name`` in ``[a-z0-9_]+`` that no other component of its kind has. The
fields of the class are its options in a spec. A whole plugin::

    import torch
    from dfdbench import hookimpl
    from dfdbench.api import Regularizer

    class Centre(Regularizer):
        '''Takes the batch's mean off every feature in training.'''
        name = "centre"
        strength: float = 1.0

        def augment(self, z, y, rng):
            return z - self.strength * z.mean(0)

    @hookimpl
    def dfdbench_regularizers():
        return [Centre]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from dfdbench.api import (
        Backbone,
        DatasetAdapter,
        Detector,
        FacePreprocessor,
        Logger,
        PeftStrategy,
        Regularizer,
        Transform,
    )

hookspec = pluggy.HookspecMarker("dfdbench")


@hookspec
def dfdbench_datasets() -> Sequence[type[DatasetAdapter]]:  # type: ignore[empty-body]
    """Data-set adapters: list the videos of a split, with label, method and identities.

    Example: ``return [CelebDFv2]``, used as ``dataset: {use: celeb_df_v2}``.
    """


@hookspec
def dfdbench_preprocessors() -> Sequence[type[FacePreprocessor]]:  # type: ignore[empty-body]
    """Face preprocessors: the frames of a video in, aligned faces of one size out.

    Example: ``return [Precropped]``, used as ``faces: {use: precropped, size: 256}``.
    """


@hookspec
def dfdbench_transforms() -> Sequence[type[Transform]]:  # type: ignore[empty-body]
    """Transforms of uint8 image batches: random in training, of fixed strength in testing.

    Example: ``return [Jpeg]``, used as ``augment: [{use: jpeg, quality: [40, 100]}]``.
    """


@hookspec
def dfdbench_backbones() -> Sequence[type[Backbone]]:  # type: ignore[empty-body]
    """Backbones: build an encoder that maps images to one feature vector each.

    Example: ``return [OpenClip]``, used as ``backbone: {use: open_clip, model: ViT-L-14}``.
    """


@hookspec
def dfdbench_peft() -> Sequence[type[PeftStrategy]]:  # type: ignore[empty-body]
    """PEFT strategies: say which parameters of a frozen encoder train.

    Example: ``return [LnTuning]``, used as ``peft: ln_tuning``.
    """


@hookspec
def dfdbench_regularizers() -> Sequence[type[Regularizer]]:  # type: ignore[empty-body]
    """Regularizers: change, map or penalise the features between encoder and head.

    Example: ``return [L2Norm]``, used as ``regularizers: [l2_norm]``.
    """


@hookspec
def dfdbench_detectors() -> Sequence[type[Detector]]:  # type: ignore[empty-body]
    """Whole detectors: ``fit`` on labelled faces, ``score`` faces.

    Example: ``return [MyDetector]``, used as ``detectors: {mine: {use: my_detector}}``.
    """


@hookspec
def dfdbench_loggers() -> Sequence[type[Logger]]:  # type: ignore[empty-body]
    """Loggers: show the epochs of a training elsewhere while it runs.

    Example: ``return [TensorBoard]``, used as ``loggers: [{use: tensorboard, folder: runs}]``.
    """
