"""The descents of the section on ordinal targets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from nrc_core.config.base import check_several
from nrc_core.config.descent import OrdinalConfig
from nrc_core.errors import ConfigError
from nrc_core.sections.parameters import takes_lists


@takes_lists
def ordinal_targets(
    thresholds: Sequence[float] = (-5.0, -3.0, -1.0, 1.0, 3.0, 5.0),
    *,
    counts: Sequence[int] = (10, 5, 3, 5, 7),
    links: Sequence[str] = ("logit", "probit", "cloglog"),
    products: Sequence[float] = (1e-4, 1e-2),
    shares: Sequence[float] = (0.5, 0.9, 0.99, 1.01, 1.1),
    starts: int = 5,
    seed: int = 0,
) -> list[OrdinalConfig]:
    """Ordinal targets: the unconstrained features model of Ma et al. (2025), by descent over all features.

    `products` are values of c, the product of the two decays, and `shares` are shares of the critical value C of each
    link, from which on zero is the minimum. The decays of features and w are equal.

    Raises:
        ConfigError: values out of range, or values of a list that are equal.
    """
    from nrc_core.theory.ordinal import critical_decay  # SciPy takes a second to import, and `nrc list` needs none

    check_several("links", links)
    for name, values in (("products", products), ("shares", shares)):
        check_several(name, values)
        if not all(value > 0 for value in values):
            raise ConfigError(f"{name} must be positive: got {list(values)}")
    common: dict[str, Any] = {"thresholds": tuple(map(float, thresholds)), "counts": tuple(counts)}
    configs = []
    for link in links:
        first = OrdinalConfig(**common, link=link, decay=1.0, starts=starts, seed=seed)  # checked before it is used
        of_classes = [count / first.rows for count in counts]
        limit = critical_decay(list(thresholds), link=link, shares=of_classes)
        # Rounded, so that the name of a run is the same on every processor.
        exact = [math.sqrt(c) for c in products] + [limit * math.sqrt(share) for share in shares]
        decays = [float(f"{decay:.10g}") for decay in exact]
        configs += [dataclasses.replace(first, decay=decay) for decay in decays]
    return configs
