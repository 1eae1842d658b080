"""Few-shot accuracy: cases by hand, every draw by brute force, and what is refused."""

from itertools import product

import numpy as np
import pytest

from nrc_core import ConfigError, few_shot_accuracy

SEED = 0


def test_classes_far_apart_are_told_apart():
    h = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 50.0], [0.0, 51.0], [50.0, 0.0], [51.0, 0.0]])
    y = np.array([7, 7, 9, 9, 12, 12])
    for ways in (2, 3):
        assert few_shot_accuracy(h, y, ways=ways, shots=1, episodes=20, seed=SEED) == 1.0


def test_equal_features_give_chance():
    y = np.repeat(np.arange(4), [3, 5, 7, 30])
    h = np.ones((len(y), 2))
    assert few_shot_accuracy(h, y, ways=4, shots=2, episodes=5, seed=SEED) == 0.25


def test_classes_count_the_same_whatever_their_size():
    # All but one sample of class 0 are shots, and this one lies on its mean. The two shots of class 1 have the mean
    # -4, 0 or 4. Class 1 is right where the sample lies on the side of its mean, away from 1.5: about one half.
    h = np.concatenate([np.full(3, 1.5), np.tile([-4.0, 4.0], 50)])[:, None]
    y = np.repeat([0, 1], [3, 100])
    found = few_shot_accuracy(h, y, ways=2, shots=2, episodes=400, seed=SEED)
    assert abs(found - 0.75) < 0.01  # as the share of all rows it would be 0.5


def test_the_mean_over_many_episodes_is_that_of_all_draws():
    # No two distances between these places are equal, so nothing is tied.
    h, y = np.array([0.0, 1.0, 7.0, 3.4, 15.3, 31.1, 2.3])[:, None], np.array([0, 0, 0, 1, 1, 1, 1])

    def accuracy(first: int, second: int) -> float:
        means, shares = (h[first, 0], h[second, 0]), []
        for label in (0, 1):
            rest = [h[row, 0] for row in np.flatnonzero(y == label) if row not in (first, second)]
            shares.append(np.mean([abs(one - means[label]) < abs(one - means[1 - label]) for one in rest]))
        return float(np.mean(shares))

    every = [accuracy(*draw) for draw in product(range(3), range(3, 7))]
    found = few_shot_accuracy(h, y, ways=2, shots=1, episodes=1000, seed=SEED)
    print(found, np.mean(every), np.std(every))
    assert abs(found - np.mean(every)) < 5 * np.std(every) / np.sqrt(1000)


def test_the_seed_decides():
    generator = np.random.default_rng(SEED)
    h, y = generator.standard_normal((60, 3)), np.arange(60) % 6
    options = {"ways": 3, "shots": 2, "episodes": 5}
    found = [few_shot_accuracy(h, y, **options, seed=seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    turn = np.linalg.qr(generator.standard_normal((3, 3)))[0]
    assert abs(few_shot_accuracy(5 * h @ turn + 1, y, **options, seed=0) - found[0]) < 1e-12


def test_support_samples_are_not_classified():
    # Each class has one sample at a place of its own; with one shot the other sample must be nearer to the wrong class.
    h, y = np.array([[0.0], [10.0], [10.0], [0.0]]), np.array([0, 0, 1, 1])
    seen = {few_shot_accuracy(h, y, ways=2, shots=1, episodes=1, seed=seed) for seed in range(20)}
    assert seen == {0.0, 0.5}  # means at 0 and 10, both others wrong; or both means at one place, a tie


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ways": 4}, "an episode of 4 classes needs as many: the labels have 3"),
        ({"shots": 4}, "every class needs more samples than the 4 shots: class 5 has 4"),
        ({"ways": 1}, "ways must be a whole number, at least 2: got 1"),
        ({"shots": 0}, "shots must be a whole number, at least 1: got 0"),
        ({"shots": True}, "shots must be a whole number"),
        ({"episodes": 0}, "episodes must be a whole number, at least 1: got 0"),
        ({"seed": -1}, "seed must be a whole number, at least 0"),
        ({"labels": np.zeros(3, dtype=int)}, "labels must be 14 whole numbers"),
        ({"labels": np.zeros(14)}, "labels must be 14 whole numbers"),
    ],
)
def test_what_cannot_be_drawn_is_refused(changed, message):
    given = {"labels": np.repeat([3, 4, 5], [5, 5, 4]), "ways": 2, "shots": 1, "episodes": 2, "seed": 0} | changed
    with pytest.raises(ConfigError, match=message):
        few_shot_accuracy(np.zeros((14, 2)), given.pop("labels"), **given)
