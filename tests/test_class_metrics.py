"""Measures of neural collapse: a plain reference, cases by hand, and invariances."""

import math

import numpy as np
import pytest
import torch

from nrc_core.metrics import classes as cm
from nrc_core.metrics.class_moments import ClassMoments
from nrc_core.metrics.moments import Moments

SEED = 0
EXACT = 1e-10


def features(n: int = 300, width: int = 12, classes: int = 5, seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """Random features far from zero, in classes of unequal size."""
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), generator.choice(classes, n - classes, p=np.arange(1, 6) / 15)])
    return 100 + generator.standard_normal((n, width)) + labels[:, None], labels


def plain_variance(h: np.ndarray, y: np.ndarray, means: np.ndarray) -> float:
    """The formula of Hui et al., section 3.1, sample by sample."""
    within = np.mean([np.sum((row - means[label]) ** 2) for row, label in zip(h, y, strict=True)])
    centre = np.mean(means, axis=0)
    return within / np.mean([np.sum((mean - centre) ** 2) for mean in means])


def plain_means(h: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.array([h[y == label].mean(0) for label in range(y.max() + 1)])


@pytest.mark.parametrize("seed", range(3))
def test_train_and_strong_variance_are_the_papers_formula(seed):
    h, y = features(seed=seed)
    assert abs(cm.train_variance(h, y) / plain_variance(h, y, plain_means(h, y)) - 1) < EXACT
    later = plain_means(*features(seed=seed + 10))
    for measure in (cm.train_variance, cm.strong_test_variance):
        assert abs(measure(h, y, class_means=later) / plain_variance(h, y, later) - 1) < EXACT


@pytest.mark.parametrize("seed", range(3))
def test_weak_variance_is_the_papers_formula(seed):
    h, _ = features(seed=seed)
    centres = plain_means(*features(seed=seed + 10))
    nearest = np.mean([min(np.sum((row - centre) ** 2) for centre in centres) for row in h])
    between = np.mean([np.sum((centre - centres.mean(0)) ** 2) for centre in centres])
    assert abs(cm.weak_test_variance(h, 5, centers=centres) / (nearest / between) - 1) < EXACT


def test_variances_of_single_precision_features_are_computed_in_double():
    h, y = features()
    single = h.astype(np.float32)
    assert (
        abs(
            cm.train_variance(single, y) / plain_variance(single.astype(float), y, plain_means(single.astype(float), y))
            - 1
        )
        < EXACT
    )


def test_weak_is_at_most_strong_by_the_same_centres():
    h, y = features()
    means = plain_means(h, y)
    assert cm.weak_test_variance(h, 5, centers=means) <= cm.strong_test_variance(h, y, class_means=means)


def test_k_means_takes_the_best_of_its_restarts():
    h, _ = features()
    centres, ratios = cm.k_means(h, 5, restarts=6)
    assert len(ratios) == 6
    inertia = cm.nearest(torch.from_numpy(h), centres)[1].sum()
    for seed in range(6):
        alone = cm.k_means(h, 5, restarts=1, seed=seed)[0]
        assert inertia <= cm.nearest(torch.from_numpy(h), alone)[1].sum() * (1 + 1e-9)


def test_one_hot_decisions_collapse_weakly_whatever_their_errors():
    """Hui et al., section 2.1: h'(x) = e_f(x) has no weak variance, and strong variance iff f errs."""
    generator = np.random.default_rng(SEED)
    labels = np.arange(400) % 4
    for error in (0.0, 0.3):
        wrong = generator.random(400) < error
        decisions = np.where(wrong, (labels + 1) % 4, labels)
        reembedded = np.eye(4)[decisions]
        assert cm.weak_test_variance(reembedded, 4) == 0.0
        assert (cm.strong_test_variance(reembedded, labels) > 0) == wrong.any()


def test_two_collapsed_superclasses_cap_accuracy_at_two_tenths():
    """Section 4.1: from features that are one of two points, a classifier can identify at most 2 of 10 classes."""
    labels = np.repeat(np.arange(10), 30)
    points = np.array([[1.0, 0.0], [0.0, 1.0]])
    collapsed = points[labels % 2]
    assert cm.weak_test_variance(collapsed, 2) == 0.0
    # A classifier of features is a map from the two points to classes: try all of them.
    best = max(
        np.mean(np.where(collapsed[:, 0] == 1, first, second) == labels) for first in range(10) for second in range(10)
    )
    assert best == 2 / 10


def test_collapsed_and_random_at_once():
    """Section 2.1: features of training samples can collapse on random labels."""
    labels = np.random.default_rng(SEED).integers(0, 3, 100)
    assert cm.train_variance(np.eye(3)[labels], labels) == 0.0


def test_variances_do_not_see_rotation_scale_and_shift():
    h, y = features()
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))[0]
    moved = 3 * h @ rotation + 7
    for measure in (cm.train_variance, cm.nc1, cm.class_distance_normalized_variance):
        assert measure(moved, y) == pytest.approx(measure(h, y), rel=1e-9)
    assert cm.nc2(moved, y) == pytest.approx(cm.nc2(h, y), rel=1e-7)


def test_nc1_is_the_trace_with_the_pseudo_inverse():
    h, y = features()
    means = plain_means(h, y)
    within = np.mean(
        [np.outer(row - means[label], row - means[label]) for row, label in zip(h, y, strict=True)], axis=0
    )
    between = np.cov(means.T, bias=True)
    expected = np.trace(within @ np.linalg.pinv(between, rcond=1e-10)) / 5
    assert cm.nc1(h, y) == pytest.approx(expected, rel=1e-9)


def simplex(classes: int, per_class: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """A simplex of class means with the same spread in every class."""
    labels = np.repeat(np.arange(classes), per_class)
    around = np.tile(np.repeat(np.array([[1.0], [-1.0]]), per_class // 2, axis=0), (classes, 1))
    return np.hstack([np.eye(classes)[labels] * math.sqrt(2), noise * around]), labels


def test_v_f_and_the_variance_ratio_of_a_simplex():
    """Means at equal distances and equal variances: mean V_f = (K - 1) / (2 K) times the variance ratio."""
    for classes in (2, 3, 10):
        h, y = simplex(classes, 8, 0.7)
        expected = (classes - 1) / (2 * classes) * cm.train_variance(h, y)
        assert cm.class_distance_normalized_variance(h, y) == pytest.approx(expected, rel=1e-12)


def test_a_collapsed_simplex_has_all_four_conditions():
    h, y = simplex(4, 6, 0.0)
    means = plain_means(h, y)
    weight = 5 * (means - means.mean(0))
    assert cm.nc1(h, y) == pytest.approx(0, abs=1e-15)
    assert cm.nc2(h, y) == pytest.approx((0, 0), abs=1e-12)
    assert cm.nc3(h, y, weight) == pytest.approx(0, abs=1e-12)
    assert cm.nc3(h, y, -weight) == pytest.approx(4)
    assert cm.nc4(h, y, y) == 0
    assert cm.nc4(h, y, (y + 1) % 4) == 1


def test_nc2_of_means_on_a_line():
    norms, angles = cm.nc2(np.array([[0.0], [1.0], [5.0]]), np.arange(3))
    assert norms == pytest.approx(np.std([2, 1, 3]) / 2)
    assert angles == pytest.approx(np.mean([abs(1 + 0.5), abs(-1 + 0.5), abs(-1 + 0.5)]))


def test_margins_by_hand_and_their_scale():
    logits, labels = np.array([[5.0, 2.0, 1.0], [0.0, 4.0, 3.0]]), np.array([0, 2])
    assert cm.margins(logits, labels).tolist() == [3.0, -1.0]
    generator = np.random.default_rng(SEED)
    h, w, b = generator.standard_normal((20, 6)), generator.standard_normal((3, 6)), generator.standard_normal(3)
    y = generator.integers(0, 3, 20)
    plain = cm.normalised_margins(h, y, w, b)
    torch.testing.assert_close(cm.normalised_margins(2 * h, y, 7 * w, 14 * b), plain)
    assert (torch.sign(plain) == torch.sign(cm.margins(h @ w.T + b, y))).all()


def test_batches_and_merging_give_the_moments_of_the_whole():
    h, y = (torch.from_numpy(part) for part in features())
    whole = ClassMoments.of(h, y, 5)
    batches, shard = ClassMoments(12, 5), ClassMoments(12, 5)
    for start in range(0, 200, 37):
        batches.update(h[start : min(start + 37, 200)], y[start : min(start + 37, 200)])
    shard.update(h[200:], y[200:])
    batches.merge(shard)
    for name in ("counts", "means", "spreads", "within"):
        torch.testing.assert_close(getattr(batches, name), getattr(whole, name), rtol=1e-10, atol=1e-8)
    assert whole.n == 300
    with pytest.raises(ValueError, match="same classes and width"):
        whole.merge(ClassMoments(12, 4))


def test_class_moments_hold_the_moments_with_one_hot_targets():
    h, y = (torch.from_numpy(part) for part in features())
    expected = Moments.of(h, torch.nn.functional.one_hot(y).double())
    found = ClassMoments.of(h, y, 5).with_one_hot_targets()
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.scatter, expected.scatter, rtol=1e-10, atol=1e-8)
    assert found.n == expected.n


def test_equal_features_have_no_spread_at_all():
    h, y = torch.full((9, 3), 0.1), torch.arange(9) % 3
    moments = ClassMoments.of(h, y, 3)
    assert moments.spreads.tolist() == [0.0] * 3
    assert math.isnan(cm.variance_ratio(moments))
    assert all(math.isnan(value) for value in cm.frame(moments))
    assert math.isnan(cm.variability(moments))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h, y: cm.train_variance(h, y[:-1]), "whole numbers from 0"),
        (lambda h, y: cm.train_variance(h, y.astype(float)), "whole numbers from 0"),
        (lambda h, y: cm.train_variance(h, y - 1), "whole numbers from 0"),
        (lambda h, y: cm.nc1(h, np.where(y == 1, 2, y)), "labels must be the numbers from 0 to 4, each with"),
        (lambda h, y: cm.train_variance(h, y, class_means=np.zeros((5, 3))), r"shape \(5, 12\)"),
        (
            lambda h, y: cm.train_variance(h, y, class_means=np.zeros((4, 12))),
            "numbers from 0 to 3, each with",
        ),
        (lambda h, y: cm.nc3(h, y, np.zeros((5, 3))), r"shape \(5, 12\)"),
        (lambda h, y: cm.weak_test_variance(h, 5, centers=np.zeros((4, 12))), r"shape \(5, 12\)"),
        (lambda h, y: cm.weak_test_variance(h, 301), "between 1 and the 300 samples"),
        (lambda h, y: cm.train_variance(h * math.nan, y), "must be finite"),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call(*features())
