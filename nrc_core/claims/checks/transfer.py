"""Checks of the accuracy of pre-trained classifiers in a downstream task."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.claims.checks.classification import FEWEST, NAMES, named, trend
from nrc_core.claims.checks.constructed import Rows, case
from nrc_core.claims.checks.observation import Items, Value, check
from nrc_core.claims.checks.subjects import each_row, kept, parts
from nrc_core.results.results import Results
from nrc_core.sections.transfer.tables import by_checkpoint

POINTS = "enough points for a rank correlation"


@kept
def _checkpoints(results: Results) -> Iterator[pd.DataFrame]:
    """Yield the table `by_checkpoint` of a page with fine-tuned networks.

    Transfer runs are left out if their pre-training is missing, or if every learning rate diverged.
    """
    runs = results.runs
    transfer = runs["task"] == "transfer"
    if transfer.any():
        tuned = results.downstream[results.downstream["kind"] == "fine-tuning"].dropna(subset="validation_error")
        good = runs["pretraining_key"].isin(runs["key"]) & runs["key"].isin(tuned["key"])
        if (transfer & good).any():
            yield by_checkpoint(dataclasses.replace(results, runs=runs[~transfer | good]))


def _pretrainings(results: Results) -> Items:
    """Yield for every pre-training its checkpoints, with the `accuracy` in the downstream task.

    Each pre-training comes twice: with learning rates chosen on validation rows, and with learning rates chosen on the
    test rows, as in the paper.
    """
    for column, rows_of in (("by_validation", "validation"), ("by_test", "test")):
        for table in _checkpoints(results):
            tuned = table[~table["control"]].assign(accuracy=table[column], rows_of=rows_of)
            yield from parts(tuned, "pretraining_key", group=_chosen_on)


def _chosen_on(row: Any) -> str:
    return f"{named(row)}, learning rate chosen on {row['rows_of']} rows"


@check(limit="transfer_trend_least", over=_pretrainings, at_least=True, reads="downstream", needs=POINTS)
def collapse_hurts_transfer(rows: pd.DataFrame) -> Value | None:
    """Rank correlation of train variance and fine-tuned test accuracy over checkpoints."""
    return trend(rows["variance"], rows["accuracy"]) if len(rows) >= FEWEST else None


def _equally_long(results: Results) -> Items:
    """Yield groups of networks that were pre-trained equally long, with different weight decay or label smoothing."""
    for table in _checkpoints(results):
        alike = table[table["start"].isin(table.loc[table["control"], "start"])]
        trained_alike = ["dataset", "architecture", "seed", "start"]
        yield from parts(alike, trained_alike, group=lambda row: f"{row['dataset']}, {NAMES[row['architecture']]}")


@check(limit="transfer_trend_least", over=_equally_long, at_least=True, reads="downstream", needs=POINTS)
def equal_time_control(rows: pd.DataFrame) -> Value | None:
    """Rank correlation of train variance and fine-tuned test accuracy after equally long pre-training.

    The networks were pre-trained equally long, and their collapse differs by weight decay or label smoothing.

    The train variance uses the current class means, because a network that is trained further has its final class means
    at a later time.
    """
    return trend(rows["variance_current"], rows["by_validation"]) if len(rows) >= FEWEST else None


def _each_checkpoint(results: Results) -> Items:
    for table in _checkpoints(results):
        yield from each_row(table[~table["control"]], group=named)


@check(limit="probe_gap_least", over=_each_checkpoint, at_least=True, strict=True, reads="downstream")
def probing_is_worse(row: dict[str, Any]) -> Value:
    """Points by which fine-tuning beats the linear probe.

    The value is fine-tuned test accuracy minus the test accuracy of a linear probe, for each checkpoint. Both are
    chosen on validation rows.
    """
    return 100 * (row["by_validation"] - row["probe"])


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
