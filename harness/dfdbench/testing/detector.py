"""Checks of whole detectors: of their scores, after those of the training."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace

import numpy as np

from dfdbench.faces import Faces
from dfdbench.testing import fitting, samples
from dfdbench.testing.case import Case, require
from dfdbench.testing.suite import check
from dfdbench.testing.trainings import (
    contents,
    given,
    it,
    same,
    scores_of,
    train_in,
    training_of,
    unseen,
)


def use(case: Case) -> None:
    """Fit and score."""
    folder = case.new_folder()
    if it(case).trains:
        train_in(case, folder)
    it(case).score(unseen(case), given(folder))


@check
def scores_are_probabilities(case: Case) -> None:
    """Shape (N,), floating point, each in [0, 1] or NaN for a face that it cannot score."""
    training_of(case)


@check
def scores_follow_the_order_of_the_faces(case: Case) -> None:
    """The faces in another order get the same scores in that order."""
    faces, trained = unseen(case), training_of(case)
    order = np.random.default_rng(5).permutation(len(faces))
    found = scores_of(it(case), faces.take(order), trained.folder)
    same(found, trained.scores[order], "with the faces in another order")


@check
def scores_do_not_depend_on_other_videos(case: Case) -> None:
    """One video alone gets the scores that it gets among others, whatever the batches are."""
    faces, trained = unseen(case), training_of(case)
    for video in np.unique(faces.video_id)[:4]:
        where = np.flatnonzero(faces.video_id == video)
        found = scores_of(it(case), faces.take(where), trained.folder)
        same(found, trained.scores[where], f"with the faces of {video} alone")


@check
def scores_belong_to_faces_or_to_whole_videos(case: Case) -> None:
    """A face alone gets the score that it gets in its video, unless ``whole_videos`` is set."""
    faces, trained = unseen(case), training_of(case)
    for video in np.unique(faces.video_id):
        where = np.flatnonzero(faces.video_id == video)
        if it(case).whole_videos:
            first = np.repeat(trained.scores[where[:1]], len(where))
            same(trained.scores[where], first, f"`whole_videos` is set, and in {video}")
        elif len(where) > 1:
            found = scores_of(it(case), faces.take(where[-1:]), trained.folder)
            same(found, trained.scores[where[-1:]], f"with one face of {video} alone")


@check
def scores_do_not_use_the_labels(case: Case) -> None:
    """Neither label, nor method, nor path, which tells where the owner put the fakes."""
    faces, trained = unseen(case), training_of(case)
    hidden = Faces(
        faces.name, 1 - faces.labels, faces.video_id, faces.frame_index,
        np.array([f"{n}.png" for n in range(len(faces))]), np.full(len(faces), ""), faces.load,
    )  # fmt: skip
    found = scores_of(it(case), hidden, trained.folder)
    same(found, trained.scores, "with labels, methods and paths changed")


@check
def scores_survive_save_and_load(case: Case) -> None:
    """Another instance scores from a copy of the folder, after another training in between."""
    trained = training_of(case)
    if it(case).trains:
        train_in(case, case.new_folder(), seed=7)
    another = replace(case, component=case.again())
    copy = shutil.copytree(trained.folder, case.new_folder() / "copy")
    away = trained.folder.rename(trained.folder.with_name("away"))
    try:
        found = scores_of(it(another), unseen(case), copy)
    finally:
        away.rename(trained.folder)
    same(found, trained.scores, "another instance, from a copy of the folder")


@check
def score_only_reads_its_folder(case: Case) -> None:
    """A finished cell may be read-only, and several processes score from it at once."""
    trained = training_of(case)
    changed = sorted(trained.files.items() ^ contents(trained.folder).items())
    require(not changed, f"scoring writes {changed[0][0] if changed else ''} in its folder")


@check
def faces_are_left_as_they_are(case: Case) -> None:
    """Images are mapped from a file that other detectors read; copy what you change."""
    faces, folder = unseen(case), training_of(case).folder
    before = _digest(faces)
    it(case).score(faces, given(folder))
    require(_digest(faces) == before, "scoring changes the faces that it is given")
    if it(case).trains:
        train, validation = samples.faces(1, size=case.size), unseen(case)
        before = _digest(train) + _digest(validation)
        it(case).fit(train, validation, given(case.new_folder()))
        after = _digest(train) + _digest(validation)
        require(after == before, "training changes the faces that it is given")


def _digest(faces: Faces) -> str:
    columns = (faces.images(), faces.labels, faces.video_id, faces.frame_index, faces.path)
    return hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()


CHECKS = (
    *fitting.CHECKS,
    scores_are_probabilities,
    scores_follow_the_order_of_the_faces,
    scores_do_not_depend_on_other_videos,
    scores_belong_to_faces_or_to_whole_videos,
    scores_do_not_use_the_labels,
    scores_survive_save_and_load,
    score_only_reads_its_folder,
    faces_are_left_as_they_are,
)
