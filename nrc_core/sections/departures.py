"""The size of a classification network in the paper, and whether that of a page is smaller."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from nrc_core.config.classification import ClassifierConfig
from nrc_core.sections.experiments import EXPERIMENTS

# From data set and architecture to the parameters at which an experiment has the paper's size; of other experiments the
# papers state none. Rows of each class in the pre-training: Hui et al., section 4.2.
PAPER: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "test_vs_train_collapse": lambda dataset, architecture: {"datasets": [dataset], "architectures": [architecture]},
    "train_size": lambda dataset, architecture: {"dataset": dataset, "architecture": architecture},
    "cascading_collapse": lambda dataset, _: {"dataset": dataset},
    "transfer": lambda dataset, architecture: {
        "dataset": dataset,
        "architecture": architecture,
        "train_per_class": {"mnist": 100, "cifar10": 2500}[dataset],
    },
}


def shortfalls(runs: pd.DataFrame, experiment: str) -> list[tuple[str, float, float]]:
    """Width, depth, iterations or training rows of each class, less than the paper's: name, largest here, there.

    Of the iterations the horizon counts: training that its loss or a number of iterations ends early, as
    the paper's does, is no smaller. Random labels are ours and have no size to be held against. All rows are
    infinitely many.
    """
    networks = runs[runs["task"] == ClassifierConfig.TASK]
    networks = networks[networks["dataset_options"].map(lambda options: options.get("labels") != "random").astype(bool)]
    if experiment not in PAPER or networks.empty:
        return []
    found = []
    for (dataset, architecture), rows in networks.groupby(["dataset", "architecture"]):
        planned = EXPERIMENTS[experiment](**PAPER[experiment](dataset, architecture))
        papers = pd.DataFrame([config.as_dict() for config in planned])
        here, there = _largest(rows), _largest(papers[papers["task"] == ClassifierConfig.TASK])
        found += [(str(name), here[name], there[name]) for name in here.index if here[name] < there[name]]
    return found


def _largest(rows: pd.DataFrame) -> pd.Series:
    size = rows[["width", "depth", "iterations"]].astype(float).max()
    return pd.concat([size, pd.Series({"training rows of each class": max(map(_train_rows, rows["dataset_options"]))})])


def _train_rows(options: dict[str, Any]) -> float:
    """Training rows of each class; infinite where all are used."""
    return float(options.get("train_per_class", math.inf))
