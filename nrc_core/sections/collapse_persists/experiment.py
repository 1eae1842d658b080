"""The descents of the section on collapse despite low-rank bias."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.base import check_several
from nrc_core.config.descent import ClassesConfig
from nrc_core.sections.parameters import takes_lists

# Models with so many weights diverge at the larger rate from starts of this size.
DEEP, RATES = 5, (0.5, 0.2)


@takes_lists
def collapse_persists(
    classes: int = 6,
    *,
    depths: Sequence[int] = (1, 2, 3, 6),
    widths: Sequence[int] = (6, 12, 24, 48),
    depth: int = 2,
    width: int = 12,
    decay: float = 0.008,
    starts: int = 20,
    iterations: int = 20_000,
    seed: int = 0,
) -> list[ClassesConfig]:
    """Collapse despite low-rank bias: deep linear unconstrained features models with cross entropy.

    There are descents of all `depths` at `width`, and of all `widths` at `depth`. The decay of all factors is
    ``decay / L^1.5``: it must fall faster than 1 / L, or everything is zero in deep models.

    Raises:
        ConfigError: values out of range, or values of a list that are equal.
    """
    check_several("depths", depths)
    check_several("widths", widths)
    shapes = dict.fromkeys([*((one, width) for one in depths), *((depth, one) for one in widths)])
    return [
        ClassesConfig(
            loss="cross_entropy", classes=classes, depth=weights, width=h, decay=decay / weights**1.5,
            learning_rate=RATES[weights >= DEEP], starts=starts, iterations=iterations, seed=seed,
        )
        for weights, h in shapes
    ]  # fmt: skip
