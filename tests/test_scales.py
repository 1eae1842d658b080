"""Measures that do not depend on the scale are right for features of which squares overflow or vanish."""

import math

import numpy as np
import pytest
import torch

import nrc_core
from nrc_core.metrics.scales import directions, scale_of

SEED = 0
EXACT = 1e-10
FACTORS = [1e150, 1e-150, 1e160, 1e-170, 1e300, 1e-300]

generator = np.random.default_rng(SEED)
Y = np.repeat(np.arange(4), [6, 9, 5, 8])
H = 3 * generator.standard_normal((4, 6))[Y] + generator.standard_normal((28, 6)) + 2
W, OTHER = generator.standard_normal((4, 6)), generator.standard_normal((5, 6)) + 1
TEST = H + generator.standard_normal(H.shape)
MEANS = 3 * generator.standard_normal((4, 6))

# Each is a measure of features, or of a weight, times a factor.
MEASURES = {
    "means_simplex_distance": lambda c: nrc_core.means_simplex_distance(c * H, Y),
    "weight_simplex_distance": lambda c: nrc_core.weight_simplex_distance(c * W),
    "duality_simplex_distance": lambda c: nrc_core.duality_simplex_distance(c * H, Y, W),
    "duality_simplex_distance, weight": lambda c: nrc_core.duality_simplex_distance(c * H, Y, c * W),
    "nc5": lambda c: nrc_core.nc5(c * H, Y, OTHER),
    "nc5, other": lambda c: nrc_core.nc5(H, Y, c * OTHER),
    "hyperspherical_uniformity": lambda c: nrc_core.hyperspherical_uniformity(c * H, Y),
    "few_shot_accuracy": lambda c: nrc_core.few_shot_accuracy(c * TEST, Y, ways=3, shots=2, episodes=9, seed=SEED),
    "class_distance_bound": lambda c: nrc_core.class_distance_bound(c * H, Y, c * TEST, Y).to_numpy(),
    "train_variance": lambda c: nrc_core.train_variance(c * H, Y),
    "train_variance, given means": lambda c: nrc_core.train_variance(c * H, Y, class_means=c * MEANS),
    "weak_test_variance": lambda c: nrc_core.weak_test_variance(c * H, 4, restarts=2),
    "weak_test_variance, given centres": lambda c: nrc_core.weak_test_variance(c * H, 4, centers=c * MEANS),
    "nc1": lambda c: nrc_core.nc1(c * H, Y),
    "nc2": lambda c: nrc_core.nc2(c * H, Y),
    "nc3": lambda c: nrc_core.nc3(c * H, Y, W),
    "nc3, weight": lambda c: nrc_core.nc3(H, Y, c * W),
    "nc4": lambda c: nrc_core.nc4(c * TEST, Y, np.roll(Y, 2)),
    "class_distance_normalized_variance": lambda c: nrc_core.class_distance_normalized_variance(c * H, Y),
    "normalised_margins": lambda c: nrc_core.normalised_margins(c * H, Y, W, c * np.arange(4.0)).numpy(),
    "normalised_margins, weight": lambda c: nrc_core.normalised_margins(H, Y, c * W, c * np.arange(4.0)).numpy(),
}


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", MEASURES)
def test_a_factor_of_any_size_changes_nothing(name, factor):
    expected = np.array(MEASURES[name](1.0))
    assert np.isfinite(expected).all() and np.abs(expected).max() > 0
    assert np.allclose(MEASURES[name](factor), expected, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("factor", FACTORS)
def test_classes_apart_are_told_apart_at_any_scale(factor):
    h = factor * (np.repeat(np.eye(3), 4, axis=0) + 0.01 * np.random.default_rng(SEED).standard_normal((12, 3)))
    found = nrc_core.few_shot_accuracy(h, np.repeat(np.arange(3), 4), ways=3, shots=1, episodes=5, seed=SEED)
    assert found == 1.0


@pytest.mark.parametrize("factor", FACTORS)
def test_centres_are_found_at_the_scale_of_the_features(factor):
    from nrc_core.metrics.classes import k_means

    centres, expected = (k_means(one * H, 4, restarts=1)[0] for one in (factor, 1.0))
    torch.testing.assert_close(centres / factor, expected, rtol=EXACT, atol=EXACT)


def test_a_scale_is_a_power_of_two_between_the_largest_entry_and_its_half():
    for largest in (5e-324, 1e-310, 0.7, 1.0, 3.0, 1e308, 1.7976931348623157e308):
        scale = scale_of(torch.tensor([[0.0, -largest]], dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64))
        assert math.frexp(scale)[0] == 0.5 and 1 <= largest / scale < 2


def test_directions_have_length_one_and_that_of_zero_is_none():
    rows = torch.tensor([[3e-320, 4e-320], [3e200, -4e200], [0.0, 0.0]], dtype=torch.float64)
    found = directions(rows)
    expected = torch.tensor([[0.6, 0.8], [0.6, -0.8]], dtype=torch.float64)
    torch.testing.assert_close(found[:2], expected, rtol=1e-3, atol=0)  # the first row has three digits only
    assert found[2].isnan().all()
