"""The networks of the section on Proposition 1 of the Deep NRC paper."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.regression import RunConfig
from nrc_core.sections.grid import regressions
from nrc_core.sections.parameters import takes_lists


@takes_lists
def proposition_1(
    datasets: Sequence[str] = ("swimmer",),
    *,
    seeds: Sequence[int] = (0,),
    epochs: int | None = None,
    targets: Sequence[str] = (),
) -> list[RunConfig]:
    """The networks on which Proposition 1 of the Deep NRC paper (Appendix C) is checked.

    Raises:
        ConfigError: an unknown data set, no seeds or data sets.
    """
    return regressions(locals() | {"split": "random", "measurements": 1}, dataset=datasets, seed=seeds)
