"""Checks of statements about classes that training never saw."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from nrc_core.claims.checks.observation import Items, Value, check
from nrc_core.claims.checks.subjects import each_row, parts
from nrc_core.results.results import Results
from nrc_core.sections.unseen_classes.tables import (
    COMPARISONS,
    EQUAL_ROWS,
    EQUAL_TOTAL,
    means,
    networks,
    pairs,
)

Row = dict[str, Any]


def _equal_rows(results: Results) -> pd.DataFrame:
    """The networks with equal rows per class."""
    table = networks(results)
    return table[table["comparison"] == EQUAL_ROWS]


def _seeds(results: Results, fewest: int = 2) -> Items:
    """Yield the networks with equal rows per class of each seed, by the number of source classes from `fewest` on."""
    if not (table := _equal_rows(results)).empty:
        chosen = table[table["classes"] >= fewest]
        yield from parts(chosen, "seed", group=lambda row: row["comparison"], order="classes")


def _with(results: Results, classes: Sequence[int]) -> Items:
    """Yield every network with equal rows per class that has one of some numbers of source classes."""
    if not (table := _equal_rows(results)).empty:
        chosen = table[table["classes"].isin(classes)]
        yield from each_row(chosen, group=lambda row: f"{row['classes']} source classes")


def _steps(results: Results) -> Items:
    """Yield for each seed the network with each number of source classes and that with the next one."""
    for network, rows in _seeds(results):
        ordered = rows.to_dict("records")
        for few, many in pairwise(ordered):
            yield network | {"group": f"{few['classes']} to {many['classes']} source classes"}, few, many


def _both_comparisons(results: Results, fewest: int) -> Items:
    """Yield the means over the seeds with equal rows per class and with equal totals, if these are different rows."""
    same, total = means(results), means(results, EQUAL_TOTAL)
    for count in total.index:
        if count >= fewest and count in same.index and same["rows"][count] != total["rows"][count]:
            yield {"group": f"{count} source classes", "seed": 0}, same.loc[count], total.loc[count]


def _both_of_draws(results: Results, fewest: int) -> Items:
    """As `_both_comparisons`, for each seed."""
    table = networks(results)
    for (count, seed), rows in table[table["classes"] >= fewest].groupby(["classes", "seed"]):
        own = rows.set_index("comparison")
        if own["rows"].nunique() == len(COMPARISONS):
            group = {"group": f"{count} source classes", "seed": int(seed)}
            yield group, own.loc[EQUAL_ROWS], own.loc[EQUAL_TOTAL]


def _fewer_rows(results: Results, fewest: int) -> Items:
    """As `_both_of_draws`, where equal totals leave fewer rows of each class."""
    for network, same, total in _both_of_draws(results, fewest):
        if total["rows"] < same["rows"]:
            yield network, same, total


def _bounded(results: Results) -> Items:
    """Yield the pairs of source classes of every network."""
    table = pairs(results)
    yield from parts(table, group=lambda row: f"{row['classes']} source classes")


@check(
    limit=lambda least="unseen_variance_factor": least, over=_seeds, at_least=True, reads="descent",
    quantity=lambda fewest=2: (
        f"V_f of unseen classes with the fewest source classes, from {fewest} on, over that with the most, as means "
        "over pairs"
    ),
)  # fmt: skip
def unseen_variance_falls(rows: pd.DataFrame) -> Value:
    """V_f of unseen classes with the fewest source classes, over that with the most, as means over pairs."""
    return _fall(rows["v_target"])


@check(limit="unseen_variance_factor", over=_seeds, at_least=True, reads="descent")
def unseen_median_falls(rows: pd.DataFrame) -> Value:
    """V_f of unseen classes with the fewest source classes, over that with the most, as medians over pairs."""
    return _fall(rows["v_target_median"])


@check(limit=lambda least="few_shot_difference_least": least, over=_steps, at_least=True, reads="descent")
def few_shot_rises(few: Row, many: Row) -> Value:
    """Rise of few-shot accuracy to the next number of source classes."""
    return many["few_shot"] - few["few_shot"]


@check(limit="totals_difference_most", over=_both_comparisons, reads="descent")
def totals_do_not_matter(same: pd.Series, total: pd.Series) -> Value:
    """Difference of the mean V_f of unseen classes between equal rows per class and equal rows in all."""
    return abs(same["v_target"] - total["v_target"])


@check(limit="few_shot_difference_least", over=_both_of_draws, reads="descent")
def totals_do_not_matter_for_few_shot(same: pd.Series, total: pd.Series) -> Value:
    """Difference of few-shot accuracy on unseen classes between equal rows per class and equal rows in all."""
    return abs(same["few_shot"] - total["few_shot"])


@check(limit=0.0, over=_fewer_rows, at_least=True, strict=True, reads="descent")
def fewer_rows_vary_more(same: pd.Series, total: pd.Series) -> Value:
    """V_f of the source classes' test rows with fewer training rows per class, minus that with more."""
    return total["v_test"] - same["v_test"]


@check(limit=0.0, over=_seeds, at_least=True, strict=True, reads="descent")
def sources_collapse_less(rows: pd.DataFrame) -> Value:
    """Least rise of V_f of the source classes' training rows to the next number of source classes."""
    return rows["v_train"].diff().min()


@check(limit=1.0, over=_bounded, reads="descent")
def pairs_within_bound(rows: pd.DataFrame) -> Value:
    """Largest V_f of the test rows of a pair of source classes, over its bound."""
    return (rows["test"] / rows["bound"]).max()


@check(limit=0.0, over=_with, strict=True, reads="descent")
def training_hurts(row: Row) -> Value:
    """Few-shot accuracy of the trained network, minus that of the untrained one."""
    return row["few_shot"] - row["untrained_few_shot"]


@check(limit="few_shot_difference_least", over=_with, reads="descent")
def training_no_better_than(row: Row, than: str) -> Value:
    """Few-shot accuracy of the trained network, minus that without training ({than})."""
    return row["few_shot"] - row[f"{than}_few_shot"]


def _fall(values: pd.Series) -> float:
    return float(values.iloc[0] / values.iloc[-1])
