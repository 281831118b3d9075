"""The hooks of a plugin: the reference of the plugin API, version 1.

A plugin is a module or object with functions marked :data:`dfdbench.hookimpl`, found through the
entry-point group ``dfdbench``::

    [project.entry-points.dfdbench]
    my_plugin = "my_module"

Each hook returns *classes* of components (:mod:`dfdbench.api`), subclasses of the kind that the
hook is for, each with a ``name`` in ``[a-z0-9_]+`` that no other component of its kind has. The
fields of the class are its options in a spec. A whole plugin::

    from dfdbench import hookimpl
    from dfdbench.api import Regularizer

    dfdbench_api = "1"

    class Centre(Regularizer):
        '''Takes the batch's mean off every feature in training.'''
        name = "centre"
        strength: float = 1.0

        def augment(self, z, y, rng):
            return z - self.strength * z.mean(0)

    @hookimpl
    def dfdbench_regularizers():
        return [Centre]

``dfdbench plugin new NAME --kind KIND`` writes such a plugin with its tests; ``docs/plugins.md``
takes an author from there to a published one.

**Versions.** ``dfdbench_api`` says which version of this API the plugin was made for. The version
(:data:`dfdbench.api.API_VERSION`) rises when something below is taken away or changes its meaning,
not when something is added. A plugin for another version is left out, and a spec that needs it says
so; a plugin that names no version is taken as it is.

**What a plugin may rely on**

- the names of :mod:`dfdbench.api`, :mod:`dfdbench.errors`, :mod:`dfdbench.encoder`,
  :mod:`dfdbench.media`, :mod:`dfdbench.testing`, :class:`dfdbench.faces.Faces`, and what their
  docstrings say of shapes, ranges and errors; nothing else of ``dfdbench``;
- before each cell the global generators of Python, NumPy and torch are seeded, and after it they
  and the process's settings are as they were: what other plugins do does not show;
- what is printed goes to standard error; an exception fails the cell that it is raised in, with its
  traceback kept, and no other; one of :mod:`dfdbench.errors` is shown as a message alone;
- a result is named by the options, the plugin's source, version and distribution, and the data, so
  that none of them changes without being computed again;
- a cell may be computed in any process, on any machine, more than once, and may be killed at any
  time.

**What it owes**: what the docstrings of its kind say, which ``dfdbench.testing`` checks. Above all
randomness and the device come from what it is given, and importing it is fast, silent and offline.
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

    ``videos`` is called in the process of the command, whenever a benchmark is planned; ``frames``
    in the processes that take faces, once a video in no particular order. Nothing is written below
    ``root``.

    Example: ``return [CelebDFv2]``, used as ``dataset: {use: celeb_df_v2}``.
    """


@hookspec
def dfdbench_preprocessors() -> Sequence[type[FacePreprocessor]]:  # type: ignore[empty-body]
    """Face preprocessors: the frames of a video in, aligned faces of one size out.

    ``faces`` is called once a video, in several processes at a time and in no particular order.
    Frames are decoded as they are asked for. Faces are kept; only another option or another
    version of the plugin takes them anew.

    Example: ``return [Precropped]``, used as ``faces: {use: precropped, size: 256}``.
    """


@hookspec
def dfdbench_transforms() -> Sequence[type[Transform]]:  # type: ignore[empty-body]
    """Transforms of uint8 image batches: random in training, of fixed strength in testing.

    ``augment`` is called where training batches are made, with a generator that depends on the
    seed, the epoch and the batch alone; ``perturb`` where a test set is decoded, and what it gives
    is kept.

    Example: ``return [Jpeg]``, used as ``augment: [{use: jpeg, quality: [40, 100]}]``.
    """


@hookspec
def dfdbench_backbones() -> Sequence[type[Backbone]]:  # type: ignore[empty-body]
    """Backbones: build an encoder that maps images to one feature vector each.

    ``build`` is called for every training and every scoring, with torch's generator seeded by the
    training's seed. All parameters are frozen then, and a PEFT strategy unfreezes some.

    Example: ``return [OpenClip]``, used as ``backbone: {use: open_clip, model: ViT-L-14}``.
    """


@hookspec
def dfdbench_peft() -> Sequence[type[PeftStrategy]]:  # type: ignore[empty-body]
    """PEFT strategies: say which parameters of a frozen encoder train.

    ``apply`` gets an encoder that was just built and frozen. What has ``requires_grad`` afterwards
    is trained by the recipe and is all that a checkpoint holds of the encoder.

    Example: ``return [LnTuning]``, used as ``peft: ln_tuning``.
    """


@hookspec
def dfdbench_regularizers() -> Sequence[type[Regularizer]]:  # type: ignore[empty-body]
    """Regularizers: change, map or penalise the features between encoder and head.

    In training every ``augment`` is called in the spec's order, then every ``project``, then every
    ``penalty``; in testing ``project`` alone.

    Example: ``return [L2Norm]``, used as ``regularizers: [l2_norm]``.
    """


@hookspec
def dfdbench_detectors() -> Sequence[type[Detector]]:  # type: ignore[empty-body]
    """Whole detectors: ``fit`` on labelled faces, ``score`` faces.

    ``fit`` is called once for each train set and seed, and again with the same folder where it was
    interrupted; ``score`` once for each test set and perturbation, on another instance and often in
    another process. What it returns is checked.

    Example: ``return [MyDetector]``, used as ``detectors: {mine: {use: my_detector}}``.
    """


@hookspec
def dfdbench_loggers() -> Sequence[type[Logger]]:  # type: ignore[empty-body]
    """Loggers: show the epochs of a training elsewhere while it runs.

    ``start`` is called as a training begins or goes on, ``record`` after each epoch, ``finish`` in
    the end unless the process was killed. A logger that raises is left out of that training.

    Example: ``return [TensorBoard]``, used as ``loggers: [{use: tensorboard, folder: runs}]``.
    """
