"""Checks of statements about classes that training never saw."""

from collections.abc import Sequence

import pandas as pd

from nrc_core.claims.checks.observation import Items, Value, check
from nrc_core.claims.checks.subjects import each_row, parts
from nrc_core.results.results import Results
from nrc_core.sections.unseen_classes.tables import EQUAL_ROWS, EQUAL_TOTAL, means, networks, pairs


def _equal_rows(results: Results) -> pd.DataFrame:
    """The networks with equal rows per class."""
    if results.descent.empty:
        return pd.DataFrame(columns=["comparison"])
    table = networks(results)
    return table[table["comparison"] == EQUAL_ROWS]


def _seeds(results: Results) -> Items:
    """Yield the networks with equal rows per class of each seed, by the number of source classes."""
    if not (table := _equal_rows(results)).empty:
        yield from parts(table, "seed", group=lambda row: row["comparison"], order="classes")


def _with(results: Results, classes: Sequence[int]) -> Items:
    """Yield every network with equal rows per class that has one of some numbers of source classes."""
    if not (table := _equal_rows(results)).empty:
        chosen = table[table["classes"].isin(classes)]
        yield from each_row(chosen, group=lambda row: f"{row['classes']} source classes")


def _steps(results: Results) -> Items:
    """Yield the means over the seeds for each number of source classes and for the next one."""
    if results.descent.empty:
        return
    table = means(results)
    for few, many in zip(table.index[:-1], table.index[1:], strict=True):
        yield {"group": f"{few} to {many} source classes", "seed": 0}, table.loc[few], table.loc[many]


def _both_comparisons(results: Results, fewest: int) -> Items:
    """Yield the means over the seeds with equal rows per class and with equal totals, if these are different rows."""
    if results.descent.empty:
        return
    same, total = means(results), means(results, EQUAL_TOTAL)
    for count in total.index:
        if count >= fewest and count in same.index and same["rows"][count] != total["rows"][count]:
            yield {"group": f"{count} source classes", "seed": 0}, same.loc[count], total.loc[count]


def _bounded(results: Results) -> Items:
    """Yield the pairs of source classes of every network."""
    if not results.descent.empty:
        table = pairs(results)
        yield from parts(table, group=lambda row: f"{row['classes']} source classes")


@check(limit="unseen_variance_factor", over=_seeds, at_least=True, reads="descent")
def unseen_variance_falls(rows: pd.DataFrame) -> Value:
    """V_f of unseen classes with the fewest source classes, over that with the most, as means over pairs."""
    return _fall(rows["v_target"])


@check(limit="unseen_variance_factor", over=_seeds, at_least=True, reads="descent")
def unseen_median_falls(rows: pd.DataFrame) -> Value:
    """V_f of unseen classes with the fewest source classes, over that with the most, as medians over pairs."""
    return _fall(rows["v_target_median"])


@check(limit="few_shot_difference_least", over=_steps, at_least=True, reads="descent")
def few_shot_rises(few: pd.Series, many: pd.Series) -> Value:
    """Rise of the mean few-shot accuracy to the next number of source classes."""
    return many["few_shot"] - few["few_shot"]


@check(limit="totals_difference_most", over=_both_comparisons, reads="descent")
def totals_do_not_matter(same: pd.Series, total: pd.Series) -> Value:
    """Difference of the mean V_f of unseen classes between equal rows per class and equal rows in all."""
    return abs(same["v_target"] - total["v_target"])


@check(limit=0.0, over=_seeds, at_least=True, strict=True, reads="descent")
def sources_collapse_less(rows: pd.DataFrame) -> Value:
    """Least rise of V_f of the source classes' training rows to the next number of source classes."""
    return rows["v_train"].diff().min()


@check(limit=1.0, over=_bounded, reads="descent")
def pairs_within_bound(rows: pd.DataFrame) -> Value:
    """Largest V_f of the test rows of a pair of source classes, over its bound."""
    return (rows["test"] / rows["bound"]).max()


@check(limit=0.0, over=_with, strict=True, reads="descent")
def training_hurts(row: dict) -> Value:
    """Few-shot accuracy of the trained network, minus that of the untrained one."""
    return row["few_shot"] - row["untrained_few_shot"]


@check(limit="few_shot_difference_least", over=_with, reads="descent")
def training_no_better_than(row: dict, than: str) -> Value:
    """Few-shot accuracy of the trained network, minus that without training ({than})."""
    return row["few_shot"] - row[f"{than}_few_shot"]


def _fall(values: pd.Series) -> float:
    return float(values.iloc[0] / values.iloc[-1])
