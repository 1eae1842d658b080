"""Tidy results of runs, from which pages, tables and claims are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import pandas as pd

Made = TypeVar("Made")
# A run has only those that its configuration produces.
TABLES = ("measurements", "spectra", "losses", "downstream", "descent", "last_layer")


@dataclass(frozen=True)
class Results:
    """Tidy results of a list of runs. The frames can be joined by their column `key`.

    Attributes:
        runs: one row per run: key, cached, task, device, seconds, date, commit and the configuration.
        measurements: one row per run, epoch, split, features and site, with the columns of `measure`.
        spectra: one row per run, split, features, site and rank k, at the end of training.
        losses: one row per run and epoch, or per run and some number of iterations.
        downstream: one row per run and network that was fine-tuned or probed.
        descent: one row per run, random start, quantity and index, for small descents.
        last_layer: one row per run and entry of a covariance at the last weight, see `nrc_core.metrics.last_layer`.
        provenance: the full record of each run, by key.
        failures: the reasons why runs have no results, by configuration in words.
        derived: objects that were made from these frames and are used again, see `once`.
    """

    runs: pd.DataFrame
    measurements: pd.DataFrame
    spectra: pd.DataFrame
    losses: pd.DataFrame
    provenance: dict[str, dict[str, Any]]
    downstream: pd.DataFrame = field(default_factory=lambda: joined([]))
    descent: pd.DataFrame = field(default_factory=lambda: joined([]))
    last_layer: pd.DataFrame = field(default_factory=lambda: joined([]))
    failures: dict[str, str] = field(default_factory=dict)
    derived: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def clock(self) -> str:
        """The column with the time of a measurement (epoch or iteration), for runs of one task."""
        m = self.measurements
        return "epoch" if "epoch" in m and m["epoch"].notna().any() else "iteration"

    def final(self, split: str = "train", features: str = "post", convention: str = "careful") -> pd.DataFrame:
        """Measurements at the last epoch of every run."""
        return self._rows(self.measurements, last=True, split=split, features=features, convention=convention)

    def history(self, split: str = "train", features: str = "post") -> pd.DataFrame:
        """Measurements at every measured epoch."""
        return self._rows(self.measurements, split=split, features=features, convention="careful")

    def final_spectra(self, split: str = "train", features: str = "post") -> pd.DataFrame:
        """The metrics as curves in the rank k, at the last epoch of every run."""
        return self._rows(self.spectra, last=True, split=split, features=features)

    def _rows(self, table: pd.DataFrame, *, last: bool = False, **values: Any) -> pd.DataFrame:
        """The rows with these values in their columns; with `last`, only rows of the last epoch of every run."""
        if last:
            table = table[table[self.clock] == table.groupby("key")[self.clock].transform("max")]
        for name, value in values.items():
            table = table[table[name] == value]
        return table.reset_index(drop=True)

    def once(self, name: Any, make: Callable[[Results], Made]) -> Made:
        """Make an object from these results once, and keep it under a name; the caller must not change the object.

        If `derived` is from results with other frames, the object is made again.
        """
        parts = (*(getattr(self, part) for part in ("runs", *TABLES)), self.provenance)
        kept = self.derived.get(name)
        if kept is None or any(one is not other for one, other in zip(kept[0], parts, strict=True)):
            kept = self.derived[name] = (parts, make(self))
        made: Made = kept[1]
        return made

    def label(self, table: pd.DataFrame, *fields: str) -> pd.DataFrame:
        """A table joined with columns of `runs`, such as `weight_decay`."""
        return table.merge(self.runs[["key", *fields]], on="key")

    def where(self, **values: Any) -> Results:
        """The results of the runs whose fields have these values.

        Raises:
            KeyError: a name is not a column of `runs`.
        """
        return self.among(self._rows(self.runs, **values)["key"])

    def among(self, keys: Iterable[str]) -> Results:
        """The results of the runs that have these keys."""
        keys = set(keys)
        frames = {
            name: frame[frame["key"].isin(keys)].reset_index(drop=True) if "key" in frame else frame
            for name in ("runs", *TABLES)
            for frame in [getattr(self, name)]
        }
        provenance = {key: record for key, record in self.provenance.items() if key in keys}
        return Results(**frames, provenance=provenance, failures=self.failures)


def joined(tables: list[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """Concatenate tables of runs, and add a column with the key of each run."""
    import pandas as pd

    if not tables:
        return pd.DataFrame(columns=["key"])
    keys = [key for key, table in tables for _ in range(len(table))]
    return pd.concat([table for _, table in tables], ignore_index=True).assign(key=keys)
