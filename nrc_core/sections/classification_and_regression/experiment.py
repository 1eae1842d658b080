"""The networks of the section on classification beside regression."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.base import Configuration
from nrc_core.sections.grid import classifiers_and_regressions
from nrc_core.sections.parameters import takes_lists


@takes_lists
def classification_and_regression(
    dataset: str = "mnist",
    *,
    seeds: Sequence[int] = (0,),
    weight_decays: Sequence[float] = (5e-4,),
    depth: int = 5,
    width: int = 512,
    learning_rate: float = 0.05,
    iterations: int = 20_000,
    train_per_class: int = 100,
    test_per_class: int | None = 200,
    measurements: int = 10,
    regression_datasets: Sequence[str] = ("swimmer",),
    regression_seeds: Sequence[int] = (0,),
    regression_epochs: int | None = None,
) -> list[Configuration]:
    """One MLP on one-hot targets with the squared error: table 1 of the Deep NRC paper, beside regression networks.

    Raises:
        ConfigError: an unknown data set, or a value out of range.
    """
    return classifiers_and_regressions(locals(), loss="mse")
