"""The networks of the section on wrong labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

from nrc_core.config.base import check_several, check_sizes
from nrc_core.config.trained_features import CODING_RATE, CROSS_ENTROPY, TrainedFeaturesConfig
from nrc_core.errors import ConfigError
from nrc_core.sections.digits_and_clothes import NAME, ROWS
from nrc_core.sections.parameters import takes_lists

DRAWS = 3  # choices of training rows; later seeds take them again, with other weights and wrong labels
MEASURED = {
    CROSS_ENTROPY: (1, 2, 5, 10, 20, 30, 40, 60, 80),
    CODING_RATE: (2, 5, 10, 20, 40, 60, 90, 120, 180, 250, 350, 500),
}  # in epochs


@takes_lists
def corrupted_labels(
    ratios: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    *,
    sources: Sequence[int] = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    train_per_class: int = 200,
    test_per_class: int = 200,
    width: int = 256,
    epochs: int = 80,
    batch_size: int = 100,
    learning_rate: float = 0.05,
    coding_epochs: int = 120,
    coding_batch_size: int = 500,
    coding_learning_rate: float = 0.01,
    long_ratios: Sequence[float] = (0.5,),
    long_epochs: int = 500,
    seeds: Sequence[int] = (0, 1, 2),
) -> list[TrainedFeaturesConfig]:
    """Wrong labels: the same small network trained by cross entropy and by coding-rate reduction.

    For each seed there is a network for every ratio of replaced labels and both losses. The seed decides which pictures
    are taken, the initial weights and the replaced labels. For the part on margins, there is one more network with
    cross entropy and right labels, if 0 is among the ratios: it has no weight decay.

    Args:
        sources: the classes, by their numbers in `digits_and_clothes`: 0 to 9 are the digits, 10 to 19 the clothes.
        coding_epochs, coding_batch_size, coding_learning_rate: those of coding-rate reduction, others of cross entropy.
        long_ratios: ratios for which coding-rate reduction is trained for `long_epochs`.

    Raises:
        ConfigError: values out of range, values of a list that are equal, a long ratio that is not among the ratios,
            more rows than there are, or rows that are not a whole number of batches.
    """
    check_several("ratios", ratios)
    check_several("seeds", seeds)
    check_sizes(
        train_per_class=train_per_class, epochs=epochs, coding_epochs=coding_epochs, long_epochs=long_epochs,
        batch_size=batch_size, coding_batch_size=coding_batch_size,
    )  # fmt: skip
    if absent := [ratio for ratio in long_ratios if ratio not in ratios]:
        raise ConfigError(f"long_ratios must be among the ratios {list(ratios)}: got {absent[0]}, add it to ratios")
    if train_per_class > ROWS:
        raise ConfigError(f"train_per_class must be at most {ROWS}, the rows there are: got {train_per_class}")
    rows = len(sources) * train_per_class
    for name, size in (("batch_size", batch_size), ("coding_batch_size", coding_batch_size)):
        if rows % size:
            raise ConfigError(f"{name} must divide the {rows} training rows: got {size}, take another size")
    each: dict[str, dict[str, Any]] = {
        CROSS_ENTROPY: {"batch_size": batch_size, "learning_rate": learning_rate, "most_gradient": 1.0},
        CODING_RATE: {"batch_size": coding_batch_size, "learning_rate": coding_learning_rate},
    }
    configs = []
    for seed in seeds:
        options = {
            "train_per_class": train_per_class,
            "train_skip": seed % DRAWS * ((ROWS - train_per_class) // (DRAWS - 1)),
            "test_per_class": test_per_class,
        }
        common: dict[str, Any] = {
            "dataset": NAME, "dataset_options": options, "sources": tuple(sources), "width": width,
            "seed": seed, "complexity": False,
        }  # fmt: skip
        for ratio in ratios:
            longest = max(coding_epochs, long_epochs) if ratio in long_ratios else coding_epochs
            for loss, usual, last in ((CROSS_ENTROPY, epochs, epochs), (CODING_RATE, coding_epochs, longest)):
                clock = _clock(rows // each[loss]["batch_size"], last, {*MEASURED[loss], usual})
                configs.append(TrainedFeaturesConfig(**common, **each[loss], **clock, loss=loss, corrupted=ratio))
                if ratio == 0 and loss == CROSS_ENTROPY:
                    configs.append(dataclasses.replace(configs[-1], weight_decay=0.0))
    return configs


def _clock(steps: int, epochs: int, measured: Collection[int]) -> dict[str, Any]:
    """The iterations of a training, from epochs of so many steps."""
    return {
        "iterations": steps * epochs,
        "measured": tuple(steps * epoch for epoch in sorted(measured) if epoch < epochs),
    }
