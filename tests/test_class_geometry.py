"""Distances from a simplex, NC5 and uniformity: by hand, against plain NumPy, and what does not change them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nrc_core import (
    duality_simplex_distance,
    hyperspherical_uniformity,
    means_simplex_distance,
    nc1,
    nc2,
    nc3,
    nc5,
    train_variance,
    weight_simplex_distance,
)

SEED = 0
EXACT = 1e-10


def simplex(classes: int) -> np.ndarray:
    """Rows of a simplex around zero, with one direction more than needed."""
    return np.eye(classes, classes + 1) - np.eye(classes, classes + 1).mean(0)


def sample(seed: int, classes: int = 4, width: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random features in classes of unequal size, their labels, and a weight."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), generator.integers(2, 9, classes))
    places = 3 * generator.standard_normal((classes, width))
    h = places[labels] + generator.standard_normal((len(labels), width)) + 2
    return h, labels, generator.standard_normal((classes, width))


def rotation(width: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(SEED).standard_normal((width, width)))[0]


def class_means(h: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.array([h[y == label].mean(0) for label in range(y.max() + 1)])


def plain_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The formula entry by entry."""
    k, total = len(a), 0.0
    gram = [[sum(x * y for x, y in zip(one, other, strict=True)) for other in b] for one in a]
    norm = math.sqrt(sum(x * x for row in gram for x in row))
    for i in range(k):
        for j in range(k):
            ideal = ((1 if i == j else 0) - 1 / k) / math.sqrt(k - 1)
            total += (gram[i][j] / norm - ideal) ** 2
    return math.sqrt(total)


@pytest.mark.parametrize("seed", range(3))
def test_distances_are_the_formulas(seed):
    h, y, w = sample(seed)
    m = class_means(h, y)
    m = m - m.mean(0)
    assert abs(means_simplex_distance(h, y) / plain_distance(m, m) - 1) < EXACT
    assert abs(weight_simplex_distance(w) / plain_distance(w, w) - 1) < EXACT
    assert abs(duality_simplex_distance(h, y, w) / plain_distance(w, m) - 1) < EXACT


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_a_turned_scaled_and_shifted_simplex_is_at_distance_zero(classes):
    rows = simplex(classes) @ rotation(classes + 1)
    y = np.arange(classes)
    assert means_simplex_distance(5 * rows + 3, y) < EXACT
    assert weight_simplex_distance(0.01 * rows) < EXACT
    assert duality_simplex_distance(5 * rows + 3, y, 0.01 * rows) < EXACT
    found = hyperspherical_uniformity(5 * rows + 3, y)
    assert abs(found.mean + 0.5 * math.log(2 * classes / (classes - 1))) < EXACT and found.deviation < EXACT


def test_distances_by_hand():
    # Three orthogonal rows: G / ||G|| is I / sqrt 3. Its product with the simplex is 2 / sqrt 6, so the squared
    # distance is 2 - 4 / sqrt 6.
    assert abs(weight_simplex_distance(np.eye(3)) - math.sqrt(2 - 4 / math.sqrt(6))) < EXACT
    # Means at -1, 0 and 1 on a line: G has the entries 1, 0, -1 around, of norm 2; its product with the simplex is
    # trace / (2 sqrt 2) = 1 / sqrt 2.
    line = np.array([[-1.0], [0.0], [1.0]])
    assert abs(means_simplex_distance(line, np.arange(3)) - math.sqrt(2 - math.sqrt(2))) < EXACT
    # The opposite weight is as far as can be; equal rows are orthogonal to the simplex.
    assert abs(duality_simplex_distance(simplex(4), np.arange(4), -simplex(4)) - 2) < EXACT
    assert abs(weight_simplex_distance(np.ones((4, 2))) - math.sqrt(2)) < EXACT


def test_a_weight_that_undoes_the_means_has_no_distance_but_is_not_dual():
    h, y, _ = sample(SEED)
    m = class_means(h, y)
    m = m - m.mean(0)
    undone = np.linalg.pinv(m).T
    assert duality_simplex_distance(h, y, undone) < EXACT
    assert nc3(h, y, undone) > 0.01 and means_simplex_distance(h, y) > 0.01 and nc2(h, y).angles > 0.01


@pytest.mark.parametrize("seed", range(3))
def test_rotations_scale_and_shifts_change_nothing(seed):
    h, y, w = sample(seed)
    other = np.random.default_rng(seed).standard_normal((5, 6)) + 1
    turn = rotation(6)
    moved = 7 * h @ turn + 4
    pairs = [
        (means_simplex_distance(moved, y), means_simplex_distance(h, y)),
        (weight_simplex_distance(7 * w @ turn), weight_simplex_distance(w)),
        (duality_simplex_distance(moved, y, 3 * w @ turn), duality_simplex_distance(h, y, w)),
        (nc5(7 * h @ turn, y, 2 * other @ turn), nc5(h, y, other)),
        *zip(hyperspherical_uniformity(moved, y), hyperspherical_uniformity(h, y), strict=True),
    ]
    assert all(abs(after - before) < EXACT for after, before in pairs)
    assert abs(nc5(h + 4, y, other + 4) - nc5(h, y, other)) > 1e-3  # a shift does change it


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 6), width=st.integers(1, 5))
def test_they_stay_in_their_ranges(seed, classes, width):
    h, y, w = sample(seed, classes, width)
    assert 0 <= means_simplex_distance(h, y) < math.sqrt(2)
    assert 0 <= weight_simplex_distance(w) <= math.sqrt(2) + EXACT
    assert 0 <= duality_simplex_distance(h, y, w) <= 2 + EXACT
    assert 0 <= nc5(h, y, w) <= 1 + EXACT
    least = -0.5 * math.log(2 * classes / (classes - 1))
    assert hyperspherical_uniformity(h, y).mean >= least - EXACT


@pytest.mark.parametrize("seed", range(3))
def test_nc5_and_uniformity_are_the_formulas(seed):
    h, y, _ = sample(seed)
    other = np.random.default_rng(seed + 10).standard_normal((8, 6)) + 1
    means, mean = class_means(h, y), other.mean(0)
    cosines = [abs(one @ mean) / math.sqrt((one @ one) * (mean @ mean)) for one in means]
    assert abs(nc5(h, y, other) / np.mean(cosines) - 1) < EXACT
    unit = means - means.mean(0)
    unit = [one / np.linalg.norm(one) for one in unit]
    inverse = [math.log(1 / np.linalg.norm(unit[i] - unit[j])) for i in range(4) for j in range(i + 1, 4)]
    found = hyperspherical_uniformity(h, y)
    assert abs(found.mean - np.mean(inverse)) < EXACT and abs(found.deviation - np.std(inverse)) < EXACT


def test_nc5_by_hand():
    h, y = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]), np.array([0, 1])
    assert nc5(h, y, np.array([[0.0, 0.0, 5.0], [0.0, 0.0, 1.0]])) == 0.0
    assert nc5(h, y, np.array([[-3.0, 0.0, 0.0]])) == 0.5
    assert abs(nc5(h, y, np.array([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]])) - 0.7) < EXACT  # (3/5 + 4/5) / 2


def test_uniformity_by_hand():
    # Four means on the axes of a plane: four distances of sqrt 2, two of 2.
    square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    found = hyperspherical_uniformity(square, np.arange(4))
    assert abs(found.mean + 2 / 3 * math.log(2)) < EXACT
    assert abs(found.deviation - math.log(2) / 2 * math.sqrt(2) / 3) < EXACT


@pytest.mark.parametrize("seed", range(3))
def test_existing_measures_are_the_quotient_of_traces_and_the_truncated_inverse(seed):
    h, y, _ = sample(seed)
    means = class_means(h, y)
    centred = means - means.mean(0)
    between, inside = centred.T @ centred / 4, (h - means[y]).T @ (h - means[y]) / len(h)
    assert abs(train_variance(h, y) / (np.trace(inside) / np.trace(between)) - 1) < EXACT
    values, vectors = np.linalg.eigh(between)
    kept = vectors[:, -3:]  # K - 1 directions
    truncated = kept @ np.diag(1 / values[-3:]) @ kept.T
    assert abs(nc1(h, y) / (np.trace(inside @ truncated) / 4) - 1) < EXACT


def test_what_is_not_defined_is_nan():
    one, y = np.array([[1.0, 2.0]]), np.array([0])
    same, labels = np.ones((2, 2)), np.array([0, 1])
    undefined = [
        means_simplex_distance(one, y),
        means_simplex_distance(same, labels),
        weight_simplex_distance(one),
        weight_simplex_distance(np.zeros((3, 2))),
        duality_simplex_distance(one, y, one),
        duality_simplex_distance(same, labels, same),
        nc5(np.zeros((1, 2)), y, one),
        nc5(one, y, np.array([[1.0, 0.0], [-1.0, 0.0]])),
        *hyperspherical_uniformity(one, y),
        *hyperspherical_uniformity(np.array([[-1.0], [0.0], [1.0]]), np.arange(3)),
    ]
    assert all(math.isnan(value) for value in undefined)
    found = hyperspherical_uniformity(np.array([[1.0], [1.0], [-2.0]]), np.arange(3))
    assert found.mean == math.inf and math.isnan(found.deviation)


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda h, y: duality_simplex_distance(h, y, np.ones((2, 3))), r"the weight must be of shape \(2, 2\)"),
        (lambda h, y: nc5(h, y, np.ones((2, 3))), "same features: got widths 2 and 3"),
        (lambda h, y: nc5(h, y, np.array([[np.nan, 1.0]])), "other_features must be finite"),
        (lambda h, y: weight_simplex_distance(np.ones(3)), "weight must be a matrix"),
        (lambda h, y: means_simplex_distance(h, 2 * y), "labels must be the numbers from 0 to 2, each with"),
        (lambda h, y: hyperspherical_uniformity(h, y[:1]), "labels must be 2 whole numbers"),
    ],
)
def test_what_does_not_fit_is_refused(measure, message):
    with pytest.raises(ValueError, match=message):
        measure(np.eye(2), np.array([0, 1]))
