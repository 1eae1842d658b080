"""Collapse by the size of the training set: its networks."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.base import Configuration
from nrc_core.data.catalogue import CLASSIFIED
from nrc_core.sections.grid import ITERATIONS, SIZES, check_all, classifier, rows_of, several, size_of
from nrc_core.sections.parameters import takes_lists

STOP_LOSS = 1e-6  # of figure 4
RULES = ("loss", "iterations", "epochs")


@takes_lists
def train_size(
    dataset: str = "cifar10",
    *,
    architecture: str = "resnet",
    sizes: Sequence[int] = (1250, 2500, 3000, 4000, 5000),
    rules: Sequence[str] = RULES,
    weight_decay: float = 0.0,
    seeds: Sequence[int] = (0,),
    depth: int | None = None,
    width: int | None = None,
    iterations: int = ITERATIONS,
    stop_loss: float = STOP_LOSS,
    test_per_class: int | None = None,
    measurements: int = 6,
) -> list[Configuration]:
    """Collapse by the size of the training set: figure 4 of Hui et al., under three rules of when to stop.

    `sizes` are training rows of each class. Rule "loss" is the paper's: as soon as the training loss is at most
    `stop_loss`, after `iterations` at the latest. "iterations" trains every network as long; "epochs" trains the
    largest as long and the others in proportion to their rows, so that every row is seen as often.

    Raises:
        ConfigError: an unknown data set, architecture or rule, or a value out of range.
    """
    check_all("dataset", [dataset], CLASSIFIED)
    check_all("architecture", [architecture], tuple(SIZES))
    check_all("rules", rules, RULES)
    most = max(several("sizes", sizes))
    configs: list[Configuration] = []
    for rule in rules:
        for size in sizes:
            count = max(1, iterations * size // most) if rule == "epochs" else iterations
            configs += [
                classifier(
                    dataset, architecture, seed, count, measurements, weight_decay=weight_decay,
                    size=size_of(dataset, architecture, depth, width), rows=rows_of(dataset, size, test_per_class),
                    stop_loss=stop_loss if rule == "loss" else None,
                )
                for seed in several("seeds", seeds)
            ]  # fmt: skip
    return _distinct(configs)


def _distinct(configs: list[Configuration]) -> list[Configuration]:
    """Each once, in order: two rules can ask for the same network."""
    found: list[Configuration] = []
    for config in configs:
        if config not in found:
            found.append(config)
    return found
