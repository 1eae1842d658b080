"""The networks of the section on geometric complexity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nrc_core.config.base import check_several
from nrc_core.config.trained_features import TrainedFeaturesConfig
from nrc_core.errors import ConfigError
from nrc_core.sections import digits_and_clothes
from nrc_core.sections.digits_and_clothes import ROWS, rows_skipped
from nrc_core.sections.parameters import takes_lists

GAUSSIAN, PICTURES = DATASETS = ("gaussian_classes", digits_and_clothes.NAME)
SOURCES, TARGETS = 12, 20  # numbers of classes that are trained, and of those that are only measured
CLASSES = {GAUSSIAN: SOURCES + TARGETS, PICTURES: digits_and_clothes.CLASSES}
# Within a class, the largest variance in any direction is 1: this is the Poincaré constant of the class.
SHAPE = {"classes": SOURCES + TARGETS, "signal": 8, "nuisance": 32, "signal_spread": 0.5}
BASE: dict[str, Any] = {
    "weight_decay": 1e-4, "batch_size": 64, "penalty": 0.0, "learning_rate": 0.1, "momentum": 0.0,
}  # fmt: skip


@takes_lists
def geometric_complexity(
    datasets: Sequence[str] = DATASETS,
    *,
    weight_decays: Sequence[float] = (0.0, 1e-3, 5e-3, 0.02),
    batch_sizes: Sequence[int] = (8, 512),
    penalties: Sequence[float] = (1e-3, 0.01),
    learning_rates: Sequence[float] = (0.02, 0.05, 0.4),
    momenta: Sequence[float] = (0.9,),
    train_per_class: int = 60,
    test_per_class: int = 60,
    width: int = 96,
    iterations: int = 1500,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
) -> list[TrainedFeaturesConfig]:
    """Geometric complexity: small networks that differ from a base in one setting, measured on seen and new classes.

    The base has weight decay 1e-4, batches of 64, no penalty, learning rate 0.1 and no momentum. The lists have the
    other values. For each momentum there is a network without a penalty and one with the largest penalty. A seed
    decides the data (the class means and rows, or which classes and rows of the pictures are taken), the initial
    weights and the batches.

    Raises:
        ConfigError: values out of range, values of a list that are equal or those of the base, an unknown data set, or
            more rows of a class than there are.
    """
    check_several("datasets", datasets)
    check_several("seeds", seeds)
    if unknown := [name for name in datasets if name not in DATASETS]:
        raise ConfigError(f"datasets must be of {', '.join(DATASETS)}: got {unknown[0]!r}")
    lists = {
        "weight_decay": weight_decays, "batch_size": batch_sizes, "penalty": penalties,
        "learning_rate": learning_rates, "momentum": momenta,
    }  # fmt: skip
    for name, values in lists.items():
        if len({BASE[name], *values}) <= len(values):
            raise ConfigError(f"values of {name} must differ from each other and from {BASE[name]:g}: got {[*values]}")
    common: dict[str, Any] = {"width": width, "iterations": iterations}
    return [
        TrainedFeaturesConfig(**_data(dataset, seed, train_per_class, test_per_class), **common, **setting, seed=seed,
                              depth=3, features=24)
        for dataset in datasets
        for seed in seeds
        for setting in _settings(lists)
    ]  # fmt: skip


def _settings(lists: dict[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield the base, and all that differ from it in one setting; with another momentum, also in the penalty."""
    yield BASE
    for name, values in lists.items():
        for value in values:
            yield BASE | {name: value}
            if name == "momentum" and lists["penalty"]:
                yield BASE | {name: value, "penalty": max(lists["penalty"])}


def _data(dataset: str, seed: int, train: int, test: int) -> dict[str, Any]:
    """The fields of the data of one seed."""
    import numpy as np  # imported here, so that `nrc list` answers at once

    options: dict[str, Any] = {"train_per_class": train, "test_per_class": test}
    order = list(range(CLASSES[dataset]))
    if dataset == GAUSSIAN:
        options |= SHAPE | {"seed": seed}  # the means are random, so that the order of the classes says nothing
    else:
        if not 1 <= train <= ROWS:
            raise ConfigError(f"train_per_class must be from 1 to the {ROWS} rows there are of a class: got {train}")
        order = [int(number) for number in np.random.default_rng(seed).permutation(order)]
        options["train_skip"] = rows_skipped(seed, train)
    sources, targets = tuple(order[:SOURCES]), tuple(order[SOURCES:][:TARGETS])
    return {"dataset": dataset, "dataset_options": options, "sources": sources, "targets": targets}
