"""The flows and the networks of the section on unconstrained features in regression."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from nrc_core.config.base import Configuration, check_several
from nrc_core.config.descent import FlowConfig
from nrc_core.errors import ConfigError
from nrc_core.sections.grid import regressions
from nrc_core.sections.parameters import takes_lists

RATIO = 4.0  # feature decay over weight decay where only their product counts
LONG, SHORT = 600.0, 100.0  # durations: at least this with decays, and this without
LOSSES, SHRINKS = 10.0, 5.0  # durations times the smaller decay: until losses agree, and until features have collapsed


@takes_lists
def unconstrained_features(
    variances: Sequence[float] = (2.0, 0.6, 0.1),
    *,
    products: Sequence[float] = (0.001, 0.02, 0.09, 0.3, 0.9, 2.5),
    decays: Sequence[float] = (0.3, 0.1, 0.03, 0.01),
    scales: Sequence[float] = (1.0, 0.3, 0.1, 0.01),
    samples: int = 100,
    features: int = 12,
    starts: int = 5,
    seed: int = 0,
    datasets: Sequence[str] = ("swimmer",),
    depths: Sequence[int] = (2, 4),
    width: int = 64,
    weight_decay: float | None = None,
    epochs: int | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
) -> list[Configuration]:
    """Unconstrained features in regression: gradient flows beside the minimum, and the last layers of networks.

    There is a flow to the minimum for each of the `products` of the two decays, a flow for each of the `decays` with
    equal decays, and one without decay for each of the `scales` of the start. Each of the `datasets` has a network of
    each depth and seed.

    Raises:
        ConfigError: values out of range, or values of a list that are equal.
    """
    for name, values in (("products", products), ("decays", decays), ("scales", scales)):
        check_several(name, values)
        if not all(value > 0 for value in values):
            raise ConfigError(f"{name} must be positive: got {list(values)}")
    first = FlowConfig(
        variances=tuple(map(float, variances)), samples=samples, width=features, starts=starts, seed=seed,
        feature_decay=0.0, weight_decay=0.0, duration=SHORT,
    )  # fmt: skip
    flows = [_with_decays(first, math.sqrt(c * RATIO), math.sqrt(c / RATIO)) for c in products]
    flows += [dataclasses.replace(first, feature_decay=d, weight_decay=d, duration=SHRINKS / d) for d in decays]
    flows += [dataclasses.replace(first, init_scale=scale) for scale in scales]
    shared = {
        "width": width, "weight_decay": weight_decay, "epochs": epochs, "split": "random", "measurements": 1
    }  # fmt: skip
    networks = regressions(shared, dataset=datasets, depth=depths, seed=seeds)
    return [*flows, *(dataclasses.replace(config, last_layer=True) for config in networks)]


def _with_decays(first: FlowConfig, feature_decay: float, weight_decay: float) -> FlowConfig:
    duration = max(LONG, LOSSES / min(feature_decay, weight_decay))
    return dataclasses.replace(first, feature_decay=feature_decay, weight_decay=weight_decay, duration=duration)
