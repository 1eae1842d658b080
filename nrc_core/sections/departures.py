"""Sizes of the papers' networks, and the sizes in which the networks of a page are smaller."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from nrc_core.config.classification import ClassifierConfig
from nrc_core.config.regression import RunConfig
from nrc_core.sections.experiments import EXPERIMENTS, trains_classifiers
from nrc_core.sections.grid import regressions
from nrc_core.sections.recipes import LOW_RANK, RECIPES

# Parameters with which an experiment has the paper's size, by data set and architecture. Other experiments on
# regression networks have it with the recipe of their data set. The papers state no size for other experiments on
# classifiers, nor for MLPs in their sections 2 and 3. The training rows of each class in the pre-training are from
# Hui et al., section 4.2.
PAPER: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "low_rank_targets": lambda dataset, _: {"dataset": dataset, "widths": [min(LOW_RANK[dataset][2])]},
    "test_vs_train_collapse": lambda dataset, architecture: {"datasets": [dataset], "architectures": [architecture]},
    "train_size": lambda dataset, architecture: {"dataset": dataset, "architecture": architecture},
    "cascading_collapse": lambda dataset, _: {"dataset": dataset},
    "transfer": lambda dataset, architecture: {
        "dataset": dataset,
        "architecture": architecture,
        "train_per_class": {"mnist": 100, "cifar10": 2500}[dataset],
    },
}
# Fields of a configuration and options of its data that say how large it is, with their names in words.
SIZES = {name: name for name in ("width", "depth", "epochs", "iterations")}
SIZES |= {"train_per_class": "training rows of each class", "samples": "rows", "image_size": "pixels"}


def shortfalls(runs: pd.DataFrame, experiment: str) -> list[tuple[str, float, float]]:
    """Sizes that are smaller than in the paper, on the same data: name, largest value here, value in the paper.

    Iterations are the planned iterations: a run that stops early, as in the paper, does not count as smaller. If all
    rows or pixels are used, their number is infinite. The papers state no size for networks on random labels and for
    regression networks beside classifiers, so these are left out.
    """
    found: list[tuple[str, float, float]] = []
    if (own := of_the_paper(runs, experiment)).empty:
        return found
    for (dataset, architecture), rows in own.groupby(["dataset", "architecture"]):
        if papers := [config.as_dict() for config in planned(experiment, str(dataset), str(architecture))]:
            here, there = _largest(rows), _largest(pd.DataFrame(papers))
            found += [(name, here[name], there[name]) for name in here if here[name] < there[name]]
    return found


def of_the_paper(runs: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """The runs of networks whose size the papers may state: neither fine-tuned nor trained on random labels."""
    labels = runs["dataset_options"].map(lambda options: options.get("labels"))
    return runs[(runs["task"] == (_kind(experiment).TASK or "regression")) & (labels != "random")]


def planned(experiment: str, dataset: str, architecture: str) -> Sequence[ClassifierConfig | RunConfig]:
    """The networks of an experiment in the paper's size; none if the papers state no size.

    Example:
        >>> [config.epochs for config in planned("deep_nrc_mlp", "hopper", "mlp")]
        [1000]
    """
    if (experiment, architecture) == ("test_vs_train_collapse", "mlp"):
        return []
    if experiment in PAPER:
        configs = EXPERIMENTS[experiment](**PAPER[experiment](dataset, architecture))
        return [config for config in configs if isinstance(config, _kind(experiment))]
    return regressions({"dataset": dataset, "measurements": 1}, seed=[0]) if dataset in RECIPES else []


def _kind(experiment: str) -> type[ClassifierConfig] | type[RunConfig]:
    return ClassifierConfig if trains_classifiers(experiment) else RunConfig


def _largest(rows: pd.DataFrame) -> dict[str, float]:
    """The largest value of each size; infinite for a size that is not given."""
    options = rows["dataset_options"]
    given = {name: rows[name] if name in rows else [one.get(name, math.inf) for one in options] for name in SIZES}
    return {SIZES[name]: float(max(values)) for name, values in given.items()}
