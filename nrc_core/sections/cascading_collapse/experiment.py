"""The networks of the section on when each layer collapses."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.base import Configuration
from nrc_core.sections.grid import ITERATIONS, classifiers_and_regressions
from nrc_core.sections.parameters import takes_lists


@takes_lists
def cascading_collapse(
    dataset: str = "mnist",
    *,
    seeds: Sequence[int] = (0,),
    weight_decays: Sequence[float] = (0.0,),
    depth: int | None = None,
    width: int | None = None,
    learning_rate: float | None = None,
    iterations: int = ITERATIONS,
    train_per_class: int = 100,
    test_per_class: int | None = 200,
    measurements: int = 20,
    regression_datasets: Sequence[str] = ("swimmer",),
    regression_seeds: Sequence[int] = (0,),
    regression_epochs: int | None = None,
) -> list[Configuration]:
    """Collapse of all layers of an MLP, figure 6 of Hui et al., and the regression networks of the Deep NRC paper.

    Raises:
        ConfigError: an unknown data set, or a value out of range.
    """
    return classifiers_and_regressions(locals(), loss="cross_entropy")
