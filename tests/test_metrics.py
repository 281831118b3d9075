"""The metrics, against figures worked out by hand and scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sklearn
from scipy.optimize import brentq
from sklearn.metrics import (
    auc,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    roc_auc_score,
    roc_curve,
)

from dfdbench import metrics
from dfdbench.errors import DataError

# Two reals and two fakes: of the four pairs three are in order.
LABELS, SCORES = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])


def random_sets(count, seed=0):
    """Score sets of 2 to 60 labels of both classes, half of them full of ties."""
    rng = np.random.default_rng(seed)
    for n in range(count):
        labels = rng.integers(0, 2, rng.integers(2, 61))
        labels[:2] = 0, 1
        scores = rng.random(len(labels)) * 0.7 + 0.3 * labels * rng.random()
        yield labels, np.round(scores, 1) if n % 2 else scores


def test_auroc_is_the_share_of_pairs_in_order():
    assert metrics.auroc(LABELS, SCORES) == 0.75


def test_auroc_counts_ties_as_half():
    # Pairs (real, fake): .2 < .5 counts 1, .5 = .5 counts half.
    assert metrics.auroc(np.array([0, 0, 1]), np.array([0.2, 0.5, 0.5])) == 0.75


def test_auroc_equals_a_count_over_all_pairs_on_200_score_sets():
    for labels, scores in random_sets(200, seed=2):
        real, fake = scores[labels == 0][:, None], scores[labels == 1]
        pairs = (real < fake) + 0.5 * (real == fake)
        assert metrics.auroc(labels, scores) == pytest.approx(pairs.mean(), abs=1e-12)


def test_map_is_the_mean_of_the_ap_of_both_classes():
    # Fakes have the ranks 1 and 3: (1/1 + 2/3) / 2. Reals from below: ranks 1 and 3, the same.
    assert metrics.average_precision(LABELS, SCORES) == pytest.approx(5 / 6)
    assert metrics.average_precision(LABELS, SCORES, positive=0) == pytest.approx(5 / 6)
    # One fake below three reals: AP(fake) 1/4; reals from below: ranks 2, 3, 4.
    labels, scores = np.array([1, 0, 0, 0]), np.array([0.1, 0.2, 0.3, 0.4])
    real = (1 / 2 + 2 / 3 + 3 / 4) / 3
    assert metrics.mean_average_precision(labels, scores) == pytest.approx((real + 1 / 4) / 2)


def test_eer_is_where_the_roc_crosses_the_falling_diagonal():
    # The ROC goes (0, .5), (.5, .5), (.5, 1): at x = .5 both errors are one half.
    assert metrics.eer(LABELS, SCORES) == 0.5
    # All scores equal: the ROC is the diagonal.
    assert metrics.eer(np.array([0, 1, 1]), np.full(3, 0.3)) == pytest.approx(0.5)
    assert metrics.eer(np.array([0, 1]), np.array([0.2, 0.7])) == 0.0


def test_tpr_at_fpr_takes_the_best_threshold_that_keeps_the_false_alarms():
    # 100 reals at .00 to .99; fakes at .995, .985, .97: above them 0, 1 and 2 or more reals.
    labels = np.repeat([0, 1], [100, 3])
    scores = np.concatenate([np.arange(100) / 100, [0.995, 0.985, 0.965]])
    assert metrics.tpr_at_fpr(labels, scores, 0.001) == pytest.approx(1 / 3)
    assert metrics.tpr_at_fpr(labels, scores, 0.01) == pytest.approx(2 / 3)
    assert metrics.tpr_at_fpr(labels, scores, 0.05) == 1.0


def test_accuracies_call_a_score_at_the_threshold_fake():
    labels, scores = np.array([0, 0, 0, 1]), np.array([0.1, 0.5, 0.2, 0.5])
    assert metrics.accuracy(labels, scores, 0.5) == 0.75
    assert metrics.balanced_accuracy(labels, scores, 0.5) == pytest.approx((2 / 3 + 1) / 2)


def test_brier_is_the_mean_squared_distance_to_the_label():
    assert metrics.brier(np.array([0, 1]), np.array([0.2, 0.6])) == pytest.approx(0.1)


def test_auroc_ap_and_eer_equal_scikit_learn_on_1000_score_sets_with_ties():
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for labels, scores in random_sets(1000):
            ap = average_precision_score(labels, scores)
            fpr, tpr, _ = roc_curve(labels, scores)
            root = brentq(_gap, 0.0, 1.0, args=(fpr, tpr))
            assert metrics.auroc(labels, scores) == pytest.approx(auc(fpr, tpr), abs=1e-12)
            assert metrics.average_precision(labels, scores) == pytest.approx(ap, abs=1e-12)
            assert metrics.eer(labels, scores) == pytest.approx(root, abs=1e-9)


def test_the_other_metrics_equal_independent_ones_on_60_score_sets():
    for labels, scores in random_sets(60, seed=3):
        found = metrics.measure(labels, scores, 0.5)
        assert found["auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        ap = [average_precision_score(labels == n, scores * (2 * n - 1)) for n in (1, 0)]
        assert found["map"] == pytest.approx(np.mean(ap), abs=1e-12)
        balanced = balanced_accuracy_score(labels, scores >= 0.5)
        assert found["balanced_acc"] == pytest.approx(balanced, abs=1e-12)
        assert found["brier"] == pytest.approx(brier_score_loss(labels, scores), abs=1e-12)
        assert found["acc"] == pytest.approx(np.mean((scores >= 0.5) == labels), abs=1e-12)
        fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
        for x in (0.001, 0.01, 0.05):
            assert found[f"tpr_at_fpr_{x}"] == pytest.approx(tpr[fpr <= x].max(), abs=1e-12)


def _gap(x, fpr, tpr):
    return 1.0 - x - np.interp(x, fpr, tpr)


def test_measure_gives_every_metric_in_the_stated_order():
    assert tuple(metrics.measure(LABELS, SCORES, 0.5)) == metrics.METRICS


def test_metrics_refuse_one_class():
    with pytest.raises(ValueError, match="undefined: only fake labels"):
        metrics.auroc(np.array([1, 1]), np.array([0.1, 0.2]))


def test_a_video_score_is_the_mean_of_its_frames():
    videos = metrics.video_scores(["b", "a", "b"], [1, 0, 1], [0.2, 0.1, 0.6])
    assert videos.video_id.tolist() == ["a", "b"]
    assert videos.label.tolist() == [0, 1]
    assert videos.p_fake.tolist() == pytest.approx([0.1, 0.4])
    assert videos.index.tolist() == [1, 0, 1]


def test_frames_without_a_score_are_left_out_and_counted():
    nan = float("nan")
    videos = metrics.video_scores(["a", "a", "b", "c"], [0, 0, 1, 1], [0.2, nan, nan, 0.5])
    assert videos.p_fake[[0, 2]].tolist() == [0.2, 0.5]
    assert np.isnan(videos.p_fake[1])
    assert (videos.unscored, videos.frames_unscored) == (1, 2)


def test_a_video_with_both_labels_is_named():
    with pytest.raises(DataError, match="1 of 2 videos have frames of both labels, such as 'b'"):
        metrics.video_scores(["a", "b", "b"], [0, 0, 1], [0.1, 0.2, 0.3])


@pytest.mark.parametrize("score", [-0.1, 1.5, float("inf")])
def test_a_score_that_is_no_probability_is_refused(score):
    with pytest.raises(DataError, match=r"1 of 2 scores are no probabilities.*of frame 1"):
        metrics.video_scores(["a", "b"], [0, 1], [0.1, score])


def test_a_label_that_is_neither_0_nor_1_is_refused():
    with pytest.raises(DataError, match="of frame 1 is neither 0 nor 1"):
        metrics.video_scores(["a", "b"], [0, 2], [0.1, 0.2])


def test_the_threshold_of_separated_scores_lies_half_way():
    found = metrics.eer_threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9]))
    assert found == pytest.approx(0.4)


def test_the_threshold_balances_false_alarms_and_misses():
    # At .38: one of three reals above, one of three fakes below.
    labels, scores = np.array([0, 0, 0, 1, 1, 1]), np.array([0.1, 0.2, 0.5, 0.3, 0.46, 0.9])
    found = metrics.eer_threshold(labels, scores)
    assert found == pytest.approx(0.38)
    assert metrics.balanced_accuracy(labels, scores, found) == pytest.approx(2 / 3)


def test_the_threshold_is_the_best_balance_on_100_score_sets():
    for labels, scores in random_sets(100, seed=1):
        found = metrics.eer_threshold(labels, scores)
        fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
        called = scores >= found
        gap = abs(called[labels == 0].mean() - (~called)[labels == 1].mean())
        assert gap == pytest.approx(np.abs(1 - tpr - fpr).min(), abs=1e-12)


def test_no_threshold_comes_from_one_class():
    assert metrics.eer_threshold(np.array([0, 1]), np.array([0.1, np.nan])) is None


def test_a_threshold_between_neighbouring_floats_still_separates():
    low = 0.5
    high = float(np.nextafter(low, 1))
    found = metrics.eer_threshold(np.array([0, 1]), np.array([low, high]))
    assert found == high


def frames_of(videos, frames, seed=0):
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(videos) % 2, frames)
    video = np.repeat([f"v{n:05d}" for n in range(videos)], frames)
    own = np.repeat(rng.normal(size=videos), frames)
    p = 1 / (1 + np.exp(-(own + label + rng.normal(size=len(label)))))
    return video, label, p


def test_evaluate_gives_both_levels_counts_and_intervals_as_json():
    video, label, p = frames_of(40, 4)
    p[:5] = np.nan  # the whole first video (real) and a frame of the second
    found = metrics.evaluate(video, label, p, threshold=0.6, seed=1, resamples=50)
    videos = metrics.video_scores(video, label, p)
    kept = ~np.isnan(videos.p_fake)
    assert found["video"]["auroc"] == metrics.auroc(videos.label[kept], videos.p_fake[kept])
    assert found["frame"]["auroc"] == metrics.auroc(label[5:], p[5:])
    assert found["videos"] == {"real": 20, "fake": 20, "unscored": 1}
    assert found["frames"] == {"real": 80, "fake": 80, "unscored": 5}
    assert (found["threshold"], found["threshold_from"]) == (0.6, "validation EER")
    assert found["undefined"] == ""
    low, high = found["interval"]["frame"]["auroc"]
    assert 0 < low < found["frame"]["auroc"] < high < 1
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_evaluate_is_the_same_for_the_same_seed():
    frames = frames_of(30, 2)
    first, second = (metrics.evaluate(*frames, seed=5, resamples=40) for _ in range(2))
    assert first == second != metrics.evaluate(*frames, seed=6, resamples=40)


def test_without_validation_the_threshold_is_one_half_and_said_so():
    found = metrics.evaluate(*frames_of(10, 1), resamples=0)
    assert (found["threshold"], found["threshold_from"]) == (0.5, "0.5, no validation")
    assert found["interval"]["video"] == dict.fromkeys(metrics.METRICS)


@pytest.mark.parametrize(("label", "name"), [(0, "real"), (1, "fake")])
def test_one_class_is_undefined_and_not_a_number(label, name):
    found = metrics.evaluate(["a", "b", "c"], [label] * 3, [0.1, 0.2, 0.3], resamples=10)
    assert found["undefined"] == f"only {name} videos"
    assert set(found["video"].values()) == set(found["frame"].values()) == {None}
    assert found["interval"]["video"] == dict.fromkeys(metrics.METRICS)


def test_a_class_without_scores_is_undefined_too():
    found = metrics.evaluate(["a", "b"], [0, 1], [0.1, np.nan], resamples=10)
    assert found["undefined"] == "only real videos"
    found = metrics.evaluate(["a", "b"], [0, 1], [np.nan, np.nan], resamples=10)
    assert found["undefined"] == "no videos with a score"
