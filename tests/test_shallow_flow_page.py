"""The section on two-layer ReLU networks: flows in the store, their tables, figures, words and checks."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch

from nrc_core import Store, run
from nrc_core.claims.checks import CHECKS
from nrc_core.config.shallow_flow import DigitsFlowConfig, ShallowFlowConfig
from nrc_core.data.dataset import Dataset
from nrc_core.errors import ConfigError
from nrc_core.results.obtaining import Obtaining
from nrc_core.results.store import read_configuration
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.shallow_flow import figures, tables
from nrc_core.sections.shallow_flow.experiment import shallow_flow

SMALL = {"kinds": ["random"]}
STEPS = 1500
# Scales come close to the formula like one over the logarithm of the loss, and so few steps end at larger losses.
LIMITS = thresholds() | {"scale_error_most": 0.03}


def pictures() -> Dataset:
    """Pictures of three alike digits, of which one picture is an outlier."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 6)
    base = generator.integers(0, 200, (3, 1, 7, 7))
    x = base[labels] + generator.integers(0, 56, (18, 1, 7, 7))
    x[0] = x[6]
    y = torch.from_numpy(np.eye(3, dtype=np.float32)[labels])
    images = torch.from_numpy(x.astype(np.uint8))
    return Dataset("mnist", images, y, images[:1], y[:1], {"identity": "made", "n_train": 18})


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Flows with three and four classes, their controls, and made pictures in place of MNIST."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Obtaining, "load", lambda *_: pictures())
        patch.setattr("nrc_core.results.obtaining._identity", lambda config: "made")
        patch.setattr("nrc_core.results.runs.is_prepared", lambda config: False)
        configs = shallow_flow([3, 4], starts=2, iterations=STEPS, rows_per_digit=6)
        return run(configs, store=Store(tmp_path_factory.mktemp("store")))


def checked(name, results, **arguments):
    return CHECKS[name]({"page": results}, LIMITS, **arguments).rows


def changed(found, quantity: str, value: float, **fields):
    """The same results with one value of a quantity in the first start of the runs with these fields."""
    keys = found.where(**fields).runs["key"]
    descent = found.descent.copy()
    chosen = (descent["quantity"] == quantity) & descent["key"].isin(keys) & (descent["start"] == 0)
    assert chosen.any()
    descent.loc[chosen, "value"] = value
    return dataclasses.replace(found, descent=descent)


def test_the_experiment_has_starts_controls_and_digits():
    configs = shallow_flow([3, 2], starts=1)
    assert len(configs) == 2 + 1 + 2 + 1
    assert [config.initial for config in configs].count("leaning") == 1
    assert isinstance(configs[-1], DigitsFlowConfig)
    assert [config.spread for config in configs[:-1]].count(5.0) == 1
    assert {type(read_configuration(one.as_dict())) for one in configs} == {ShallowFlowConfig, DigitsFlowConfig}
    assert [read_configuration(one.as_dict()) for one in configs] == configs


def test_every_flow_has_its_kind(found):
    kinds = tables.ends(found).groupby(["group", "kind"]).size()
    assert kinds.to_dict() == {
        ("3 classes", "covered"): 2, ("3 classes", "large"): 2, ("3 classes", "overlapping"): 2,
        ("3 classes", "random"): 2, ("4 classes", "covered"): 2, ("4 classes", "random"): 2,
        ("digits 0, 1, 2", "digits"): 2,
    }  # fmt: skip
    two = tables._label({"classes": 2, "init_scale": 1e-3, "spread": 0.9, "initial": "random"})
    assert two["kind"] == "covered"


def test_measurements_are_in_the_order_of_time(found):
    for _, rows in tables.flows(found).groupby(["key", "seed"]):
        assert rows["place"].tolist() == list(range(len(rows)))
        assert rows["iteration"].is_monotonic_increasing


def test_the_first_measurement_at_a_loss_is_below_it(found):
    table = tables.flows(found).query("kind == 'random'")
    at = tables.first_at(table, 1e-4)
    assert len(at) == 4
    assert (at["log_loss"] <= math.log(1e-4)).all()
    assert (at["log_loss"] > math.log(1e-4) - 1).all()
    pd.testing.assert_frame_equal(
        tables.first_at(table, 1e-300).reset_index(drop=True),
        table.groupby(["key", "seed"], sort=False).tail(1).reset_index(drop=True),
    )


@pytest.mark.parametrize(("to_margin", "expected"), [([0.8, 1.0], 2.0), ([0.8, 0.85], math.inf), ([0.95, 1.0], 1.0)])
def test_the_turn_is_where_two_lines_cross(found, to_margin, expected):
    """Cosines of 0.9 with the averages at losses of e^-1 and e^-3; the turn is at e^-2, never, or at the first."""
    (key,) = found.where(initial="random", classes=4).runs["key"]
    names = {"log_loss": [-1.0, -3.0], "to_average": [0.9, 0.9], "to_margin": to_margin}
    rows = [
        {"key": key, "start": 0, "quantity": name, "index": place, "value": value}
        for name in tables.BY_TIME
        for place, value in enumerate(names.get(name, [0.0, 0.0]))
    ]
    turns = tables.turning_points(dataclasses.replace(found.among([key]), descent=pd.DataFrame(rows)))
    assert turns["digits_of_loss"].tolist() == pytest.approx([expected / math.log(10)])


def test_the_checks_hold_for_these_flows(found):
    for name, arguments in (
        ("classes_orthogonally_separable", {}),
        ("features_on_orthogonal_rays", {"kinds": ["covered"]}),
        ("features_on_orthogonal_rays", SMALL),
        ("features_off_rays", {"kinds": ["overlapping"]}),
        ("scales_by_formula", {}),
        ("last_weight_by_formula", {}),
        ("large_start_keeps_away", {}),
        ("neurons_nearer_to_averages", {}),
        ("classes_not_separable", {"kinds": ["digits"]}),
        ("lengths_meet_condition", {}),
    ):
        rows = checked(name, found, **arguments)
        assert len(rows) >= 2
        assert rows["holds"].all(), name


@pytest.mark.parametrize(
    ("check", "quantity", "value", "arguments"),
    [
        ("classes_orthogonally_separable", "same_class", -0.1, SMALL),
        ("classes_orthogonally_separable", "other_class", 0.1, SMALL),
        ("lengths_meet_condition", "length_ratio", 9.0, SMALL),
        ("features_on_orthogonal_rays", "within", 0.999, SMALL),
        ("features_on_orthogonal_rays", "between", 0.01, SMALL),
        ("scales_by_formula", "scale", 0.3, SMALL),
        ("last_weight_by_formula", "duality", 0.02, SMALL),
        ("neurons_nearer_to_averages", "to_average", 0.1, SMALL),
    ],
)
def test_each_check_fails_where_a_flow_is_elsewhere(found, check, quantity, value, arguments):
    other = changed(found, quantity, value, classes=4, initial="random")
    rows = checked(check, other, **arguments)
    assert rows[rows["group"] == "4 classes"].set_index("seed")["holds"].to_dict() == {0: False, 1: True}
    assert rows.loc[rows["group"] == "3 classes", "holds"].all()


def test_the_checks_of_controls_fail_where_nothing_differs(found):
    alike = changed(found, "duality", 1e-4, init_scale=5.0)
    assert checked("large_start_keeps_away", alike)["holds"].tolist() == [False, True]
    unlit = changed(found, "unlit", 1.0, spread=5.0)
    assert checked("features_off_rays", unlit, kinds=["overlapping"])["seed"].tolist() == [1]
    on_rays = changed(found, "within", 1.0, spread=5.0)
    assert checked("features_off_rays", on_rays, kinds=["overlapping"])["holds"].tolist() == [False, True]
    apart = changed(changed(found, "other_class", -0.1, task="shallow ReLU flow on digits"), "same_class", 0.1,
                    task="shallow ReLU flow on digits")  # fmt: skip
    assert checked("classes_not_separable", apart, kinds=["digits"])["holds"].tolist() == [False, True]


@pytest.mark.parametrize(("margin", "holds"), [(1.0, True), (0.1, False)])
def test_neurons_turn_in_the_end(found, margin, holds):
    turned = changed(found, "to_margin", margin, classes=4, initial="random")
    rows = checked("neurons_nearer_to_margins", turned, **SMALL)
    assert rows[(rows["group"] == "4 classes") & (rows["seed"] == 0)]["holds"].tolist() == [holds]


@pytest.mark.parametrize(("quantity", "value"), [("within_mean", 0.5), ("between", 0.5)])
def test_features_that_stay_do_not_come_closer(found, quantity, value):
    digits = {"task": "shallow ReLU flow on digits"}
    rows = checked("features_come_closer", found, kinds=["digits"])
    first = tables.flows(found).query("kind == 'digits' and place == 0").set_index("seed")
    last = tables.ends(found).query("kind == 'digits'").set_index("seed")
    gain = np.minimum(last["within_mean"] - first["within_mean"], first["between"] - last["between"])
    np.testing.assert_allclose(rows["value"], gain)
    assert not checked("features_come_closer", changed(found, quantity, value, **digits), kinds=["digits"])["holds"][0]


def test_the_mean_cosine_counts_samples_without_a_neuron_as_on_the_ray(found):
    digits = {"task": "shallow ReLU flow on digits"}
    close = changed(found, "within_mean", 0.99, **digits)
    rows = checked("mean_features_off_rays", changed(close, "unlit", 0.0, **digits), kinds=["digits"])
    assert (rows["value"][0], rows["holds"][0]) == (pytest.approx(0.99), True)
    rows = checked("mean_features_off_rays", changed(close, "unlit", 1.0, **digits), kinds=["digits"])
    assert (rows["value"][0], rows["holds"][0]) == (pytest.approx(0.99 + 2 / 18), False)


def test_samples_that_are_never_learnt_are_counted_by_the_loss(found):
    """Eighteen pictures: with k of them at log 3 and all others at zero, the mean loss is k log 3 / 18."""
    digits = {"task": "shallow ReLU flow on digits"}
    for count, expected in ((0.001, 0.0), (1.0, 1.0), (2.003, 2.0), (1.5, math.nan)):
        log_loss = math.log(count * math.log(3) / 18)
        other = changed(changed(found, "log_loss", log_loss, **digits), "unlit", 0.0, **digits)
        own = tables.ends(other).query("kind == 'digits'")
        assert own["samples"].tolist() == [18, 18]
        assert own["never_learnt"].iloc[0] == pytest.approx(expected, nan_ok=True)
        others = int((own["never_learnt"].iloc[1:] > 0).sum())
        words = tables.words(other)
        if expected > 0:
            assert f"{1 + others} of 2 flows stop at the loss of" in words
        elif not others:
            assert "never learnt" not in words


def test_four_classes_have_a_condition_and_three_have_none(found):
    rows = checked("lengths_meet_condition", found)
    assert set(rows["group"]) == {"4 classes"}
    row = tables.ends(found).query("group == '4 classes' and kind == 'random' and seed == 0").iloc[0]
    by_hand = row["length_ratio"] ** 2 * abs(row["opposite_class"]) / row["same_class"] ** 2 / 2
    assert rows["value"].iloc[0] == pytest.approx(by_hand)


def test_words_and_figures_tell_what_the_tables_have(found):
    small = tables.flows(found).query("kind in ['covered', 'random']")
    at = tables.first_at(small, tables.REALISTIC)
    nearer = (at["to_average"] > at["to_margin"]).sum()
    words = tables.words(found)
    assert f"in {nearer} of 8 flows.**" in words
    off = tables.ends(found).query("kind == 'large'")["duality"]
    assert f"From a large start, the last weight is off by {off.min():.2g}" in words
    assert "large start: " in figures.geometry_by_time(found).alt
    assert "4 classes: nearer to the max-margin direction from a loss of" in figures.directions_by_loss(found).alt


def test_words_say_which_flows_do_not_come_so_far(found):
    assert "do not come so far" not in tables.words(found)
    short = changed(found, "log_loss", -5.0, classes=4, initial="random")
    words = tables.words(short)
    assert "At a loss of 1e-10 (or at the end, for 1 of 8 flows that do not come so far)" in words
    assert tables.power(33.2) == "1e-33"
    assert tables.power(0.301) == "0.5"


def test_the_slider_shows_the_same_steps_of_both_panels(found):
    slider = figures.neurons_by_time(found)
    synthetic, digits = tables.in_plane(found), tables.in_plane(found, digits=True)
    both = set(synthetic["iteration"]) & set(digits["iteration"])
    assert {float(step) for step in slider.pictures} <= both
    assert next(iter(slider.pictures)) == "0"
    assert len(synthetic[synthetic["place"] == 0]) == 24
    assert (np.hypot(synthetic["first"], synthetic["second"]) <= 1 + 1e-9).all()


def test_a_figure_has_losses_that_no_number_has():
    assert figures._scientific(-1000.0) == "1e-434"
    assert figures._scientific(math.log(0.25)) == "0.25"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": []}, "classes must be one or more different values"),
        ({"digits": [1, 1]}, "digits must be one or more different values"),
        ({"spread": 1.0}, "spread must be below 1 and overlap at least 1: got 1.0 and 5.0"),
        ({"large_start": 0.5}, "init_scale must be below 1 and large_start at least 1: got 0.001 and 0.5"),
        ({"rows_per_digit": 0}, "rows_per_digit must be at least 1: got 0"),
        ({"classes": [2]}, "spread must be below 2 for 2 classes: got 5.0"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        shallow_flow(**given)
