"""Checks of statements about geometric complexity and collapse, on small trained networks."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from nrc_core.claims.checks.observation import Found, Items, Limits, Value, check
from nrc_core.claims.checks.subjects import each_row, parts, rank_correlation
from nrc_core.results.results import Results
from nrc_core.sections.geometric_complexity.scale import scaled
from nrc_core.sections.geometric_complexity.tables import KNOBS, evenly_trained, networks, with_penalty

FITTED = "two values of the setting at which all seeds have a small training loss"


def _with_constant(results: Results) -> Items:
    """Yield every network whose classes have a known Poincaré constant."""
    table = networks(results)
    yield from each_row(table[table["ratio"].notna()], group=lambda row: row["population"])


def _settings(results: Results, limits: Limits, knobs: Sequence[str]) -> Items:
    """Yield the networks along a setting at values at which all seeds are fitted, as the complexity should fall."""
    table = evenly_trained(results, limits["even_loss_most"])
    chosen = table[table["knob"].isin(knobs)]
    each = ["population", "knob", "seed"]
    yield from parts(chosen, each, group=lambda row: f"{row['population']}, {KNOBS[row['knob']][0]}", order="step")


def _penalties(results: Results, limits: Limits, momentum: float = 0.0) -> Items:
    """Yield the fitted networks without and with a penalty, in the order of the penalty."""
    table = with_penalty(results)
    table = table[(table["momentum"] == momentum) & (table["loss"] <= limits["even_loss_most"])]
    yield from parts(table, ["population", "seed"], group=lambda row: row["population"], order="penalty")


def _seeds(results: Results) -> Items:
    """Yield all networks of a seed."""
    yield from parts(networks(results), ["population", "seed"], group=lambda row: row["population"])


def _random_map() -> Items:
    """Yield the measurements of a random map, and of the same map with its last weight times ten."""
    yield {"group": "a random map", "seed": 0}, scaled(1.0, 10.0)


@check(limit=1.0, over=_with_constant, reads="descent")
def variance_within_complexity(row: dict) -> Value:
    """Largest variance of the features of a class over its Poincaré constant times its geometric complexity."""
    return row["ratio"]


@check(limit=1.0, over=_with_constant, reads="descent")
def v_of_test_rows_within_complexity(row: dict) -> Value:
    """V_f of test rows over the Poincaré constant times their normalised complexity."""
    return row["test_ratio"]


@check(limit=1.0, over=_settings, strict=True, reads="descent", needs=FITTED)
def falls_along(rows: pd.DataFrame, quantity: str) -> Value | None:
    """Largest ratio of {quantity} to that of the network before it, along the setting."""
    values = rows[quantity].to_numpy()
    return float((values[1:] / values[:-1]).max()) if len(values) > 1 else None


@check(limit=1.0, over=_settings, strict=True, reads="descent", needs=FITTED)
def falls_with_complexity(rows: pd.DataFrame, quantity: str) -> Value | None:
    """The ratio of {quantity} of the network with the least complexity to that of the one with the largest."""
    if len(rows) < 2:
        return None
    ordered = rows.sort_values("complexity")[quantity]
    return ordered.iloc[0] / ordered.iloc[-1]


@check(limit="scale_left_most", over=_settings, reads="descent", needs=FITTED)
def fall_is_scale(rows: pd.DataFrame) -> Found | None:
    """Fall of the normalised complexity over that of the complexity, which must fall, in logarithms."""
    if len(rows) < 2:
        return None
    normalised, raw = (
        math.log(rows[name].iloc[0] / rows[name].iloc[-1]) for name in ("normalised_complexity", "complexity")
    )
    return normalised / raw, raw > 0


@check(limit=1.0, over=_settings, at_least=True, strict=True, reads="descent", needs=FITTED)
def least_complex_is_least_trained(rows: pd.DataFrame) -> Value | None:
    """Training loss of the network with the least complexity, over that of the one with the largest."""
    if len(rows) < 2:
        return None
    ordered = rows.sort_values("complexity")["loss"]
    return ordered.iloc[0] / ordered.iloc[-1]


@check(limit=1.0, over=_settings, strict=True, reads="descent", needs=FITTED)
def complexity_grows_with_training(rows: pd.DataFrame) -> Value | None:
    """Largest ratio of training loss to that of the network before it, where the complexity rises along the setting."""
    loss, complexity = (rows[name].to_numpy() for name in ("loss", "complexity"))
    rises = complexity[1:] > complexity[:-1]
    return float((loss[1:] / loss[:-1])[rises].max()) if rises.any() else None


@check(limit=1.0, over=_settings, at_least=True, strict=True, reads="descent", needs=FITTED)
def first_uses_more_of_the_bound(rows: pd.DataFrame) -> Value | None:
    """Variance over complexity of the first network of a setting, over that of the last."""
    return rows["used"].iloc[0] / rows["used"].iloc[-1] if len(rows) > 1 else None


@check(limit="same_order_least", over=_seeds, at_least=True, reads="descent")
def complexity_orders_collapse(rows: pd.DataFrame, measured: str = "test", collapse: str = "test") -> Value:
    """Rank correlation of normalised complexity ({measured} rows) and V_f ({collapse} rows) over networks of a seed."""
    complexity = {"training": "normalised_complexity", "test": "normalised_complexity_test"}[measured]
    return rank_correlation(rows[complexity], rows[{"training": "v_train", "test": "v_test"}[collapse]])


@check(limit="few_shot_gain_least", over=_penalties, at_least=True, reads="descent", needs=FITTED)
def penalty_helps_few_shot(rows: pd.DataFrame) -> Value | None:
    """Few-shot accuracy with the largest penalty, less that without."""
    without = rows["penalty"].iloc[0] == 0 if len(rows) > 1 else False
    return rows["few_shot"].iloc[-1] - rows["few_shot"].iloc[0] if without else None


@check(limit="rounding_most", over=_random_map)
def complexity_has_a_scale(table: pd.DataFrame) -> Value:
    """Largest relative change of V_f, normalised complexity and complexity over 100 with ten times the last weight."""
    ratios = (table.iloc[1] / table.iloc[0])[["complexity", "normalised_complexity", "v_f"]] / [100.0, 1.0, 1.0]
    return float(np.abs(ratios - 1).max())
