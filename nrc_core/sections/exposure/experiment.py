"""The networks of the section on exposure."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.regression import RunConfig
from nrc_core.sections.grid import regressions
from nrc_core.sections.parameters import takes_lists
from nrc_core.sections.recipes import OTHER, RECIPES


@takes_lists
def exposure(
    datasets: Sequence[str] = ("swimmer",),
    *,
    weight_decays: Sequence[float] = (0.0, 5e-3),
    bias: bool = True,
    seeds: Sequence[int] = (0,),
    width: int | None = None,
    depth: int | None = None,
    learning_rate: float | None = None,
    epochs: int | None = None,
    samples: int | None = None,
    targets: Sequence[str] = (),
) -> list[RunConfig]:
    """What decides collapse: networks at several exposures to weight decay, without and with biases.

    Every data set has a network without biases at each weight decay. With `bias`, it also has a pair at the weight
    decay of its recipe: the network without biases, and the same with a bias in every layer.

    Raises:
        ConfigError: an unknown data set, no seeds, data sets or weight decays, or a value out of range.
    """
    given = locals() | {"bias": False, "split": "random", "measurements": 1}
    decays = [float(value) for value in weight_decays]
    configs = regressions(given, dataset=datasets, weight_decay=decays, seed=seeds)
    if bias:
        for name in datasets:
            recipe = RECIPES.get(name, OTHER).weight_decay
            for with_bias in (True,) if recipe in decays else (False, True):
                one = {"dataset": name, "weight_decay": recipe, "bias": with_bias}
                configs += regressions(given | one, seed=seeds)
    return configs
