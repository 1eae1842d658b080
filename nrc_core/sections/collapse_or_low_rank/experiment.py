"""The descents of the section on collapse against low rank."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.base import check_several
from nrc_core.config.descent import ClassesConfig
from nrc_core.sections.parameters import takes_lists


@takes_lists
def collapse_or_low_rank(
    classes: int = 10,
    *,
    depth: int = 4,
    decay: float = 0.004,
    init_scales: Sequence[float] = (1.0, 0.5),
    width: int = 30,
    widths: Sequence[int] = (12, 20, 30, 60),
    init_scale: float = 0.7,
    starts: int = 10,
    iterations: int = 20_000,
    iterations_by_width: int = 12_000,
    seed: int = 0,
) -> list[ClassesConfig]:
    """Collapse or low rank: deep unconstrained features models with ReLU, by the size of the start and by width.

    Raises:
        ConfigError: values out of range, or values of a list that are equal.
    """
    check_several("init_scales", init_scales)
    check_several("widths", widths)
    shape = ("squared", classes, depth)
    by_scale = [
        ClassesConfig(*shape, width, decay, init_scale=scale, starts=starts, iterations=iterations, seed=seed)
        for scale in init_scales
    ]
    by_width = [
        ClassesConfig(
            *shape, each, decay, init_scale=init_scale, starts=starts, iterations=iterations_by_width, seed=seed
        )
        for each in widths
    ]
    return [*by_scale, *(config for config in by_width if config not in by_scale)]
