"""Sizes of the paper's classification networks, and in what the networks of a page are smaller."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from nrc_core.config.classification import ClassifierConfig
from nrc_core.sections.experiments import EXPERIMENTS

# Parameters with which an experiment has the paper's size, by data set and architecture. The papers state no size for
# other experiments. The training rows of each class in the pre-training are from Hui et al., section 4.2.
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
    """Sizes that are below the paper's size, each as its name, the largest value here, and the paper's value.

    The sizes are width, depth, iterations and training rows of each class. Iterations are the planned iterations: a run
    that stops early, as in the paper, does not count as smaller. Networks on random labels are left out, since the
    papers state no size for them. If all rows are used, the number of rows is infinite.
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
    """Number of training rows of each class; infinite if all rows are used."""
    return float(options.get("train_per_class", math.inf))
