"""The networks of the section on deeper residual networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nrc_core.config.base import check_several, check_sizes
from nrc_core.config.residual import ATTENTION, CONSTANT, ONE_MAP, OVER_DEPTH, TWO_MAPS, ResidualConfig
from nrc_core.errors import ConfigError
from nrc_core.sections.parameters import takes_lists

RESIDUAL = ((ONE_MAP, CONSTANT), (TWO_MAPS, CONSTANT), (TWO_MAPS, OVER_DEPTH))
RATES = {ATTENTION: 0.002}  # at the rate of the others, the loss of Transformers still jumps at the end


@takes_lists
def deeper_resnets(
    dataset: str = "mnist",
    *,
    depths: Sequence[int] = (1, 2, 4, 8, 16, 32),
    attention_depths: Sequence[int] = (1, 2, 4, 8),
    longer_depths: Sequence[int] = (2, 8, 16),
    iterations: int = 1000,
    longer: int = 3000,
    decay: float = 0.005,
    digits: Sequence[int] = (0, 1, 2, 3, 4),
    rows: int = 20,
    width: int = 32,
    seeds: Sequence[int] = (0, 1, 2),
) -> list[ResidualConfig]:
    """Deeper residual networks: collapse and objective by the number of blocks (Súkeník, Lampert and Mondelli, 2025).

    There are networks of all `depths` with one map a block, with two maps, and with two maps and a decay divided by
    the depth; those of `longer_depths` once more with `longer` iterations; and Transformers of `attention_depths`.
    Every seed has `rows` other pictures of each digit.

    Raises:
        ConfigError: values out of range, or values of a list that are equal.
    """
    check_sizes(rows=rows)
    check_several("seeds", seeds)
    check_several("depths", depths)
    for name, values in (("attention_depths", attention_depths), ("longer_depths", longer_depths)):
        if len(set(values)) < len(values):
            raise ConfigError(f"{name} must be different values: got {list(values)}")
    if longer_depths and longer <= iterations:
        raise ConfigError(f"longer must be more than the {iterations} iterations of the others: got {longer}")
    shapes = [(*case, depth, steps) for case in RESIDUAL for depth, steps in _lengths(depths, iterations)]
    shapes += [(*case, depth, steps) for case in RESIDUAL for depth, steps in _lengths(longer_depths, longer)]
    shapes += [(ATTENTION, CONSTANT, depth, steps) for depth, steps in _lengths(attention_depths, iterations)]
    common: dict[str, Any] = {"dataset": dataset, "decay": decay, "digits": tuple(digits), "width": width}
    return [
        ResidualConfig(
            block=block, decay_rule=rule, depth=depth, iterations=steps, seed=seed, **common,
            learning_rate=RATES.get(block, 0.005),
            dataset_options={"train_per_class": rows, "train_skip": seed * rows, "test_per_class": 1},
        )
        for seed in seeds
        for block, rule, depth, steps in shapes
    ]  # fmt: skip


def _lengths(depths: Sequence[int], iterations: int) -> list[tuple[int, int]]:
    return [(depth, iterations) for depth in depths]
