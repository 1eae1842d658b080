"""Checks of statements about geometric complexity, on made results."""

import math

import pandas as pd
import pytest

from nrc_core.claims.checks import CHECKS
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.geometric_complexity.experiment import BASE
from tests.fakes_complexity import EACH, changed, ideal_networks, strength


@pytest.fixture(scope="module")
def ideal():
    return ideal_networks()


CASES = [
    ("falls_along", {"knobs": ["weight_decay", "penalty"], "quantity": "complexity"}, 8),
    ("falls_along", {"knobs": ["batch_size", "learning_rate"], "quantity": "v_train"}, 8),
    ("falls_with_complexity", {"knobs": ["penalty"], "quantity": "v_target"}, 4),
    ("fall_is_scale", {"knobs": ["weight_decay"]}, 4),
    ("least_complex_is_least_trained", {"knobs": ["learning_rate"]}, 4),
    ("complexity_orders_collapse", {}, 4),
    ("complexity_orders_collapse", {"measured": "training", "collapse": "training"}, 4),
    ("first_uses_more_of_the_bound", {"knobs": ["learning_rate"]}, 4),
    ("penalty_helps_few_shot", {}, 4),
    ("penalty_helps_few_shot", {"momentum": 0.9}, 4),
    ("v_of_test_rows_within_complexity", {}, 2 * EACH),
]


@pytest.mark.parametrize(("name", "arguments", "count"), CASES)
def test_the_checks_hold_for_ideal_networks(ideal, name, arguments, count):
    rows = CHECKS[name]({"page": ideal}, thresholds(), **arguments).rows
    assert len(rows) == count
    assert rows["holds"].all()


@pytest.mark.parametrize(
    ("name", "arguments", "quantity", "function"),
    [
        ("falls_along", CASES[0][1], "complexity", lambda run: 1.0),
        ("falls_along", CASES[0][1], "complexity", strength),
        ("falls_along", CASES[1][1], "v_train", strength),
        ("falls_with_complexity", CASES[2][1], "v_target", strength),
        ("falls_with_complexity", CASES[2][1], "complexity", strength),
        ("fall_is_scale", CASES[3][1], "normalised_complexity", lambda run: math.exp(-0.6 * strength(run))),
        ("least_complex_is_least_trained", CASES[4][1], "loss", lambda run: 0.01),
        ("first_uses_more_of_the_bound", {"knobs": ["learning_rate"]}, "variance", lambda run: 0.1),
        ("v_of_test_rows_within_complexity", {}, "v_test", lambda run: 1.1),
        ("complexity_orders_collapse", {}, "v_test", strength),
        ("complexity_orders_collapse", CASES[6][1], "v_train", strength),
        ("penalty_helps_few_shot", {}, "few_shot", lambda run: 0.5 + 0.19 * run["penalty"]),
        ("penalty_helps_few_shot", {"momentum": 0.9}, "few_shot", lambda run: 0.5 - run["penalty"]),
    ],
)
def test_each_check_fails_for_other_networks(ideal, name, arguments, quantity, function):
    rows = CHECKS[name]({"page": changed(ideal, **{quantity: function})}, thresholds(), **arguments).rows
    assert not rows.empty
    assert not rows["holds"].any()


def test_complexity_that_rises_comes_with_more_training_or_not(ideal):
    """The complexity rises along the learning rate; the loss falls too, or rises."""
    grown = changed(ideal, complexity=strength)
    seen = CHECKS["complexity_grows_with_training"]({"page": grown}, thresholds(), knobs=["learning_rate"])
    assert len(seen.rows) == 4
    assert not seen.rows["holds"].any()  # the loss of the ideal networks rises with the learning rate
    trained = changed(grown, loss=lambda run: 0.01 * (1 - run["learning_rate"]))
    seen = CHECKS["complexity_grows_with_training"]({"page": trained}, thresholds(), knobs=["learning_rate"])
    assert seen.rows["holds"].all()
    silent = CHECKS["complexity_grows_with_training"]({"page": ideal}, thresholds(), knobs=["learning_rate"])
    assert (len(silent.rows), silent.silent) == (0, 4)


def test_one_step_in_the_wrong_direction_is_enough(ideal):
    def bent(run) -> float:
        return math.exp(-strength(run)) * (1e9 if run["weight_decay"] == BASE["weight_decay"] else 1)

    rows = CHECKS["falls_along"](
        {"page": changed(ideal, complexity=bent)}, thresholds(), knobs=["weight_decay"], quantity="complexity"
    ).rows
    assert not rows["holds"].any()


def test_undertrained_networks_are_not_compared(ideal):
    """The one with the largest decay breaks the order, but has a large loss."""
    there = {"weight_decay": 0.01}
    broken = changed(
        ideal,
        complexity=lambda run: 50.0 if run["weight_decay"] == 0.01 else math.exp(-strength(run)),
        loss=lambda run: 0.11 if run["weight_decay"] == there["weight_decay"] else 0.01,
    )
    seen = CHECKS["falls_along"]({"page": broken}, thresholds(), knobs=["weight_decay"], quantity="complexity")
    assert seen.rows["holds"].all()
    seed = changed(
        ideal,
        complexity=lambda run: 50.0 if run["weight_decay"] == 0.01 else math.exp(-strength(run)),
        loss=lambda run: 0.11 if run["weight_decay"] == 0.01 and run["seed"] == 1 else 0.01,
    )
    seen = CHECKS["falls_along"]({"page": seed}, thresholds(), knobs=["weight_decay"], quantity="complexity")
    assert seen.rows["holds"].all()  # left out for both seeds
    alone = changed(ideal, loss=lambda run: 0.01 if run["weight_decay"] == 0.01 else 0.11)
    seen = CHECKS["falls_along"]({"page": alone}, thresholds(), knobs=["weight_decay"], quantity="complexity")
    assert seen.rows.empty
    assert seen.silences == {"Gaussian classes, weight decay": 2, "pictures, weight decay": 2}


def test_the_scale_of_complexity_is_checked(monkeypatch):
    (row,) = CHECKS["complexity_has_a_scale"]({}, thresholds()).rows.to_dict("records")
    assert row["holds"]
    wrong = pd.DataFrame({"complexity": [1.0, 90.0], "normalised_complexity": [1.0, 1.0], "v_f": [1.0, 1.0]})
    monkeypatch.setattr("nrc_core.claims.checks.geometric_complexity.scaled", lambda *_: wrong)
    (row,) = CHECKS["complexity_has_a_scale"]({}, thresholds()).rows.to_dict("records")
    assert row["value"] == pytest.approx(0.1)
    assert not row["holds"]
