"""The networks of the section on classes that training never saw."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.base import check_several, check_sizes
from nrc_core.config.trained_features import TrainedFeaturesConfig
from nrc_core.errors import ConfigError
from nrc_core.sections.digits_and_clothes import CLASSES, NAME, ROWS, rows_skipped
from nrc_core.sections.parameters import takes_lists


@takes_lists
def unseen_classes(
    source_classes: Sequence[int] = (2, 5, 10, 20, 29),
    *,
    target_classes: int = 10,
    train_per_class: int = 100,
    total: int | None = 1000,
    test_per_class: int = 250,
    width: int = 256,
    iterations: int = 1500,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
) -> list[TrainedFeaturesConfig]:
    """Classes that training never saw: networks trained on few or many classes, and measured on ten others.

    A seed shuffles the 39 classes. The first ones are the targets, and the next ones the sources, so that a larger set
    of sources has all classes of a smaller one. There is a network for each number of sources with `train_per_class`
    training rows of each class, and one with `total` training rows of all classes together. The seed also decides the
    initial weights and which rows are taken.

    Args:
        total: None leaves the networks with equal totals out.

    Raises:
        ConfigError: values out of range, values of a list that are equal, or more classes or rows than there are.
    """
    check_several("source_classes", source_classes)
    check_several("seeds", seeds)
    most = CLASSES - target_classes
    if target_classes < 2 or not all(2 <= count <= most for count in source_classes):
        raise ConfigError(
            f"source_classes and target_classes must be at least 2 each, and at most {CLASSES} together: got "
            f"{list(source_classes)} and {target_classes}"
        )
    check_sizes(train_per_class=train_per_class)
    if total is not None and total < max(source_classes):
        raise ConfigError(f"total must be a row for each of {max(source_classes)} classes or more: got {total}")
    return [
        _network(seed, count, rows, target_classes, test_per_class, width=width, iterations=iterations)
        for seed in seeds
        for count in source_classes
        for rows in dict.fromkeys([train_per_class, *([] if total is None else [total // count])])
    ]


def _network(
    seed: int, count: int, rows: int, target_classes: int, test_per_class: int, *, width: int, iterations: int
) -> TrainedFeaturesConfig:
    import numpy as np  # imported here, so that `nrc list` answers at once

    if rows > ROWS:
        raise ConfigError(f"{count} classes would need {rows} training rows each, there are {ROWS}: take fewer rows")
    order = [int(number) for number in np.random.default_rng(seed).permutation(CLASSES)]
    options = {"train_per_class": rows, "train_skip": rows_skipped(seed, rows), "test_per_class": test_per_class}
    return TrainedFeaturesConfig(
        dataset=NAME, dataset_options=options, sources=tuple(order[target_classes:][:count]),
        targets=tuple(order[:target_classes]), width=width, iterations=iterations, complexity=False, seed=seed,
    )  # fmt: skip
