"""The networks of the section on losses and the onset of collapse."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.regression import RunConfig
from nrc_core.sections.grid import regressions
from nrc_core.sections.parameters import takes_lists


@takes_lists
def training_dynamics(
    datasets: Sequence[str] = ("swimmer",),
    *,
    seeds: Sequence[int] = (0,),
    splits: Sequence[str] = ("random", "blocked"),
    width: int | None = None,
    epochs: int | None = None,
    targets: Sequence[str] = (),
    measurements: int = 10,
) -> list[RunConfig]:
    """Losses and the onset of collapse, under random and blocked splits: figure 5 of the Deep NRC paper.

    Raises:
        ConfigError: an unknown data set or split, no seeds, data sets or splits, or a value out of range.
    """
    return regressions(locals(), dataset=datasets, split=splits, seed=seeds)
