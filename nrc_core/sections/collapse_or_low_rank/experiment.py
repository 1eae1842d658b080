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
    init_scales: Sequence[float] = (1.0, 0.7, 0.5),
    widths: Sequence[int] = (12, 20, 30, 60),
    init_scale: float = 0.7,
    width: int = 30,
    starts: int = 10,
    iterations: int = 12_000,
    seed: int = 0,
) -> list[ClassesConfig]:
    """Collapse or low rank: deep unconstrained features models with ReLU, by the size of the start and by width.

    There are descents of all `init_scales` at `width`, and of all `widths` at `init_scale`.

    Raises:
        ConfigError: values out of range, or values of a list that are equal.
    """
    check_several("init_scales", init_scales)
    check_several("widths", widths)
    kinds = dict.fromkeys([*((one, width) for one in init_scales), *((init_scale, one) for one in widths)])
    return [
        ClassesConfig(
            loss="squared", classes=classes, depth=depth, width=h, decay=decay, init_scale=scale, starts=starts,
            iterations=iterations, seed=seed,
        )
        for scale, h in kinds
    ]  # fmt: skip
