"""The networks of the section on targets of lower rank than their number."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.regression import RunConfig
from nrc_core.errors import ConfigError
from nrc_core.sections.grid import regressions
from nrc_core.sections.parameters import takes_lists
from nrc_core.sections.recipes import LOW_RANK


@takes_lists
def low_rank_targets(
    dataset: str = "sgemm",
    *,
    seeds: Sequence[int] = (0,),
    widths: Sequence[int] = (),
    depth: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    epochs: int | None = None,
    samples: int | None = None,
    bias: bool = False,
    target_scale: str = "standardised",
    control: bool = True,
    measurements: int = 5,
) -> list[RunConfig]:
    """Targets of lower rank than their number: figure 3 of the Deep NRC paper.

    The data set `sgemm` has four targets of rank 1; the paper gives both 256 and 512 as the width. The data set
    `synthetic` has ten targets from a teacher with two hidden layers of two units. There is one configuration for each
    width and seed. With `control` there is a second one on shuffled targets, which contain nothing to learn.

    Raises:
        ConfigError: a data set without low-rank targets, no seeds, or a value out of range.
    """
    if dataset not in LOW_RANK:
        raise ConfigError(f"low-rank targets are known of {', '.join(LOW_RANK)}: got {dataset!r}")
    recipe, options, own_widths = LOW_RANK[dataset]
    given = locals() | options
    return [
        config
        for shuffled in ([None, True] if control else [None])
        for width in widths or own_widths
        for config in regressions(given | {"shuffled": shuffled, "width": width}, recipe, seed=seeds)
    ]
