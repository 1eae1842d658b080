"""Agreement of a run with reference runs, which differ from it in the seed only, as one number for all quantities.

The unit of a quantity is its spread w between seeds, on the scale of the quantity. w is the median difference of two
references over 0.954, which is the median difference of two draws from a normal distribution of unit spread. A single
unusual reference does not change this median. With n references, w is moderated towards the median u over quantities
of the same kind, like variances in moderated t-statistics (Smyth, 2004): w^2 <- (d u^2 + (n - 1) w^2) / (d + n - 1).

The distance of two runs is the root mean square of their differences in these units, over all quantities, divided by
the root of 2, so that two seeds are about 1 apart. The number of a run is its distance to the nearest reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float

from nrc_core.claims.quantities import SCALES

PRIOR_FREEDOM = 4.0  # d: weight of the median of a kind, in degrees of freedom
NORMAL = 0.953872552417  # median of |a - b| of two independent standard normal numbers
FEWEST = 4  # least number of references of a setting
# A run whose seed is among the references differs if its number is above this limit: arithmetic alone changes a run by
# less, see the page on machines. A new seed can be above the limit without an error, since some trainings end
# differently.
LIMIT = 1.5
BEYOND = 2.0  # number of spreads by which a new seed may lie beyond the references


@dataclass(frozen=True)
class Setting:
    """The references of one setting: one row for each run, one column for each quantity.

    Attributes:
        seeds: seeds of the rows.
        names: kind and place of each quantity that every reference has.
        values: values of the quantities, on the scales of their kinds.
        floors: the least spreads.
    """

    seeds: tuple[int, ...]
    names: pd.MultiIndex
    values: Float[np.ndarray, "n q"]
    floors: Float[np.ndarray, " q"]

    @classmethod
    def of(cls, runs: Mapping[int, pd.DataFrame]) -> Setting:
        """Make a setting from the tables of `quantities` of its runs, by seed.

        Raises:
            ValueError: fewer than `FEWEST` runs.
        """
        if len(runs) < FEWEST:
            raise ValueError(f"a setting needs at least {FEWEST} references: got {len(runs)}")
        tables = [run.set_index(["kind", "place"]) for run in runs.values()]
        values = pd.concat([table["value"] for table in tables], axis=1)
        floors = pd.concat([table["floor"] for table in tables], axis=1).max(axis=1)
        there = values.index[values.notna().all(axis=1)]
        return cls(tuple(runs), there, on_scales(values.loc[there]).T, floors.loc[there].to_numpy(float))

    @cached_property
    def spread(self) -> Float[np.ndarray, " q"]:
        """The unit of every quantity."""
        n = len(self.values)
        first, second = np.triu_indices(n, 1)
        typical = np.median(np.abs(self.values[first] - self.values[second]), axis=0) / NORMAL
        squares = pd.Series(np.maximum(typical, self.floors) ** 2)
        prior = squares.groupby(self.names.get_level_values(0)).transform("median")
        moderated = (PRIOR_FREEDOM * prior + (n - 1) * squares) / (PRIOR_FREEDOM + n - 1)
        return np.sqrt(moderated.to_numpy())

    def differences(self, run: pd.DataFrame) -> Float[np.ndarray, "n q"]:
        """Differences of a run from every reference, in units of two seeds; NaN if the run lacks a quantity.

        Args:
            run: the `quantities` of the run.
        """
        values = run.set_index(["kind", "place"])["value"].reindex(self.names)
        return (on_scales(values.to_frame())[:, 0] - self.values) / (math.sqrt(2) * self.spread)

    def compare(self, run: pd.DataFrame) -> Comparison:
        """Compare a run, given by its `quantities`, with the references."""
        values = run.set_index(["kind", "place"])["value"].reindex(self.names)
        if lacking := [name for name, value in values.items() if math.isnan(value)]:
            return Comparison(math.inf, pd.DataFrame(), [", ".join(map(str, name)) for name in lacking])
        each = self.differences(run)
        distances = np.sqrt(np.mean(np.square(each), axis=1))
        nearest = int(distances.argmin())
        low, high = (edge(self.values, axis=0) for edge in (np.min, np.max))
        ends = [self._back(low - BEYOND * self.spread), self._back(high + BEYOND * self.spread)]
        table = pd.DataFrame(
            {
                "value": values.to_numpy(float),
                "low": np.minimum(*ends),
                "high": np.maximum(*ends),
                "z": each[nearest],
            },
            index=self.names,
        ).reset_index()
        return Comparison(float(distances[nearest]), table, [])

    def _back(self, places: np.ndarray) -> np.ndarray:
        return np.array(
            [SCALES[kind].backward(x) for kind, x in zip(self.names.get_level_values(0), places, strict=True)]
        )


@dataclass(frozen=True)
class Comparison:
    """Comparison of a run with the references of its setting.

    Attributes:
        number: distance to the nearest reference; infinite if the run lacks a quantity.
        table: `kind`, `place`, `value`, `low` and `high` (a new seed is expected between them), and `z`, the
            difference from the nearest reference in units of two seeds.
        lacking: quantities that all references have and the run lacks.
    """

    number: float
    table: pd.DataFrame
    lacking: list[str]

    def worst(self, count: int = 3) -> pd.DataFrame:
        """The quantities that differ most."""
        return self.table.reindex(self.table["z"].abs().sort_values(ascending=False).index[:count])


def on_scales(values: pd.DataFrame) -> Float[np.ndarray, "q n"]:
    """Values on the scales of their kinds: one row for each quantity, whose kind and place are the index."""
    kinds = values.index.get_level_values(0)
    return np.array([SCALES[kind].forward(row) for kind, row in zip(kinds, values.to_numpy(float), strict=True)])
