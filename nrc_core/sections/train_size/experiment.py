"""The networks of the section on collapse by the size of the training set."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.base import check_several
from nrc_core.config.classification import ClassifierConfig
from nrc_core.sections.grid import ITERATIONS, check_all, classifiers
from nrc_core.sections.parameters import takes_lists

STOP_LOSS = 1e-6  # as in figure 4
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
    stem: str = "small",
    depth: int | None = None,
    width: int | None = None,
    iterations: int = ITERATIONS,
    stop_loss: float = STOP_LOSS,
    test_per_class: int | None = None,
    measurements: int = 6,
) -> list[ClassifierConfig]:
    """Collapse by the size of the training set: figure 4 of Hui et al., under three rules of when to stop.

    `sizes` are numbers of training rows of each class. The rule "loss" is the paper's rule: training stops as soon as
    the training loss is at most `stop_loss`, and after `iterations` at the latest. The rule "iterations" trains every
    network for `iterations`. The rule "epochs" trains the largest set for `iterations` and smaller sets in proportion
    to their rows, so that every row is seen equally often.

    Raises:
        ConfigError: an unknown data set, architecture or rule, or a value out of range.
    """
    given = locals()
    check_all("rules", rules, RULES)
    check_several("sizes", sizes)
    configs: list[ClassifierConfig] = []
    for rule in rules:
        for size in sizes:
            own = {"train_per_class": size, "stop_loss": stop_loss if rule == "loss" else None}
            if rule == "epochs":
                own["iterations"] = max(1, iterations * size // max(sizes))
            # Two rules can ask for the same network.
            configs += [config for config in classifiers(given | own, seed=seeds) if config not in configs]
    return configs
