"""Checks of the accuracy of pre-trained classifiers in a downstream task."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.claims.checks.classification import NAMES, named
from nrc_core.claims.checks.constructed import Rows, case
from nrc_core.claims.checks.observation import CHECKS, Check, Evidence, Items, Limits, Observation, Value, check
from nrc_core.claims.checks.subjects import each_row, kept
from nrc_core.results.results import Results
from nrc_core.sections.transfer.pooled import Pooled
from nrc_core.sections.transfer.tables import (
    EQUALLY_LONG,
    SAME,
    by_checkpoint,
    checkpoints,
    equally_long,
    factors,
    slopes,
)

LACK = "checkpoints that differ in collapse, or seeds enough for a narrow interval"


def by_interval(checked: Check) -> Check:
    """Make all seeds of a group decide together, by the 95 % interval of their mean.

    Seeds scatter more than the effects that are looked for, so a count of seeds that meet the claim says little. The
    claim holds in a group if the interval lies above 0 and the mean reaches the limit, which is the paper's effect; it
    fails if the interval lies below the limit, see `nrc_core.sections.transfer.pooled.Pooled`. A group whose interval
    does neither says nothing. If no group decides, the observation is unsure, and says what so many seeds could show
    and how many it takes.

    Args:
        checked: a check of `@check` that gives one value for each seed of a group.
    """

    @wraps(checked)
    def decided(evidence: Evidence, limits: Limits, **arguments: Any) -> Observation:
        seen = checked(evidence, limits, **arguments)
        seen = replace(seen, quantity=f"{seen.quantity} (the interval of the mean over the seeds of a group decides)")
        pooled = {name: Pooled(tuple(own["value"])) for name, own in seen.rows.groupby("group", sort=False)}
        shown = {name: one.shows(seen.limit) for name, one in pooled.items()}
        rows = seen.rows.assign(holds=[shown[name] is True for name in seen.rows["group"]])
        sure = np.array([shown[name] is not None for name in rows["group"]], dtype=bool)
        if sure.any() or rows.empty:
            return replace(seen, rows=rows[sure], silences=Counter(seen.silences) + Counter(rows.loc[~sure, "group"]))
        said = [part for name, one in pooled.items() for part in (f"{name}: {one.in_words()}", one.power(seen.limit))]
        return replace(seen, rows=rows, unsure=f"no interval decides: {'; '.join(filter(None, said))}")

    CHECKS[checked.__name__] = decided
    return decided


@kept
def _tables(results: Results) -> Iterator[pd.DataFrame]:
    """Yield the table `by_checkpoint` of a page with fine-tuned networks.

    Transfer runs are left out if their pre-training is missing, or if every learning rate diverged.
    """
    runs = results.runs
    transfer = runs["task"] == "transfer"
    if transfer.any():
        tuned = results.downstream[results.downstream["kind"] == "fine-tuning"].dropna(subset="validation_error")
        good = runs["pretraining_key"].isin(runs["key"]) & runs["key"].isin(tuned["key"])
        if (transfer & good).any():
            yield by_checkpoint(replace(results, runs=runs[~transfer | good]))


def _slopes(results: Results, means: str = "final", chosen_on: str = "validation") -> Items:
    """Yield for every pre-training the slope of its checkpoints' accuracy on their collapse."""
    for table in _tables(results):
        found = slopes(checkpoints(table), SAME, means=means, chosen_on=chosen_on)
        yield from each_row(found, group=lambda row: f"{named(row)}, {row['rows']:,} rows")


def _in_points(means: str = "final", chosen_on: str = "validation") -> str:
    around = {"final": "the final class means", "moment": "the class means of the moment"}[means]
    return (
        f"points of test accuracy that are lost where the train variance around {around} halves, by the slope over the "
        f"checkpoints of each seed, with the learning rate chosen on {chosen_on} rows"
    )


@by_interval
@check(
    limit="transfer_effect_least", over=_slopes, at_least=True, reads="downstream", needs=LACK, quantity=_in_points
)  # fmt: skip
def collapse_hurts_transfer(row: dict[str, Any]) -> Value:
    """Points of fine-tuned test accuracy that are lost where the train variance halves, over checkpoints."""
    return row["slope"]


def _control_slopes(results: Results) -> Items:
    """Yield for every seed the slope over networks that were pre-trained equally long with other options."""
    for table in _tables(results):
        found = slopes(equally_long(table), EQUALLY_LONG, means="moment")
        yield from each_row(
            found, group=lambda row: f"{row['dataset']}, {NAMES[row['architecture']]}, {row['rows']:,} rows"
        )


@by_interval
@check(limit="transfer_effect_least", over=_control_slopes, at_least=True, reads="downstream", needs=LACK)
def equal_time_control(row: dict[str, Any]) -> Value:
    """Points of test accuracy that are lost where the train variance halves, after equally long pre-training.

    The networks were pre-trained equally long, and their collapse differs by weight decay or label smoothing.

    The train variance uses the class means of the moment, because a network that is trained further has its final class
    means at a later time.
    """
    return row["slope"]


def _each_checkpoint(results: Results) -> Items:
    for table in _tables(results):
        yield from each_row(
            checkpoints(table), group=lambda row: f"{named(row)}, {row['rows']:,} rows, iteration {row['start']:,}"
        )


@by_interval
@check(limit="probe_gap_least", over=_each_checkpoint, at_least=True, reads="downstream", needs=LACK)
def probing_is_worse(row: dict[str, Any]) -> Value:
    """Points by which fine-tuning beats the linear probe.

    The value is fine-tuned test accuracy minus the test accuracy of a linear probe, for each checkpoint. Both are
    chosen on validation rows.
    """
    return 100 * (row["by_validation"] - row["probe"])


def _factors(results: Results, control: bool = False) -> Items:
    """Yield for every seed by which factor the train variances differ, over checkpoints or at an equal age."""
    for table in _tables(results):
        rows, by, means = (
            (equally_long(table), EQUALLY_LONG, "moment") if control else (checkpoints(table), SAME, "final")
        )
        yield from each_row(factors(rows, by, means=means), group=lambda row: f"{row['rows']:,} rows")


@check(limit="checkpoint_factor_least", over=_factors, at_least=True, reads="downstream", needs=LACK)
def collapse_that_is_compared(row: dict[str, Any]) -> Value:
    """Largest train variance over the least, among the networks of a seed that are compared.

    The networks are the checkpoints of one pre-training, by the final class means. With `control` they are
    pre-trainings of equal length, by the class means of the moment.
    """
    return row["factor"]


@case(limit=0.2)
def superclass_cap() -> Rows:
    """Best accuracy on ten classes.

    The features are one of two points. The value is the accuracy of the best map from these points to classes.
    """
    from nrc_core.metrics.classes import weak_test_variance

    labels = np.repeat(np.arange(10), 30)
    points = np.eye(2)[labels % 2]
    if weak_test_variance(points, 2) != 0:
        raise ArithmeticError("two points have weak variance")
    best = max(
        np.mean(np.where(points[:, 0] == 1, first, second) == labels) for first in range(10) for second in range(10)
    )
    return [{"group": "two points", "seed": -1, "value": float(best)}]
