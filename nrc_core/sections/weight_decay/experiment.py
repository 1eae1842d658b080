"""The networks of the section on weight decay."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.regression import RunConfig
from nrc_core.sections.grid import regressions
from nrc_core.sections.parameters import takes_lists


@takes_lists
def weight_decay(
    dataset: str = "swimmer",
    *,
    weight_decays: Sequence[float] = (0.0, 1e-4, 1e-3, 5e-3, 2.5e-2),
    seeds: Sequence[int] = (0,),
    width: int | None = None,
    depth: int | None = None,
    bias: bool = False,
    learning_rate: float | None = None,
    epochs: int | None = None,
    samples: int | None = None,
    target_scale: str = "standardised",
    teacher_weights: str = "normal",
    targets: Sequence[str] = (),
    image_size: int | None = None,
    measurements: int = 1,
) -> list[RunConfig]:
    """The same network at several weight decays: figures 4 and 9 of the Deep NRC paper.

    Raises:
        ConfigError: an unknown data set, no seeds or weight decays, or a value out of range.
    """
    return regressions(locals(), weight_decay=[float(value) for value in weight_decays], seed=seeds)
