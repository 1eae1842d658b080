"""The networks of the section on Deep NRC in ResNets."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.regression import RunConfig
from nrc_core.sections.grid import regressions
from nrc_core.sections.parameters import takes_lists


@takes_lists
def deep_nrc_resnet(
    dataset: str = "car_racing",
    *,
    seeds: Sequence[int] = (0,),
    depth: int | None = None,
    width: int | None = None,
    head: str = "linear",
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    split: str | None = None,
    samples: int | None = None,
    image_size: int | None = None,
    target_scale: str = "standardised",
    precision: str = "float32",
    measurements: int = 10,
) -> list[RunConfig]:
    """Deep NRC on ResNets: figure 1 of the Deep NRC paper, one configuration a seed.

    A parameter that is None has the paper's value for the data set (Appendix A). The data set `car_racing` stands in
    for CARLA and has the values of CARLA, except that it is split between episodes.

    Raises:
        ConfigError: data that are not images, an unknown split, no seeds, or a value out of range.
    """
    return regressions(locals() | {"architecture": "resnet"}, seed=seeds)
