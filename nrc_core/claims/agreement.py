"""Does a run agree with reference runs, which differ from it in the seed only? One number for all its quantities.

The unit of a quantity is its spread w between seeds: on its scale, the median difference of two references (which a
single odd one does not move) over 0.954, that of two draws of a normal distribution of unit spread. With n
references it is moderated towards the median u over quantities of its kind, as variances in moderated t-statistics
(Smyth, 2004): w^2 <- (d u^2 + (n - 1) w^2) / (d + n - 1).

The distance of two runs is the root mean square over all quantities of their differences in these units, over the
root of 2, so that two seeds are about 1 apart. The number of a run is its distance to the nearest reference.
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

PRIOR_FREEDOM = 4.0  # d: the median of a kind counts as much as so many degrees of freedom
NORMAL = 0.953872552417  # median of |a - b| of two independent standard normal numbers
FEWEST = 4  # references that a setting must have
# A run whose seed is among the references differs if its number is above this: arithmetic alone moves a run by less,
# see the page on machines. A new seed that went another way is above it too, and some seeds do go another way.
LIMIT = 1.5
BEYOND = 2.0  # a further seed may lie this many spreads beyond the references


@dataclass(frozen=True)
class Setting:
    """The references of one setting on their scales: a row a run, a column a quantity.

    Attributes:
        seeds: of the rows.
        names: kind and place of the quantities that every reference has.
        values: on the scales of their kinds.
        floors: the least spreads.
    """

    seeds: tuple[int, ...]
    names: pd.MultiIndex
    values: Float[np.ndarray, "n q"]
    floors: Float[np.ndarray, " q"]

    @classmethod
    def of(cls, runs: Mapping[int, pd.DataFrame]) -> Setting:
        """Make it from the tables of `quantities` of the runs, by seed.

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
        """What a run differs by from every reference, in units of two seeds; NaN where it lacks a quantity.

        Args:
            run: its `quantities`.
        """
        values = run.set_index(["kind", "place"])["value"].reindex(self.names)
        return (on_scales(values.to_frame())[:, 0] - self.values) / (math.sqrt(2) * self.spread)

    def compare(self, run: pd.DataFrame) -> Comparison:
        """A run, given by its `quantities`, against the references."""
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
    """A run against the references of its setting.

    Attributes:
        number: distance to the nearest reference; infinite where the run lacks a quantity.
        table: `kind`, `place`, `value`, `low` and `high`, between which a further seed is expected, and `z`, the
            difference from the nearest reference in units of two seeds.
        lacking: quantities that all references have and the run has not.
    """

    number: float
    table: pd.DataFrame
    lacking: list[str]

    def worst(self, count: int = 3) -> pd.DataFrame:
        """The quantities that differ most."""
        return self.table.reindex(self.table["z"].abs().sort_values(ascending=False).index[:count])


def on_scales(values: pd.DataFrame) -> Float[np.ndarray, "q n"]:
    """Values, a row a quantity that its index names, on the scales of their kinds."""
    kinds = values.index.get_level_values(0)
    return np.array([SCALES[kind].forward(row) for kind, row in zip(kinds, values.to_numpy(float), strict=True)])
