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
    """The references of one setting.

    Attributes:
        values: on the scales of their kinds; one row for each quantity that every reference has, with its kind and
            place as the index, and one column for each seed.
        floors: the least spreads, with the same index.
    """

    values: pd.DataFrame
    floors: pd.Series

    @classmethod
    def of(cls, runs: Mapping[int, pd.DataFrame]) -> Setting:
        """Make a setting from the tables of `quantities` of its runs, by seed.

        Raises:
            ValueError: fewer than `FEWEST` runs.
        """
        if len(runs) < FEWEST:
            raise ValueError(f"a setting needs at least {FEWEST} references: got {len(runs)}")
        tables = {seed: run.set_index(["kind", "place"]) for seed, run in runs.items()}
        values = pd.concat({seed: table["value"] for seed, table in tables.items()}, axis=1).dropna()
        floors = pd.concat([table["floor"] for table in tables.values()], axis=1).max(axis=1)
        return cls(on_scales(values), floors.loc[values.index])

    @cached_property
    def spread(self) -> pd.Series:
        """The unit of every quantity."""
        values, n = self.values.to_numpy(), self.values.shape[1]
        first, second = np.triu_indices(n, 1)
        typical = np.median(np.abs(values[:, first] - values[:, second]), axis=1) / NORMAL
        squares = np.maximum(typical, self.floors) ** 2
        prior = squares.groupby("kind").transform("median")
        return np.sqrt((PRIOR_FREEDOM * prior + (n - 1) * squares) / (PRIOR_FREEDOM + n - 1))

    def differences(self, run: pd.DataFrame) -> pd.DataFrame:
        """Differences of a run from every reference, in units of two seeds; NaN if the run lacks a quantity.

        Args:
            run: the `quantities` of the run.

        Returns:
            One row for each quantity and one column for each seed of the references.
        """
        own = on_scales(self._own(run))["value"]
        return self.values.rsub(own, axis=0).div(math.sqrt(2) * self.spread, axis=0)

    def distances(self, run: pd.DataFrame) -> pd.Series:
        """Distance of a run to the reference of each seed; NaN if the run, given by its `quantities`, lacks one."""
        each = self.differences(run)
        rows = np.ascontiguousarray(each)  # the last digit of a sum depends on the layout in memory
        return pd.Series(np.sqrt(np.mean(np.square(rows), axis=0)), index=each.columns)

    def compare(self, run: pd.DataFrame) -> pd.DataFrame:
        """Compare a run, given by its `quantities`, with the references.

        Returns:
            One row for each quantity that all references have, with the columns `kind`, `place`, `value` (NaN if the
            run lacks the quantity), `low` and `high` (a new seed is expected between them), and `z`, the difference
            from the nearest reference in units of two seeds.
        """
        nearest = self.distances(run).fillna(math.inf).idxmin()
        margin = BEYOND * self.spread
        ends = self._back(self.values.min(axis=1) - margin), self._back(self.values.max(axis=1) + margin)
        z = self.differences(run)[nearest]
        return self._own(run).assign(low=np.minimum(*ends), high=np.maximum(*ends), z=z).reset_index()

    def _own(self, run: pd.DataFrame) -> pd.DataFrame:
        return run.set_index(["kind", "place"])[["value"]].reindex(self.values.index)

    def _back(self, places: pd.Series) -> list[float]:
        kinds = places.index.get_level_values("kind")
        return [SCALES[kind].backward(place) for kind, place in zip(kinds, places, strict=True)]


def on_scales(values: pd.DataFrame) -> pd.DataFrame:
    """Values on the scales of their kinds, which are in the index."""
    rows = zip(values.index.get_level_values("kind"), values.to_numpy(float), strict=True)
    return pd.DataFrame([SCALES[kind].forward(row) for kind, row in rows], values.index, values.columns)
