"""The networks of the section on Deep NRC in MLPs."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.regression import RunConfig
from nrc_core.sections.grid import DEPTH, MEASUREMENTS, regressions
from nrc_core.sections.parameters import takes_lists


@takes_lists
def deep_nrc_mlp(
    dataset: str = "swimmer",
    *,
    seeds: Sequence[int] = (0,),
    width: int | None = None,
    depth: int = DEPTH,
    bias: bool = False,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    epochs: int | None = None,
    batch_size: int = 128,
    split: str = "random",
    samples: int | None = None,
    target_scale: str = "standardised",
    targets: Sequence[str] = (),
    rank: int | None = None,
    measurements: int = MEASUREMENTS,
) -> list[RunConfig]:
    """Deep NRC on MLPs: figures 2, 6, 7 and 8 of the Deep NRC paper, one configuration a seed.

    A parameter that is None has the paper's value for the data set (Appendix A), or our own value if the data are
    synthetic or a table.

    Raises:
        ConfigError: an unknown data set or split, images, no seeds, or a value out of range.
    """
    return regressions(locals() | {"architecture": "mlp"}, seed=seeds)
