"""The networks of the section on three definitions of the metrics."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.base import CONVENTIONS
from nrc_core.config.regression import RunConfig
from nrc_core.sections.grid import regressions
from nrc_core.sections.parameters import takes_lists


@takes_lists
def paper_or_code(
    dataset: str = "swimmer",
    *,
    seeds: Sequence[int] = (0,),
    weight_decay: float | None = None,
    epochs: int | None = None,
    samples: int | None = None,
    targets: Sequence[str] = (),
) -> list[RunConfig]:
    """The paper's networks, measured by each definition of the metrics.

    Raises:
        ConfigError: an unknown data set, no seeds, or a value out of range.
    """
    return regressions(locals() | {"conventions": CONVENTIONS, "measurements": 1}, seed=seeds)
