"""Checks of statements about gradient flow on two-layer ReLU networks, from small and large starts."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import pandas as pd

from nrc_core.claims.checks.observation import Found, Items, Limits, Value, check
from nrc_core.claims.checks.subjects import each_row, parts
from nrc_core.results.results import Results
from nrc_core.sections.shallow_flow.tables import COLLAPSED, REALISTIC, ends, first_at, flows

GROUP = itemgetter("group")
SMALL = ("covered", "random")  # flows from small starts, on classes for which assumption 1 is wanted
Row = dict[str, Any]


def _ends(results: Results, kinds: Sequence[str] = SMALL) -> Items:
    """Yield the end of every flow of some kinds."""
    table = ends(results)
    yield from each_row(table[table["kind"].isin(kinds)], GROUP)


def _collapsed(results: Results, kinds: Sequence[str] = SMALL) -> Items:
    """Yield the first measurement of every flow at the small loss, or its last one."""
    yield from _at(results, kinds, COLLAPSED)


def _realistic(results: Results, kinds: Sequence[str] = SMALL) -> Items:
    """Yield the first measurement of every flow at the realistic loss, or its last one."""
    yield from _at(results, kinds, REALISTIC)


def _at(results: Results, kinds: Sequence[str], loss: float) -> Items:
    table = flows(results)
    yield from each_row(first_at(table[table["kind"].isin(kinds)], loss), GROUP)


def _through(results: Results, kinds: Sequence[str] = SMALL) -> Items:
    """Yield all measurements of every flow, in the order of time."""
    table = flows(results)
    chosen = table[table["kind"].isin(kinds)]
    yield from parts(chosen, ["key", "seed"], group=GROUP, order="place")


def _with_large_start(results: Results) -> Items:
    """Yield the ends of flows from a large and from a small random start on the same data."""
    table = ends(results)
    keys = set(results.runs.loc[results.runs["initial"] == "random", "key"])
    table = table[table["key"].isin(keys) & table["kind"].isin([*SMALL, "large"])]
    for (group, seed), rows in table.groupby(["group", "seed"], sort=False):
        if "large" in set(rows["kind"]):
            yield {"group": group, "seed": seed}, rows


@check(limit=0.0, over=_ends, at_least=True, strict=True, reads="descent")
def classes_orthogonally_separable(row: Row) -> Value:
    """The smaller of the smallest cosine in a class and minus the largest cosine between classes."""
    return min(row["same_class"], -row["other_class"])


@check(limit=0.0, over=_ends, at_least=True, strict=True, reads="descent")
def classes_not_separable(row: Row) -> Value:
    """The larger of the largest cosine between classes and minus the smallest cosine in a class."""
    return max(row["other_class"], -row["same_class"])


@check(limit=1.0, over=_ends, strict=True, reads="descent", needs="more than three classes")
def lengths_meet_condition(row: Row) -> Value | None:
    """Squared ratio of lengths, times mu_d over mu_s squared, over 2 / (K - 3)."""
    if row["classes"] <= 3:
        return None
    # The largest size of a cosine stands for mu_d, so that the condition holds for any reading of it.
    ratio = row["length_ratio"] ** 2 * -row["opposite_class"] / row["same_class"] ** 2
    return ratio * (row["classes"] - 3) / 2


@check(limit="ray_cosine_least", over=_collapsed, at_least=True, reads="descent")
def features_on_orthogonal_rays(row: Row, limits: Limits) -> Found:
    """Smallest cosine of features in a class at a loss of 1e-10, or at the end (class means must be orthogonal)."""
    return row["within"], row["between"] <= limits["orthogonal_cosine_most"]


@check(
    limit="ray_cosine_least", over=_ends, strict=True, reads="descent", needs="a neuron that is active for each sample"
)
def features_off_rays(row: Row) -> Value | None:
    """Smallest cosine of features in a class at the end."""
    return None if row["unlit"] else row["within"]  # without an active neuron, features have no direction


@check(limit="ray_cosine_least", over=_ends, strict=True, reads="descent")
def mean_features_off_rays(row: Row) -> Value:
    """Mean cosine of features in a class at the end, with 1 for the pairs of samples that activate no neuron."""
    return row["within_mean"] + 2 * row["unlit"] / row["samples"]


@check(limit="scale_error_most", over=_ends, reads="descent")
def scales_by_formula(row: Row) -> Value:
    """Largest relative error of the scales of the classes."""
    return row["scale_error"]


@check(limit="duality_error_most", over=_ends, reads="descent")
def last_weight_by_formula(row: Row) -> Value:
    """Distance of the last weight from the formula, over its length."""
    return row["duality"]


@check(limit="duality_factor_least", over=_with_large_start, at_least=True, reads="descent")
def large_start_keeps_away(rows: pd.DataFrame) -> Value:
    """Distance of the last weight from the formula, from a large start over that from a small start."""
    large = rows["kind"] == "large"
    return rows.loc[large, "duality"].min() / rows.loc[~large, "duality"].max()


@check(limit=0.0, over=_realistic, at_least=True, strict=True, reads="descent")
def neurons_nearer_to_averages(row: Row) -> Value:
    """Cosine of neurons with the class averages less that with max-margin directions, at a loss of 1e-4 or the end.

    Flows that do not come so far are seen at their end.
    """
    return row["to_average"] - row["to_margin"]


@check(limit=0.0, over=_ends, at_least=True, strict=True, reads="descent")
def neurons_nearer_to_margins(row: Row) -> Value:
    """Cosine of neurons with the max-margin directions minus that with the class averages, at the end."""
    return row["to_margin"] - row["to_average"]


@check(limit=0.0, over=_through, at_least=True, strict=True, reads="descent")
def features_come_closer(rows: pd.DataFrame) -> Value:
    """The smaller of the rise of the mean cosine in a class and the fall of that of class means, start to end."""
    first, last = rows.iloc[0], rows.iloc[-1]
    return min(last["within_mean"] - first["within_mean"], first["between"] - last["between"])
