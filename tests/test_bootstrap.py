"""Intervals: every metric of every draw against the plain way, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import default_rng

from dfdbench import metrics
from dfdbench import spec as specs
from dfdbench.errors import SpecError
from dfdbench.metrics import bootstrap
from dfdbench.metrics.bootstrap import Draws
from dfdbench.metrics.weighted import Sorted


def frames_of(videos, frames, seed=0):
    """Videos of both classes with the same number of frames, which have much in common."""
    rng = default_rng(seed)
    label = np.repeat(np.arange(videos) % 2, frames)
    video = np.repeat([f"v{n:05d}" for n in range(videos)], frames)
    own = np.repeat(rng.normal(size=videos), frames)
    p = 1 / (1 + np.exp(-(own + label + rng.normal(size=len(label)))))
    return video, label, p


def plain_bootstrap(labels, scores, videos, seed, resamples, threshold):
    """As one would write it down: draw videos, collect their frames, measure them."""
    classes = [np.unique(videos[labels == value]) for value in (0, 1)]
    sources = [default_rng((seed, value)) for value in (0, 1)]
    drawn = []
    for _ in range(resamples):
        chosen = [
            np.flatnonzero(videos == name)
            for names, rng in zip(classes, sources, strict=True)
            for name in names[rng.integers(len(names), size=len(names))]
        ]
        frames = np.concatenate(chosen)
        drawn.append(metrics.measure(labels[frames], scores[frames], threshold))
    return drawn


@pytest.mark.parametrize("frames", [1, 5])
@pytest.mark.parametrize("digits", [1, 17])
def test_every_metric_of_every_draw_equals_the_plain_one(frames, digits):
    video, label, p = frames_of(23, frames)
    p = np.round(p, digits)  # with one digit there are many ties
    draws = Draws.of(label, video, 7, 60)
    fast = bootstrap.resampled([Sorted(label, p, draws.member, draws.clusters, 0.6)], draws)[0]
    for n, plain in enumerate(plain_bootstrap(label, p, video, 7, 60, 0.6)):
        found = {name: fast[name][n] for name in metrics.METRICS}
        assert found == pytest.approx(plain, abs=1e-12)


def test_the_draws_do_not_depend_on_how_many_are_made_at_once():
    label = np.arange(31) % 2
    draws = Draws.of(label, np.arange(31), 3, 50)
    alone, together = (np.concatenate(list(draws.blocks(rows))) for rows in (1, 16))
    assert alone.tolist() == together.tolist()
    assert set(alone.sum(axis=1)) == {31}
    assert set(alone[:, label == 1].sum(axis=1)) == {15}


def test_the_intervals_do_not_depend_on_the_order_of_the_frames():
    video, label, p = frames_of(20, 3)
    order = default_rng(3).permutation(len(p))
    before = metrics.intervals(label, p, video, 0, 50)
    after = metrics.intervals(label[order], p[order], video[order], 0, 50)
    assert before == after


def test_two_detectors_on_the_same_videos_see_the_same_samples():
    video, label, p = frames_of(40, 2)
    first = bootstrap.auroc_resamples(label, p, video, 0, 200)
    second = bootstrap.auroc_resamples(label, p**3, video, 0, 200)  # the same order of scores
    assert first.tolist() == second.tolist()


def test_frames_and_videos_see_the_same_samples():
    video, label, p = frames_of(30, 4)
    p = np.repeat(p[::4], 4)  # all frames of a video alike: their AUROC is that of the videos
    found = metrics.evaluate(video, label, p, resamples=100)["interval"]
    assert found["frame"]["auroc"] == pytest.approx(found["video"]["auroc"], abs=1e-12)
    assert found["frame"]["brier"] == pytest.approx(found["video"]["brier"], abs=1e-12)


def test_every_metric_has_an_interval_that_holds_it_at_both_levels():
    found = metrics.evaluate(*frames_of(200, 4), threshold=0.6, resamples=400)
    for level in ("video", "frame"):
        assert tuple(found["interval"][level]) == metrics.METRICS
        for name, (low, high) in found["interval"][level].items():
            assert 0 <= low <= found[level][name] <= high <= 1, (level, name)
            assert low < high


def test_an_interval_shrinks_with_the_root_of_the_videos():
    widths = []
    for videos in (100, 1600):
        video, label, p = frames_of(videos, 1)
        low, high = metrics.intervals(label, p, video, 0, 500)["auroc"]
        widths.append(high - low)
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.4)


def test_frames_of_one_video_are_not_taken_for_independent():
    video, label, p = frames_of(200, 8)
    together = metrics.intervals(label, p, video, 0, 500)["auroc"]
    alone = metrics.intervals(label, p, np.arange(len(p)), 0, 500)["auroc"]
    assert np.ptp(together) > 1.5 * np.ptp(alone)


def test_one_video_of_a_class_gives_no_interval():
    found = metrics.intervals(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]), np.arange(3))
    assert found == dict.fromkeys(metrics.METRICS)


def test_reals_of_a_person_and_fakes_made_from_them_are_drawn_together():
    # Ada and Bob have a real and a fake each, Cy a real only; v6 is a fake of nobody known.
    ids = np.array(["v1", "v2", "v3", "v4", "v5", "v6"])
    names = bootstrap.people(ids, ["ada", "ada", "bob", "bob", "cy", None])
    draws = Draws.of(np.array([0, 1, 0, 1, 0, 1]), names, 0, 200)
    assert draws.clusters == 4
    drawn = np.concatenate(list(draws.blocks(200)))[:, draws.member]
    assert (drawn[:, 0] == drawn[:, 1]).all() and (drawn[:, 2] == drawn[:, 3]).all()
    assert set((drawn[:, 0] + drawn[:, 2]).tolist()) == {2}  # two draws of two people
    assert set(drawn[:, 4]) == set(drawn[:, 5]) == {1}  # alone with their classes


def about(videos, person):
    return {"video_id": [f"v{n:05d}" for n in range(videos)], "target_id": person}


def test_intervals_over_people_are_wider_where_a_persons_videos_are_alike():
    rng = default_rng(1)
    person = np.repeat(np.arange(20), 10)  # 10 videos each
    label = np.arange(200) % 2
    p = 1 / (1 + np.exp(-(2 * rng.normal(size=(20, 2))[person, label] + label)))
    known = about(200, [f"p{n}" for n in person])
    frames = known["video_id"], label, p
    videos = metrics.evaluate(*frames, resamples=300, about=known)["interval"]
    people = metrics.evaluate(*frames, resamples=300, about=known, cluster="identity")["interval"]
    assert (videos["cluster"], videos["clusters"]) == ("video", 200)
    assert (people["cluster"], people["clusters"]) == ("identity", 20)
    assert "over people" in people["method"]
    assert np.ptp(people["video"]["auroc"]) > 1.5 * np.ptp(videos["video"]["auroc"])


def test_where_no_person_is_known_videos_are_drawn_and_the_result_says_so():
    video, label, p = frames_of(20, 2)
    plain = metrics.evaluate(video, label, p, resamples=50)
    known = about(20, [None] * 20)
    found = metrics.evaluate(video, label, p, resamples=50, about=known, cluster="identity")
    assert found["interval"] == plain["interval"]
    assert found["interval"]["cluster"] == "video"


def test_the_spec_says_what_is_drawn_and_how_often(spec, registry):
    spec["statistics"] = {"resamples": 500, "cluster": "identity"}
    found = specs.validate(spec, registry).statistics
    assert found.model_dump() == {"resamples": 500, "cluster": "identity", "seed": 0}
    spec["statistics"] = {"resample": 500}
    with pytest.raises(SpecError, match="'resample'; did you mean 'resamples'"):
        specs.validate(spec, registry)
    spec["statistics"] = {"cluster": "frame"}
    with pytest.raises(SpecError, match=r"statistics\.cluster: .*'video' or 'identity'"):
        specs.validate(spec, registry)
