"""Agreement with reference runs: the statistic computed by hand, invariances, and the outcome of a page."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nrc_core.claims import agreement
from nrc_core.claims.agreement import FEWEST, LIMIT, NORMAL, PRIOR_FREEDOM, Setting
from nrc_core.claims.quantities import (
    COLUMNS,
    PLAIN,
    SCALES,
    SHARE,
    crossing,
    distance_to_one,
    logarithm,
    quantities,
    setting,
)
from nrc_core.claims.references import seeds_of
from nrc_core.config.regression import RunConfig
from nrc_core.config.trained_features import TrainedFeaturesConfig
from nrc_core.results.store import RunResult
from nrc_core.workflow.profiles import read_profile
from tests.fakes import network, results

ROOT = Path(__file__).parent.parent


def table(*values: float, kind: str = "normalised margin", floor: float = 0.0) -> pd.DataFrame:
    return pd.DataFrame([(kind, f"site {i}", value, floor) for i, value in enumerate(values)], columns=COLUMNS)


def normal(seed: int, n: int, q: int, *, shift: float = 0.0) -> list[pd.DataFrame]:
    generator = np.random.default_rng(seed)
    return [table(*(shift + generator.standard_normal(q))) for _ in range(n)]


def number_of(references: Setting, run: pd.DataFrame) -> float:
    """The distance of a run to the nearest reference."""
    return float(references.distances(run).min(skipna=False))


def test_the_unit_is_the_median_difference_of_two_references_moderated_by_its_kind():
    # Differences of pairs of (0, 1, 2, 6): 1, 2, 6, 1, 5, 4, median 3; of ten times these: median 30.
    references = Setting.of({seed: table(x, 10 * x) for seed, x in enumerate((0.0, 1.0, 2.0, 6.0))})
    own = np.array([3.0, 30.0]) / NORMAL
    prior = np.median(own**2)
    expected = np.sqrt((PRIOR_FREEDOM * prior + 3 * own**2) / (PRIOR_FREEDOM + 3))
    assert references.spread.to_numpy() == pytest.approx(expected, rel=1e-12)


def test_the_constant_of_the_median_difference_is_that_of_the_normal_distribution():
    assert math.sqrt(2) * stats.norm.ppf(0.75) == pytest.approx(NORMAL, rel=1e-11)


def test_the_number_is_the_distance_to_the_nearest_reference():
    references = Setting.of({seed: table(x) for seed, x in enumerate((0.0, 1.0, 2.0, 6.0))})
    number = number_of(references, table(5.0))
    assert number == pytest.approx(1 / (math.sqrt(2) * references.spread.iloc[0]))
    assert references.compare(table(5.0))["z"].iloc[0] == pytest.approx(-number)
    assert number_of(references, table(6.0)) == 0


def test_two_seeds_are_about_one_apart():
    """The root mean square of 200 independent quantities has a standard error of 1 / sqrt(400) = 0.05."""
    references = Setting.of(dict(enumerate(normal(0, 30, 200))))
    each = [references.distances(run)[3] for run in normal(1, 20, 200)]
    assert np.mean(each) == pytest.approx(1, abs=0.1)


def test_units_and_order_do_not_matter():
    runs, rerun = normal(0, 5, 8), normal(9, 1, 8)[0]
    plain = number_of(Setting.of(dict(enumerate(runs))), rerun)
    scaled = [run.assign(value=7 * run["value"] - 3) for run in [*runs, rerun]]
    assert number_of(Setting.of(dict(enumerate(scaled[:-1]))), scaled[-1]) == pytest.approx(plain, rel=1e-9)
    shuffled = Setting.of(dict(enumerate(run.sample(frac=1, random_state=1) for run in reversed(runs))))
    assert number_of(shuffled, rerun.sample(frac=1, random_state=2)) == pytest.approx(plain, rel=1e-12)


def test_a_shift_is_seen_and_one_odd_reference_does_not_hide_it():
    runs = normal(0, 5, 30)
    odd = [*runs[:4], table(*([50.0] * 30))]
    far = normal(1, 1, 30, shift=8)[0]
    assert number_of(Setting.of(dict(enumerate(runs))), normal(2, 1, 30)[0]) < LIMIT
    assert number_of(Setting.of(dict(enumerate(odd))), far) > LIMIT
    assert number_of(Setting.of(dict(enumerate(odd))), table(*([50.5] * 30))) < LIMIT  # like the odd one


def test_spreads_below_the_floor_say_nothing():
    references = Setting.of({seed: table(1.0, floor=0.5) for seed in range(4)})
    assert number_of(references, table(1.5, floor=0.5)) == pytest.approx(1 / math.sqrt(2))


def test_what_references_have_and_a_run_lacks_is_told():
    references = Setting.of({seed: table(float(seed), 1.0) for seed in range(4)})
    assert math.isnan(number_of(references, table(1.0)))
    found = references.compare(table(1.0))
    assert found.loc[found["value"].isna(), "place"].tolist() == ["site 1"]


def test_a_quantity_that_not_every_reference_has_is_left_out():
    runs = {seed: table(float(seed), 1.0) for seed in range(3)} | {3: table(3.0)}
    assert list(Setting.of(runs).values.index.get_level_values(1)) == ["site 0"]


def test_too_few_references_are_refused():
    with pytest.raises(ValueError, match=f"at least {FEWEST} references: got 3"):
        Setting.of(dict(enumerate(normal(0, 3, 2))))


def test_the_interval_reaches_beyond_the_references():
    references = Setting.of({seed: table(x, kind="NRC3") for seed, x in enumerate((0.9, 0.92, 0.91, 0.93))})
    row = references.compare(table(0.8988, kind="NRC3")).iloc[0]
    assert row["low"] < 0.9 < 0.93 < row["high"] < 1
    assert row["value"] == 0.8988


@pytest.mark.parametrize("scale", [logarithm(1e-12), distance_to_one(1e-12), SHARE, PLAIN])
def test_scales_go_there_and_back(scale):
    values = np.array([1e-6, 0.2, 0.5, 0.999])
    assert [scale.backward(x) for x in scale.forward(values)] == pytest.approx(values, rel=1e-9)


def test_the_binomial_spread_of_a_share_is_the_same_everywhere():
    """On the scale of shares the spread is 1 / (2 sqrt(n)), whatever the share (delta method)."""
    generator = np.random.default_rng(0)
    for share in (0.1, 0.3, 0.5):
        drawn = generator.binomial(1000, share, 4000) / 1000
        assert SCALES["wrong answers, share"].forward(drawn).std() == pytest.approx(0.5 / math.sqrt(1000), rel=0.05)


@pytest.mark.parametrize(
    ("values", "expected"), [([0.01, 0.01], 1.0), ([1.0, 1.0], 200.0), ([1.0, 0.01], 10.0), ([0.01, 1.0], 200.0)]
)
def test_noise_falls_below_the_limit_for_good(values, expected):
    assert crossing(pd.Series([1, 100]), pd.Series(values), 0.1) == pytest.approx(expected)


def config(**changes):
    from nrc_core import RunConfig

    return RunConfig(**{"dataset": "swimmer", "epochs": 1000, "learning_rate": 0.1, "weight_decay": 1e-3} | changes)


def test_a_setting_is_all_but_the_seed_and_when_it_is_measured_counts():
    assert setting(config(seed=1)) == setting(config(seed=2))
    assert setting(config(width=64)) != setting(config())
    assert setting(config(measure_epochs=(10,))) != setting(config())


def test_seeds_that_draw_classes_and_rows_too_have_a_setting_in_common():
    """Of the pages on unseen classes, geometric complexity, wrong labels and deeper networks."""
    for page in read_profile(ROOT / "book" / "profiles" / "quick.yml").pages:
        if page.name in ("unseen_classes", "geometric_complexity", "corrupted_labels", "deeper_resnets"):
            first, second = ([setting(one) for one in seeds_of(page, [seed])] for seed in (0, 3))
            assert first == second, page.name
            assert len(set(first)) == len(first), page.name


def test_other_numbers_of_drawn_classes_are_other_settings():
    two, three = (TrainedFeaturesConfig(dataset="mnist", sources=some) for some in ((0, 1), (0, 1, 2)))
    assert setting(two) != setting(three)
    assert setting(two) == setting(TrainedFeaturesConfig(dataset="mnist", sources=(7, 3), seed=4))
    rows = RunConfig("hopper", 10, 0.1, 0.0, dataset_options={"seed": 1})
    assert setting(rows) != setting(RunConfig("hopper", 10, 0.1, 0.0))  # there the seed of the split is a choice


def test_the_quantities_of_a_network_are_those_of_its_sites_and_errors():
    made = results(network(sites=3, train=0.01, test=0.02, nrc3=[0.5, 0.6, 0.7]))
    measured = made.measurements.drop(columns=["key", "seed"])
    found = quantities(RunResult("0", {"measurements": measured}, {}), config()).set_index(["kind", "place"])["value"]
    assert found["NRC3"].to_dict() == {"site 0": 0.5, "site 1": 0.6, "site 2": 0.7}
    assert list(found["NRC1"].index) == ["site 1", "site 2"]  # at the raw input NRC1 depends on the data only
    assert found["error, share of variance"].to_dict() == {"train": 0.01, "test": 0.02}
    assert "output" in found["NRC2"].index
    assert "output" not in found["NRC3"].index


def test_the_limit_lies_where_the_text_says():
    assert agreement.LIMIT > 1  # farther than two seeds usually are from each other
