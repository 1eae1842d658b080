"""Checks on what pre-trained classifiers are worth in a downstream task."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd

from nrc_core.claims.checks.classification import FAMILY, FEWEST, NAMES, named, trend
from nrc_core.claims.checks.constructed import Rows, case
from nrc_core.claims.checks.observation import Evidence, Limits, Observation, observe
from nrc_core.results.results import Results
from nrc_core.sections.transfer.tables import by_checkpoint


def collapse_hurts_transfer(evidence: Evidence, limits: Limits) -> Observation:
    """Rank correlation of train variance and fine-tuned accuracy over the checkpoints of one pre-training.

    Once with the learning rate chosen on validation rows, and once on the test rows, as in the paper.
    """
    found = []
    for column, rows_of in (("by_validation", "validation"), ("by_test", "test")):
        for table in _checkpoints(evidence):
            for _, rows in table[~table["control"]].groupby([*FAMILY, "pretraining_key"]):
                if len(rows) >= FEWEST:
                    network = named(rows.iloc[0])
                    group = f"{network['group']}, learning rate chosen on {rows_of} rows"
                    found.append(network | {"group": group, "value": trend(rows["variance"], rows[column])})
    quantity = "rank correlation of train variance and fine-tuned test accuracy over checkpoints"
    return observe(quantity, limits["transfer_trend_least"], found, at_least=True)


def equal_time_control(evidence: Evidence, limits: Limits) -> Observation:
    """The same over networks pre-trained equally long, whose collapse differs by weight decay or label smoothing.

    By the class means of the moment: those of the final time are of other moments in the network that goes on.
    """
    found = []
    for table in _checkpoints(evidence):
        stopped = table.loc[table["control"], "start"].unique()
        alike = table[table["start"].isin(stopped)]
        for (dataset, architecture, seed, _), rows in alike.groupby(["dataset", "architecture", "seed", "start"]):
            if len(rows) >= FEWEST:
                value = trend(rows["variance_current"], rows["by_validation"])
                found.append({"group": f"{dataset}, {NAMES[architecture]}", "seed": int(seed), "value": value})
    quantity = "rank correlation of train variance and fine-tuned test accuracy after equally long pre-training"
    return observe(quantity, limits["transfer_trend_least"], found, at_least=True)


def probing_is_worse(evidence: Evidence, limits: Limits) -> Observation:
    """Fine-tuned test accuracy less that of a linear probe, a checkpoint each, both chosen on validation rows."""
    found = []
    for table in _checkpoints(evidence):
        for row in table[~table["control"]].to_dict("records"):
            found.append(named(row) | {"value": 100 * (row["by_validation"] - row["probe"])})
    quantity = "points by which fine-tuning beats the linear probe"
    return observe(quantity, limits["probe_gap_least"], found, at_least=True, strict=True)


def superclass_cap(_: Evidence, __: Limits) -> Observation:
    """Best accuracy on ten classes from features that are one of two points: the best map from these to classes."""
    return observe("best accuracy on ten classes", 0.2, _best_accuracy_of_two_points())


@case
def _best_accuracy_of_two_points() -> Rows:
    from nrc_core.metrics.classes import weak_test_variance

    labels = np.repeat(np.arange(10), 30)
    points = np.eye(2)[labels % 2]
    if weak_test_variance(points, 2) != 0:
        raise ArithmeticError("two points have weak variance")
    best = max(
        np.mean(np.where(points[:, 0] == 1, first, second) == labels) for first in range(10) for second in range(10)
    )
    return [{"group": "two points", "seed": -1, "value": float(best)}]


def _checkpoints(evidence: Evidence) -> Iterator[pd.DataFrame]:
    """Of every page with fine-tuned networks, `by_checkpoint`."""
    for results in evidence.values():
        yield from results.once("checkpoints", _tuned)


def _tuned(results: Results) -> list[pd.DataFrame]:
    usable = _usable(results)
    return [by_checkpoint(usable)] if "transfer" in set(usable.runs["task"]) else []


def _usable(results: Results) -> Results:
    """Without the transfer runs whose pre-training is not there, or of which every learning rate diverged."""
    runs = results.runs
    transfer = runs["task"] == "transfer"
    if not transfer.any():
        return results
    tuned = results.downstream[results.downstream["kind"] == "fine-tuning"].dropna(subset="validation_error")
    good = runs["pretraining_key"].isin(runs["key"]) & runs["key"].isin(tuned["key"])
    return dataclasses.replace(results, runs=runs[~transfer | good])


TRANSFER = {
    function.__name__: function
    for function in (collapse_hurts_transfer, equal_time_control, probing_is_worse, superclass_cap)
}
