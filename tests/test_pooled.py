"""The pooled slope of transfer: its interval, what it decides, and its power."""

import math

import numpy as np
import pytest
from scipy import stats

from nrc_core.sections.transfer.pooled import MOST_SEEDS, Pooled, detectable, seeds_needed, slope


def test_the_interval_is_that_of_a_t_test():
    values = (0.3, 1.9, 2.2, -0.4, 1.1)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert Pooled(values).interval == pytest.approx((low, high), rel=1e-9)
    assert Pooled(values).mean == pytest.approx(np.mean(values))


def test_one_seed_has_no_interval_and_decides_nothing():
    one = Pooled((3.0,))
    assert one.interval == (-math.inf, math.inf)
    assert math.isnan(one.spread)
    assert one.shows(1.0) is None


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((2.0, 2.1, 2.2), True),
        ((1.5, 1.6, 1.7), False),  # surely above 0, and surely below 1.9
        ((-3.0, -3.1, -2.9), False),
        ((1.0, 2.0, 4.0), None),  # reaches 1.9, but may be 0
        ((0.5, 1.5, 2.5), None),
        ((1.7, 1.8, 1.9), None),  # surely above 0; does not reach 1.9, and may
    ],
)
def test_what_an_interval_decides(values, shown):
    assert Pooled(values).shows(1.9) is shown


@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_the_power_of_the_detectable_effect_by_simulation(seeds):
    """The share of simulated t tests that find the effect on its side is 0.8, within four standard errors."""
    draws, spread = 20_000, 1.5
    effect = detectable(spread, seeds)
    sample = effect + spread * np.random.default_rng(0).standard_normal((draws, seeds))
    t = sample.mean(1) / (sample.std(1, ddof=1) / math.sqrt(seeds))
    assert np.mean(t > stats.t.ppf(0.975, seeds - 1)) == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / draws))


@pytest.mark.parametrize("effect", [0.5, 1.0, 3.0])
def test_one_seed_less_than_needed_is_too_few(effect):
    seeds = seeds_needed(1.0, effect)
    assert seeds is not None
    assert detectable(1.0, seeds) <= effect < detectable(1.0, seeds - 1)


def test_an_effect_that_no_number_of_seeds_shows():
    assert seeds_needed(1.0, 0.001) is None
    assert f"needs more than {MOST_SEEDS:,} seeds" in Pooled((-1.0, 0.0, 1.0)).power(0.001)


def test_the_slope_is_per_halving_and_does_not_depend_on_the_level():
    collapse, accuracy = np.array([0.22, 0.19, 0.16, 0.14]), np.array([0.954, 0.951, 0.949, 0.942])
    by_hand = 100 * np.polyfit(np.log2(collapse), accuracy, 1)[0]
    assert slope(collapse, accuracy) == pytest.approx(by_hand)
    assert slope(7 * collapse, accuracy - 0.5) == pytest.approx(by_hand)
    assert math.isnan(slope([0.2, 0.2], [0.9, 0.8]))
