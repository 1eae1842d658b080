"""The descents of the section on collapse despite low-rank bias."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.base import check_several
from nrc_core.config.descent import ClassesConfig
from nrc_core.sections.parameters import takes_lists

# Deeper models diverge at a learning rate of 0.5 from starts of this size.
DEEP, RATES = 5, (0.5, 0.2)


@takes_lists
def collapse_persists(
    classes: int = 6,
    *,
    depths: Sequence[int] = (1, 2, 3, 6),
    widths: Sequence[int] = (6, 12, 24, 48),
    decay: float = 0.003,
    decay_by_depth: float = 0.008,
    width: int = 12,
    starts: int = 10,
    starts_by_width: int = 20,
    iterations: int = 20_000,
    iterations_by_width: int = 8_000,
    seed: int = 0,
) -> list[ClassesConfig]:
    """Collapse despite low-rank bias: deep linear unconstrained features models with cross entropy.

    There are descents by depth, at `width` and with the decay ``decay_by_depth / L^1.5``, and by width, with two
    weights and the decay `decay`.

    Raises:
        ConfigError: values out of range, or values of a list that are equal.
    """
    check_several("depths", depths)
    check_several("widths", widths)
    by_depth = [
        ClassesConfig(
            "cross_entropy", classes, depth, width, decay_by_depth / depth**1.5, starts=starts, seed=seed,
            iterations=iterations, learning_rate=RATES[depth >= DEEP],
        )
        for depth in depths
    ]  # fmt: skip
    by_width = [
        ClassesConfig(
            "cross_entropy", classes, 2, each, decay, starts=starts_by_width, seed=seed, iterations=iterations_by_width
        )
        for each in widths
    ]
    return [*by_depth, *(config for config in by_width if config not in by_depth)]
