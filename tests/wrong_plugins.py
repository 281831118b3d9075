"""A component with one fault for each check of the conformance suite.

The faults are put into what ``dfdbench plugin new`` writes, which has none.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from pydantic import ConfigDict
from torch import nn

from dfdbench import scaffold
from dfdbench.api import Face, Fit
from dfdbench.component import Component
from dfdbench.encoder import Input
from dfdbench.errors import MissingError, UnreadableError

Methods = dict[str, Any]


@cache
def good(kind: str) -> Any:
    """The class that ``dfdbench plugin new good_<kind>`` writes."""
    name = f"good_{kind}"
    source = scaffold.files(name, kind)[f"dfdbench_{name}.py"]
    module = ModuleType(f"dfdbench_{name}")
    sys.modules[module.__name__] = module
    exec(source, module.__dict__)
    return getattr(module, scaffold.class_name(name))


@dataclass(frozen=True)
class Wrong:
    """A fault, the check that must find it, and what the message must say."""

    kind: str
    check: str
    says: str
    changes: Methods

    def component(self) -> Component:
        """The good component of the kind with the fault in it."""
        base = good(self.kind)
        body = {"__doc__": "Has a fault.", "__module__": base.__module__, **self.changes}
        made: Component = type(base)("Faulty", (base,), body)()
        return made


def wrong(kind: str, check: str, says: str, **changes: Any) -> Wrong:
    return Wrong(kind, check, says, changes)


def raising(error: Exception) -> Callable[..., Any]:
    def call(*inputs: Any) -> Any:
        raise error

    return call


def doing(act: Callable[[], Any]) -> Callable[..., float]:
    """A penalty that does something else besides."""

    def penalty(self: Any, z: Any, y: Any) -> float:
        act()
        return 0.0

    return penalty


# Encoders and backbones


def building(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A ``build`` that changes the encoder; None: in place."""

    def build(self: Any) -> Any:
        encoder = good("backbone").build(self)
        changed = change(encoder)
        return encoder if changed is None else changed

    return build


def forwarding(change: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """A ``build`` whose encoder's output is changed; ``change`` gets output and encoder."""

    def put_in(encoder: Any) -> None:
        own = encoder.forward
        encoder.forward = lambda images: change(own(images), encoder)

    return building(put_in)


def hide(encoder: Any) -> None:
    hidden, own = torch.randn(32), encoder.forward
    encoder.forward = lambda images: own(images) + hidden


def without_gradient(encoder: Any) -> None:
    encoder.forward = torch.no_grad()(encoder.forward)


def unseeded(encoder: Any) -> None:
    for p in encoder.parameters():
        p.data = torch.from_numpy(np.random.default_rng().normal(size=p.shape)).float()


KEPT = good("backbone")().build()

# PEFT strategies


def applying(change: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """An ``apply`` that trains the last norm, and changes the encoder in place besides."""

    def apply(self: Any, encoder: Any) -> Any:
        encoder.norm.requires_grad_(True)
        change(encoder)
        return encoder

    return apply


def alone(self: Any, encoder: Any) -> Any:
    encoder.extra = nn.Parameter(torch.zeros(3))
    return encoder


def drift(encoder: Any) -> None:
    def move(*_: Any) -> None:
        encoder.patches.bias.data.add_(0.01)

    encoder.register_forward_hook(move)


def counting(encoder: Any) -> None:
    calls = count()
    encoder.register_forward_hook(lambda module, images, out: out + next(calls))


NUMBERS = count()

# Loggers


class Log:
    """A log whose methods are given."""

    def __init__(self, record: Any = None, finish: Any = None) -> None:
        self.record = record or (lambda record: None)
        self.finish = finish or (lambda done: None)


def once_a_key(self: Any, title: str, key: str, config: Any) -> Any:
    (self.folder / key[:8]).mkdir(parents=True)
    return Log()


ACTIVE: list[str] = []


def one_at_a_time(self: Any, title: str, key: str, config: Any) -> Any:
    if ACTIVE:
        raise RuntimeError("a run is active already")
    ACTIVE.append(key)
    return Log(finish=lambda done: ACTIVE.clear())


# Detectors


def fitting(change: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A ``fit`` that does something to its folder after the good one; returns it or a Fit."""

    def fit(self: Any, train: Any, validation: Any, context: Any) -> Any:
        found = good("detector").fit(self, train, validation, context)
        return change(found, context.folder)

    return fit


def scoring(change: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    """A ``score`` that changes the good one's result; gets scores, faces and folder."""

    def score(self: Any, faces: Any, context: Any) -> Any:
        return change(good("detector").score(self, faces, context), faces, context.folder)

    return score


def blur_threshold(fit: Any, folder: Path) -> Any:
    np.save(folder / "threshold.npy", np.load(folder / "threshold.npy") + 9 * np.random.rand())
    return fit


def only_once(self: Any, train: Any, validation: Any, context: Any) -> Any:
    (context.folder / "work").mkdir()
    return good("detector").fit(self, train, validation, context)


LAST: dict[str, Any] = {}


def keep_in_memory(self: Any, train: Any, validation: Any, context: Any) -> Any:
    good("detector").fit(self, train, validation, context)
    LAST["threshold"] = np.load(context.folder / "threshold.npy") + len(LAST)
    return Fit()


def from_memory(self: Any, faces: Any, context: Any) -> Any:
    np.load(context.folder / "threshold.npy")
    mean = faces.images(64).mean((1, 2, 3))
    return 1 / (1 + np.exp(-0.001 * mean * LAST["threshold"]))


def cache_scores(scores: Any, faces: Any, folder: Path) -> Any:
    np.save(folder / "cache.npy", scores)
    return scores


def blacken(scores: Any, faces: Any, folder: Path) -> Any:
    faces.images()[:] = 0
    return scores


def by_video(scores: Any, faces: Any, folder: Path) -> Any:
    means = {video: scores[faces.video_id == video].mean() for video in faces.video_id}
    return np.array([means[video] for video in faces.video_id])


# Data sets


def listing(change: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    """A ``videos`` that changes the good list."""

    def videos(self: Any, root: Any, split: str) -> Any:
        return change(list(good("dataset").videos(self, root, split)))

    return videos


def any_split(self: Any, root: Any, split: str) -> Any:
    yield from good("dataset").videos(self, root, "test") if split == "test" else ()


def terse(self: Any, root: Any, split: str) -> Any:
    try:
        yield from good("dataset").videos(self, root, split)
    except MissingError:
        raise MissingError("no data") from None


def leaving_a_list(self: Any, root: Any, split: str) -> Any:
    found = list(good("dataset").videos(self, root, split))
    (self.folder(root) / f"list-{os.urandom(4).hex()}.txt").write_text("")
    return found


def blank(self: Any, root: Any, video: Any) -> Any:
    from dfdbench.testing.samples import Frames

    return Frames([np.zeros((8, 8))])  # type: ignore[list-item]


def no_two_alike(videos: list[Any]) -> Any:
    return [videos[n] for n in np.random.default_rng().permutation(len(videos))]


# Face preprocessors


def taking(change: Callable[[Face], Face]) -> Callable[..., Iterator[Face]]:
    """A ``faces`` that changes each face of the good one."""

    def faces(self: Any, frames: Any) -> Iterator[Face]:
        for face in good("preprocessor").faces(self, frames):
            yield change(face)

    return faces


def noisy(face: Face) -> Face:
    noise = np.random.default_rng().integers(0, 9, face.image.shape)  # type: ignore[union-attr]
    return replace(face, image=(face.image + noise).astype(np.uint8))  # type: ignore[operator]


def backwards(self: Any, frames: Any) -> Iterator[Face]:
    for frame in frames.read(range(len(frames) - 1, -1, -1)):
        yield Face(frame, frame.image)


def trusting(self: Any, frames: Any) -> Iterator[Face]:
    for frame in frames.read(range(len(frames))):
        yield Face(frame, frame.image.copy())


def swallowing(self: Any, frames: Any) -> Iterator[Face]:
    try:
        yield from good("preprocessor").faces(self, frames)
    except UnreadableError:
        return


def inking(self: Any, frames: Any) -> Iterator[Face]:
    for frame in frames.read(range(len(frames))):
        if frame.image is not None:
            frame.image[:4] = 0
        yield Face(frame, frame.image, reason=frame.error, unreadable=frame.image is None)


def mutate(self: Any, z: Any, y: Any) -> float:
    self.seen.append(1)
    return 0.0


COMMON = [
    wrong("regularizer", "it_has_a_name_and_a_meaning", "has no docstring", __doc__=""),
    wrong("regularizer", "it_has_a_name_and_a_meaning", "the name is 'Good!'", name="Good!"),
    wrong("regularizer", "options_survive_yaml", "became", __annotations__={"scale": float},
          scale=1.0, to_spec=lambda self: {"use": self.name, "scale": 2.0}),
    wrong("regularizer", "options_survive_yaml", "the identity differs",
          __annotations__={"scale": float}, scale=1),
    wrong("regularizer", "unknown_options_are_refused", "is accepted",
          model_config=ConfigDict(extra="ignore", frozen=True)),
    wrong("regularizer", "options_are_frozen", "options can be changed",
          model_config=ConfigDict(frozen=False)),
    wrong("regularizer", "options_are_frozen", "using the component changed",
          __annotations__={"seen": list[int]}, seen=[], penalty=mutate),
    wrong("regularizer", "what_is_missing_is_said_in_sentences", "not a list of sentences",
          missing=lambda self: "no weights"),
    wrong("regularizer", "what_is_missing_is_said_in_sentences", "no weights here",
          missing=lambda self: ["no weights here"]),
    wrong("regularizer", "use_prints_nothing", "it prints 'hello", penalty=doing(
        lambda: print("hello"))),
    *(
        wrong("regularizer", "use_leaves_no_trace_in_the_process", f"changes {what}",
              penalty=doing(act))
        for what, act in {
            "Python's global generator": lambda: __import__("random").seed(0),
            "NumPy's global generator": lambda: np.random.seed(0),
            "torch's global generator": lambda: torch.manual_seed(0),
            "torch's number of threads": lambda: torch.set_num_threads(1),
            "torch's default type": lambda: torch.set_default_dtype(torch.float64),
            "torch's gradient mode": lambda: torch.set_grad_enabled(False),
            "NumPy's error handling": lambda: np.seterr(all="ignore"),
            "os.environ": lambda: os.environ.update(A_PLUGIN="1"),
            "the working folder": lambda: os.chdir("/"),
            "warnings.filters": lambda: warnings.simplefilter("ignore", FutureWarning),
        }.items()
    ),
]  # fmt: skip

OF_KINDS = [
    wrong("transform", "augment_keeps_shape_and_type", "torch.float32",
          augment=lambda self, images, rng: images.float()),
    wrong("transform", "augment_draws_from_its_generator_alone", "of 4 images differ",
          augment=lambda self, images, rng: images + torch.randint(0, 9, (4, 1, 1, 1)).byte()),
    wrong("transform", "augment_takes_images_with_the_channels_last", "view",
          augment=lambda self, images, rng: images.view(len(images), -1).view(images.shape)),
    wrong("transform", "perturb_keeps_shape_and_type", "(4, 3, 12, 20)",
          perturb=lambda self, images: images[:, :, ::2]),
    wrong("transform", "perturb_leaves_nothing_to_chance", "a second time",
          perturb=lambda self, images: images + torch.randint(0, 9, images.shape).byte()),
    wrong("transform", "perturb_treats_each_image_by_itself", "of 4 images come out otherwise",
          perturb=lambda self, images: images // 2 + images.float().mean().byte()),
    wrong("transform", "a_strength_of_zero_changes_nothing", "no image changes",
          perturb=lambda self, images: images),
    wrong("transform", "a_strength_of_zero_changes_nothing", "does_nothing() is True",
          does_nothing=lambda self: True),
    wrong("regularizer", "features_keep_their_shape", "(12, 8) torch.float32 into (12, 4)",
          project=lambda self, z: z[:, :4]),
    wrong("regularizer", "features_keep_their_shape", "NaN or infinity for two faces",
          augment=lambda self, z, y, rng: z / (len(z) - 2)),
    wrong("regularizer", "penalty_is_one_finite_number", "has the shape (12,)",
          penalty=lambda self, z, y: z.mean(1)),
    wrong("regularizer", "penalty_is_one_finite_number", "one class is nan",
          penalty=lambda self, z, y: z[y == 0].mean()),
    wrong("regularizer", "project_treats_each_face_by_itself", "otherwise alone than in a batch",
          project=lambda self, z: z - z.mean(0)),
    wrong("regularizer", "augment_draws_from_its_generator_alone", "draw from `rng`",
          augment=lambda self, z, y, rng: z + torch.randn_like(z)),
    wrong("regularizer", "inputs_are_left_as_they_are", "writes into its inputs",
          project=lambda self, z: z.mul_(2)),
    wrong("regularizer", "gradients_are_finite", "no gradient comes back",
          project=lambda self, z: z.detach(), penalty=lambda self, z, y: torch.ones(
              (), requires_grad=True)),
    wrong("regularizer", "gradients_are_finite", "NaN or infinite",
          penalty=lambda self, z, y: (z - z.detach()).square().sum().sqrt()),
    wrong("backbone", "the_encoder_says_what_it_wants", "not on the scale of 0 to 1",
          build=building(lambda e: setattr(e, "input", Input(64, (127.0,) * 3, (58.0,) * 3)))),
    wrong("backbone", "each_image_gets_one_feature_vector", "(3, 7)",
          build=building(lambda e: setattr(e, "feature_dim", 7))),
    wrong("backbone", "features_do_not_depend_on_the_batch", "differ by",
          build=forwarding(lambda z, _: z - z.mean(0))),
    wrong("backbone", "the_seed_decides_random_weights", "weights differ",
          build=building(unseeded)),
    wrong("backbone", "every_build_is_new", "two encoders share", build=lambda self: KEPT),
    wrong("backbone", "weights_survive_save_and_load", "after loading, the features differ",
          build=building(hide)),
    wrong("backbone", "gradients_reach_the_weights", "no gradient comes out",
          build=building(without_gradient)),
    wrong("backbone", "blocks_are_its_own_from_input_to_output", "not in order",
          build=building(lambda e: setattr(e, "blocks", lambda: list(e.stages)[::-1]))),
    wrong("backbone", "blocks_are_its_own_from_input_to_output", "no part of the encoder",
          build=building(lambda e: setattr(e, "blocks", lambda: [nn.Linear(1, 1)]))),
    wrong("peft", "frozen_weights_stay_frozen", "such as ['patches.bias']", apply=applying(drift)),
    wrong("peft", "what_is_chosen_trains", "1 parameters are to train, and none changes",
          apply=alone),
    wrong("peft", "a_second_apply_gives_the_same_names", "differ in name or shape",
          apply=applying(lambda e: e.register_parameter(
              f"prompt{next(NUMBERS)}", nn.Parameter(torch.zeros(1))))),
    wrong("peft", "training_survives_save_and_load", "no trainable parameter",
          apply=applying(counting)),
    wrong("peft", "the_seed_decides_what_is_added", "such as ['prompt']",
          apply=applying(lambda e: e.register_parameter(
              "prompt", nn.Parameter(torch.from_numpy(np.random.default_rng().normal(size=3)))))),
    wrong("peft", "the_encoder_keeps_its_form", "feature_dim is 3",
          apply=applying(lambda e: setattr(e, "feature_dim", 3))),
    wrong("peft", "penalty_is_one_finite_number", "the shape (2,)",
          penalty=lambda self, encoder: torch.zeros(2)),
    wrong("logger", "it_follows_a_training", "TypeError", start=lambda self, *_: Log(
        record=lambda record: float(record["video"]["map"]))),
    wrong("logger", "it_takes_an_interrupted_training_up_again", "FileExistsError",
          start=once_a_key),
    wrong("logger", "two_trainings_may_be_followed_at_once", "active already",
          start=one_at_a_time),
    wrong("logger", "what_it_is_given_is_left_as_it_is", "it makes", start=lambda self, *_: Log(
        record=lambda record: record.pop("lr"))),
    wrong("detector", "fit_says_how_it_went", "NoneType, not a dfdbench.api.Fit",
          fit=fitting(lambda fit, folder: None)),
    wrong("detector", "fit_says_how_it_went", "no JSON with an epoch",
          fit=fitting(lambda fit, folder: Fit(history=[{"loss": np.float32(1)}]))),
    wrong("detector", "fit_says_how_it_went", "2 of 1 parameters train",
          fit=fitting(lambda fit, folder: Fit(trainable=2, parameters=1))),
    wrong("detector", "fit_needs_no_validation_faces", "it says that it was selected on them",
          fit=fitting(lambda fit, folder: Fit(selected_on="validation"))),
    wrong("detector", "the_seed_decides_everything", "trained twice with one seed",
          fit=fitting(blur_threshold)),
    wrong("detector", "fit_goes_on_after_an_interruption", "FileExistsError", fit=only_once),
    wrong("detector", "scores_come_from_the_training", "it scores from an empty folder",
          score=lambda self, faces, context: np.full(len(faces), 0.5)),
    wrong("detector", "scores_are_probabilities", "no probability in [0, 1]",
          score=scoring(lambda scores, faces, folder: 3 * scores)),
    wrong("detector", "scores_are_probabilities", "14 faces scores of the shape (13,)",
          score=scoring(lambda scores, faces, folder: scores[1:])),
    wrong("detector", "scores_are_probabilities", "of the type int64",
          score=scoring(lambda scores, faces, folder: (scores > 0.5).astype(int))),
    wrong("detector", "scores_are_probabilities", "scored none of 14 faces",
          score=scoring(lambda scores, faces, folder: scores * np.nan)),
    wrong("detector", "scores_follow_the_order_of_the_faces", "in another order",
          score=scoring(lambda scores, faces, folder: np.sort(scores))),
    wrong("detector", "scores_do_not_depend_on_other_videos", "with the faces of test/000 alone",
          score=scoring(lambda scores, faces, folder: scores - scores.min())),
    wrong("detector", "scores_belong_to_faces_or_to_whole_videos", "with one face of test/",
          score=scoring(by_video)),
    wrong("detector", "scores_belong_to_faces_or_to_whole_videos", "`whole_videos` is set",
          whole_videos=True),
    wrong("detector", "scores_do_not_use_the_labels", "with labels, methods and paths changed",
          score=scoring(lambda scores, faces, folder: faces.labels.astype(float))),
    wrong("detector", "scores_survive_save_and_load", "from a copy of the folder",
          fit=keep_in_memory, score=from_memory),
    wrong("detector", "score_only_reads_its_folder", "writes cache.npy",
          score=scoring(cache_scores)),
    wrong("detector", "faces_are_left_as_they_are", "scoring changes the faces",
          score=scoring(blacken)),
    wrong("dataset", "videos_have_an_id_and_a_label", "'one' is empty or given twice",
          videos=listing(lambda videos: [replace(video, id="one") for video in videos])),
    wrong("dataset", "videos_have_an_id_and_a_label", "is real and has 'swap'",
          videos=listing(lambda videos: [replace(video, method="swap") for video in videos])),
    wrong("dataset", "videos_have_an_id_and_a_label", "1 files and 2 frame_indices",
          videos=listing(lambda videos: [replace(v, frame_indices=(0, 1)) for v in videos])),
    wrong("dataset", "the_same_videos_come_every_time", "change places",
          videos=listing(no_two_alike)),
    wrong("dataset", "files_are_there_below_the_folder", "is not relative to",
          videos=listing(lambda videos: [replace(v, files=("/clip.mp4",)) for v in videos])),
    wrong("dataset", "files_are_there_below_the_folder", "no file clip.mp4",
          videos=listing(lambda videos: [replace(v, files=("clip.mp4",)) for v in videos])),
    wrong("dataset", "frames_can_be_read", "is (8, 8) float64", frames=blank),
    wrong("dataset", "an_unknown_split_is_refused", "gives 0 videos", videos=any_split),
    wrong("dataset", "missing_data_says_where_it_was_looked_for", "'no data'", videos=terse),
    wrong("dataset", "data_are_only_read", "writes", videos=leaving_a_list),
    wrong("preprocessor", "every_frame_gives_a_face_or_a_reason", "no face, and no reason",
          faces=taking(lambda face: replace(face, image=None))),
    wrong("preprocessor", "faces_are_square_and_of_one_size", "(224, 100, 3)",
          faces=taking(lambda face: replace(face, image=face.image[:, :100]))),
    wrong("preprocessor", "faces_are_square_and_of_one_size", "the faces have the sizes", faces=
          taking(lambda face: replace(face, image=face.image[: 99 + face.frame.index,
                                                             : 99 + face.frame.index]))),
    wrong("preprocessor", "faces_are_square_and_of_one_size", "landmarks are no finite array",
          faces=taking(lambda face: replace(face, landmarks=np.zeros((2, 5))))),
    wrong("preprocessor", "the_same_faces_come_every_time", "the faces differ",
          faces=taking(noisy)),
    wrong("preprocessor", "frames_are_asked_for_in_order", "ascending, each once",
          faces=backwards),
    wrong("preprocessor", "an_unreadable_frame_is_said_and_the_others_are_taken",
          "'NoneType' object", faces=trusting),
    wrong("preprocessor", "an_unreadable_video_raises", "is swallowed", faces=swallowing),
    wrong("preprocessor", "frames_are_left_as_they_are", "writes into the frames", faces=inking),
]  # fmt: skip

IMPORTED = {
    "import_works_on_its_own": ("import a_library_that_nobody_has", "ModuleNotFoundError"),
    "import_is_light": ("import cv2", "imports cv2"),
    "import_asks_no_network": (
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError:\n"
        "    pass",
        "uses the network: socket.",
    ),
    "import_leaves_no_trace_in_the_process": (
        "import os, numpy\nnumpy.random.seed(0)\nos.environ['X'] = 'y'",
        "changes os.environ, NumPy's global generator",
    ),
    "import_prints_nothing": ("print('welcome')", "prints 'welcome"),
}
"""Check -> source of a module with the fault, and what the message must say."""
