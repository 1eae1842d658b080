"""The bound on the class-distance normalised variance: by hand, against plain NumPy, and on random samples."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nrc_core import class_distance_bound, class_distance_normalized_variance

SEED = 0
EXACT = 1e-9


def sample(generator: np.random.Generator, classes: int, width: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Random features in classes of random sizes, some of a single sample."""
    labels = np.repeat(np.arange(classes), generator.integers(1, most, classes))
    return generator.standard_normal((len(labels), width)) * generator.choice([0.1, 1, 10]), labels


def plain(h: np.ndarray, y: np.ndarray, other_h: np.ndarray, other_y: np.ndarray, pair: tuple[int, int]) -> dict:
    """The terms from their definitions, row by row."""
    mean = {k: h[y == k].mean(0) for k in pair}
    other = {k: other_h[other_y == k].mean(0) for k in pair}

    def around(rows: np.ndarray, centre: np.ndarray) -> float:
        return float(np.mean([np.sum((row - centre) ** 2) for row in rows]))

    within = sum(around(h[y == k], mean[k]) for k in pair)
    squared = np.sum((mean[pair[0]] - mean[pair[1]]) ** 2)
    moved = sum(np.linalg.norm(other[k] - mean[k]) for k in pair)
    error = sum(abs(around(other_h[other_y == k], mean[k]) - around(h[y == k], mean[k])) for k in pair)
    grows = (1 + moved / np.linalg.norm(other[pair[0]] - other[pair[1]])) ** 2
    return {
        "train": within / (2 * squared),
        "a": grows - 1,
        "b": grows * error / (2 * squared),
        "bound": grows * within / (2 * squared) + grows * error / (2 * squared),
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_terms_are_those_of_the_definitions(seed):
    generator = np.random.default_rng(seed)
    train, test = sample(generator, 4, 3, 9), sample(generator, 4, 3, 9)
    table = class_distance_bound(*train, *test)
    assert list(table[["first", "second"]].itertuples(index=False, name=None)) == [
        (i, j) for i in range(4) for j in range(i + 1, 4)
    ]
    assert list(table.columns) == ["first", "second", "train", "test", "a", "b", "bound"]
    for row in table.itertuples():
        expected = plain(*train, *test, (row.first, row.second))
        for name, value in expected.items():
            assert abs(getattr(row, name) - value) <= EXACT * abs(value)


def test_the_mean_over_pairs_is_the_existing_measure():
    generator = np.random.default_rng(SEED)
    train, test = sample(generator, 5, 4, 9), sample(generator, 5, 4, 9)
    table = class_distance_bound(*train, *test)
    assert abs(table["train"].mean() / class_distance_normalized_variance(*train) - 1) < EXACT
    assert abs(table["test"].mean() / class_distance_normalized_variance(*test) - 1) < EXACT


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6), classes=st.integers(2, 4), width=st.integers(1, 5), most=st.sampled_from([2, 3, 8, 40])
)
def test_the_bound_always_holds(seed, classes, width, most):
    generator = np.random.default_rng(seed)
    table = class_distance_bound(*sample(generator, classes, width, most), *sample(generator, classes, width, most))
    assert not table.isna().any(axis=None)
    assert (table["bound"] >= table["test"] * (1 - EXACT)).all()
    assert (table["a"] >= 0).all() and (table["b"] >= 0).all()
    by_parts = (1 + table["a"]) * table["train"] + table["b"]
    assert np.allclose(table["bound"], by_parts, rtol=EXACT, atol=0)


def test_equal_samples_have_a_bound_without_slack():
    train = sample(np.random.default_rng(SEED), 3, 4, 9)
    table = class_distance_bound(*train, *train)
    assert table["a"].tolist() == table["b"].tolist() == [0.0, 0.0, 0.0]
    assert table["bound"].tolist() == table["train"].tolist() == table["test"].tolist()


def test_it_is_near_when_both_samples_are_large():
    generator = np.random.default_rng(SEED)
    means = 3 * np.eye(3, 4)
    labels = np.repeat(np.arange(3), 4000)
    draw = [means[labels] + generator.standard_normal((len(labels), 4)) for _ in range(2)]
    table = class_distance_bound(draw[0], labels, draw[1], labels)
    assert (table["bound"] / table["test"]).max() < 1.15


def test_it_does_not_change_with_scale_shift_and_rotation():
    generator = np.random.default_rng(SEED)
    (h, y), (other, labels) = sample(generator, 3, 4, 9), sample(generator, 3, 4, 9)
    turn = np.linalg.qr(generator.standard_normal((4, 4)))[0]
    before = class_distance_bound(h, y, other, labels)
    after = class_distance_bound(7 * h @ turn + 1, y, 7 * other @ turn + 1, labels)
    assert np.allclose(before, after, rtol=1e-8)


def test_means_that_coincide_give_infinity():
    apart, same, y = np.array([[0.0], [1.0]]), np.array([[2.0], [2.0]]), np.array([0, 1])
    (row,) = class_distance_bound(apart, y, same, y).to_dict("records")
    assert row["train"] == 0 and row["test"] == row["a"] == row["b"] == row["bound"] == math.inf
    (row,) = class_distance_bound(same, y, apart, y).to_dict("records")
    assert row["test"] == 0 and row["train"] == row["b"] == row["bound"] == math.inf and row["a"] == 15.0
    (row,) = class_distance_bound(same, y, same, y).to_dict("records")
    assert row["test"] == row["train"] == row["bound"] == math.inf


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (([[0.0]], [0]), ([[0.0]], [0]), "needs two classes: got 1"),
        (([[0.0], [1.0]], [0, 1]), ([[0.0], [1.0]], [0, 0]), "labels must be the numbers from 0 to 1, each with"),
        (([[0.0], [1.0]], [0, 1]), ([[0.0], [1.0]], [0, 2]), "labels must be the numbers from 0 to 1, each with"),
        (([[0.0], [1.0]], [0, 1]), ([[0.0, 0.0], [1.0, 0.0]], [0, 1]), "same features: got widths 1 and 2"),
        (([[0.0], [1.0]], [0, 1]), ([[0.0], [np.nan]], [0, 1]), "must be finite"),
    ],
)
def test_samples_that_do_not_fit_are_refused(train, test, message):
    arrays = [np.array(one) for one in (*train, *test)]
    with pytest.raises(ValueError, match=message):
        class_distance_bound(*arrays)
