"""The flows of the section on two-layer ReLU networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nrc_core.config.base import check_several
from nrc_core.config.shallow_flow import DigitsFlowConfig, ShallowFlowConfig
from nrc_core.errors import ConfigError
from nrc_core.sections.parameters import takes_lists


@takes_lists
def shallow_flow(
    classes: Sequence[int] = (3, 2, 4),
    *,
    spread: float = 0.95,
    init_scale: float = 1e-3,
    large_start: float = 5.0,
    overlap: float = 5.0,
    digits: Sequence[int] = (0, 1, 2),
    rows_per_digit: int = 50,
    width: int = 24,
    starts: int = 5,
    iterations: int = 4000,
    seed: int = 0,
) -> list[ShallowFlowConfig | DigitsFlowConfig]:
    """Gradient flow on two-layer ReLU networks: the setting of Min, Zhu and Vidal (2025), and its controls.

    For each number of `classes` there are flows from small random starts and, for more than two, from small starts at
    which each neuron leans to a class. The first number has two controls: a start of size `large_start`, and samples
    whose `spread` is `overlap`, so that classes overlap. The `digits` of MNIST are real data.

    Raises:
        ConfigError: values out of range, or values of a list that are equal.
    """
    check_several("classes", classes)
    check_several("digits", digits)
    if not spread < 1 <= overlap:
        raise ConfigError(f"spread must be below 1 and overlap at least 1: got {spread} and {overlap}")
    if not init_scale < 1 <= large_start:
        raise ConfigError(f"init_scale must be below 1 and large_start at least 1: got {init_scale} and {large_start}")
    if rows_per_digit < 1:
        raise ConfigError(f"rows_per_digit must be at least 1: got {rows_per_digit}")
    common: dict[str, Any] = {"width": width, "starts": starts, "iterations": iterations, "seed": seed}
    small = common | {"init_scale": init_scale}
    first = classes[0]
    leaning = [count for count in classes if count > 2]
    rows = {"train_per_class": rows_per_digit, "test_per_class": 1}  # no test row is used
    return [
        *(ShallowFlowConfig(**small, classes=count, spread=spread) for count in classes),
        *(ShallowFlowConfig(**small, classes=count, spread=spread, initial="leaning") for count in leaning),
        ShallowFlowConfig(**common, init_scale=large_start, classes=first, spread=spread),
        ShallowFlowConfig(**small, classes=first, spread=overlap),
        DigitsFlowConfig(**small, digits=tuple(digits), dataset_options=rows),
    ]
