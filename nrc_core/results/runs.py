"""From configurations to tidy results, through the store: what is there is not computed again.

pandas takes a second to import; it is imported where tables are read, which checks before a notebook starts do not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from nrc_core.config import Configuration
from nrc_core.data.catalogue import BUILT_IN, check_samples
from nrc_core.data.prepared import data_folder, read_manifest
from nrc_core.errors import TrainingDiverged
from nrc_core.results.obtaining import Obtained, Obtaining, find, is_prepared
from nrc_core.results.store import TABLES, Store, Wanted

if TYPE_CHECKING:
    import pandas as pd
    import torch

logger = logging.getLogger(__name__)
Made = TypeVar("Made")


@dataclass(frozen=True)
class Results:
    """Tidy results of a list of runs; `key` joins the frames.

    Attributes:
        runs: one row a run: key, cached, task, device, seconds, date, commit and the configuration.
        measurements: one row per run, epoch, split, features and site, columns as `measure`.
        spectra: one row per run, epoch, split, features, site and rank k.
        losses: one row per run and epoch, or so many iterations.
        downstream: one row per run and network that was fine-tuned or probed.
        provenance: by key, everything recorded.
        failures: by configuration in words, why a run has no results.
        derived: what was made of these very frames once and is used again, see `once`.
    """

    runs: pd.DataFrame
    measurements: pd.DataFrame
    spectra: pd.DataFrame
    losses: pd.DataFrame
    provenance: dict[str, dict[str, Any]]
    downstream: pd.DataFrame = field(default_factory=lambda: _joined([]))
    failures: dict[str, str] = field(default_factory=dict)
    derived: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def clock(self) -> str:
        """The column that says when something was measured, of runs of one task."""
        m = self.measurements
        return "epoch" if "epoch" in m and m["epoch"].notna().any() else "iteration"

    def final(self, split: str = "train", features: str = "post", convention: str = "careful") -> pd.DataFrame:
        """Measurements at the last epoch of every run."""
        m = self.measurements
        last = m[self.clock] == m.groupby("key")[self.clock].transform("max")
        view = (m["split"] == split) & (m["features"] == features) & (m["convention"] == convention)
        return m[last & view].reset_index(drop=True)

    def history(self, split: str = "train", features: str = "post") -> pd.DataFrame:
        """Measurements at every measured epoch."""
        m = self.measurements
        view = (m["split"] == split) & (m["features"] == features) & (m["convention"] == "careful")
        return m[view].reset_index(drop=True)

    def final_spectra(self, split: str = "train", features: str = "post") -> pd.DataFrame:
        """The metrics as curves in the rank k, at the last epoch of every run."""
        s = self.spectra
        last = s[self.clock] == s.groupby("key")[self.clock].transform("max")
        return s[last & (s["split"] == split) & (s["features"] == features)].reset_index(drop=True)

    def once(self, name: Any, make: Callable[[Results], Made]) -> Made:
        """What is made of these results, kept under its name; whoever takes it does not change it.

        Results with other frames may have been given what was derived of the first ones: for them it is made anew.
        """
        parts = (*(getattr(self, part) for part in ("runs", *TABLES)), self.provenance)
        kept = self.derived.get(name)
        if kept is None or any(one is not other for one, other in zip(kept[0], parts, strict=True)):
            kept = self.derived[name] = (parts, make(self))
        made: Made = kept[1]
        return made

    def label(self, table: pd.DataFrame, *fields: str) -> pd.DataFrame:
        """A table with columns of `runs` joined to it, as `weight_decay`."""
        return table.merge(self.runs[["key", *fields]], on="key")

    def where(self, **values: Any) -> Results:
        """The runs whose fields have these values.

        Raises:
            KeyError: a name that is no column of `runs`.
        """
        chosen = self.runs
        for name, value in values.items():
            chosen = chosen[chosen[name] == value]
        keys = set(chosen["key"])
        frames = {
            name: frame[frame["key"].isin(keys)].reset_index(drop=True) if "key" in frame else frame
            for name in ("runs", *TABLES)
            for frame in [getattr(self, name)]
        }
        provenance = {key: record for key, record in self.provenance.items() if key in keys}
        return Results(**frames, provenance=provenance, failures=self.failures)


REGRESSION = "regression"  # the task of runs that name none
DATA_FIELDS = ("split", "shuffled")  # of the data, that sweeps are told apart by


def run(
    configs: Iterable[Configuration], *, store: Store | None = None, device: torch.device | str | None = None
) -> Results:
    """Results of every configuration: from the store where it has them, else trained, measured and stored.

    Networks of one shape are trained together where that is faster. A run whose loss stops being finite is
    reported in `failures` and stored as one that does, so that it is not tried again; the others go on. Of
    several processes that want the same run, one computes it and the others wait.

    Args:
        store: the default `Store()` unless given.
        device: a GPU where there is one, unless given.

    Raises:
        TrainingDiverged: every run did.
        DataUnavailable: a run is not in the store, and its data are not on this machine.
        DataDamaged, ConfigError: from loading the data.

    Example:
        >>> results = run(deep_nrc_mlp("synthetic", samples=100, width=8, epochs=1), store=Store(tmp))
        >>> sorted(results.final()["site"])
        [0, 1, 2, 3, 4, 5, 6, 7, 8]
    """
    results = _collect(Obtaining(Store() if store is None else store, device).obtain(list(configs)))
    for failure in results.failures.values():
        logger.warning("%s", failure)
    if results.runs.empty:
        raise TrainingDiverged("; ".join(results.failures.values()) or "no configuration was given")
    return results


def stored(configs: Iterable[Configuration], *, store: Store, tables: Wanted = TABLES) -> tuple[Results | None, int]:
    """What the store has of these configurations, None without any tables, and how many it lacks; trains nothing.

    Args:
        tables: those that are read, see `Store.load`; the frames of the others have not even a key, so that whoever
            wants one is told.

    Example:
        >>> stored(deep_nrc_mlp("synthetic", seeds=[0, 1]), store=Store(tmp))
        (None, 2)
    """
    import pandas as pd

    obtained, missing = [], 0
    for config in configs:
        found = find(config, store, tables)
        if found is None:
            missing += 1
        else:
            obtained.append(Obtained(config, found, cached=True))
    results = _collect(obtained)
    unread = {name: pd.DataFrame() for name in TABLES if name not in tables}
    return (None if results.runs.empty else replace(results, **unread)), missing


def check_obtainable(configs: Iterable[Configuration], *, store: Store) -> list[Configuration]:
    """Those runs that the store lacks, after a look at whether they can be trained here.

    Prepared data are not loaded, which takes seconds and is done again where the run is trained.

    Raises:
        ConfigError: more rows are asked for than there are, or a table has too few.
        DataUnavailable: a run can be neither found nor trained here.
    """
    obtaining = Obtaining(store)
    lacking = [config for config in configs if find(config, store, tables=()) is None]
    for config in lacking:
        if config.dataset not in BUILT_IN or not is_prepared(config):
            obtaining.load(config)  # simulates what can be simulated
        elif config.dataset != "synthetic":
            check_samples(config.dataset_options.get("samples"), read_manifest(data_folder() / config.dataset).rows)
    return lacking


def _collect(obtained: list[Obtained]) -> Results:
    import pandas as pd

    failures = {in_words(one.wanted): one.result.failure for one in obtained if one.result.failure}
    done = [one for one in obtained if not one.result.failure]
    each = [(one.result.key, _wanted(one)) for one in done]
    frames = {name: _joined([(key, tables[name]) for key, tables in each if name in tables]) for name in TABLES}
    rows = [
        {"key": one.result.key, "cached": one.cached, "task": one.result.config.TASK or REGRESSION}
        | {name: one.result.provenance[name] for name in ("device", "seconds", "date", "commit")}
        | {name: one.result.provenance["data"].get(name) for name in DATA_FIELDS}
        | {"pretraining_key": one.result.provenance.get("pretraining_key")}
        | one.result.config.as_dict()
        for one in done
    ]
    seeds = {row["key"]: row["seed"] for row in rows}
    for frame in frames.values():
        frame["seed"] = frame["key"].map(seeds)
    provenance = {one.result.key: dict(one.result.provenance) for one in done}
    return Results(pd.DataFrame(rows), **frames, provenance=provenance, failures=failures)


def _joined(tables: list[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """The tables of runs, given with their keys, below each other."""
    import pandas as pd

    if not tables:
        return pd.DataFrame(columns=["key"])
    keys = [key for key, table in tables for _ in range(len(table))]
    return pd.concat([table for _, table in tables], ignore_index=True).assign(key=keys)


def in_words(config: Configuration) -> str:
    """A configuration by what tells it from others of its page; what is usual goes without saying.

    Example:
        >>> in_words(EXPERIMENTS["deep_nrc_mlp"]("hopper", seeds=[3])[0])
        'hopper, weight decay 0.001, width 256, depth 8, seed 3'
    """
    names = ("weight_decay", "width", "depth", "bias", "init_scale", "label_smoothing", "start", "seed")
    usual = {"bias": False, "init_scale": 1, "label_smoothing": 0}
    told = {name: getattr(config, name) for name in names if hasattr(config, name)}
    values = [
        "with biases" if name == "bias" else f"{name.replace('_', ' ')} {f'{v:g}' if isinstance(v, float) else v}"
        for name, v in told.items()
        if name not in usual or v != usual[name]
    ]
    return ", ".join([config.dataset, *values])


def _wanted(one: Obtained) -> dict[str, pd.DataFrame]:
    """What the configuration asks for, of a run that may have been measured more widely."""
    tables, config = dict(one.result.tables), one.wanted
    if "measurements" not in tables:
        return tables
    m = tables["measurements"]
    m = m if "convention" in m else m.assign(convention="careful")
    ends = m[config.CLOCK].max()  # a run that its loss ended was measured last before it was planned to be
    times = [*config.times, ends] if ends < max(config.times) else config.times
    tables["measurements"] = _rows(m, m[config.CLOCK].isin(times) & m["convention"].isin(config.views))
    if (s := tables.get("spectra")) is not None:
        tables["spectra"] = _rows(s, s[config.CLOCK].isin(times))
    return tables


def _rows(table: pd.DataFrame, wanted: pd.Series) -> pd.DataFrame:
    return table if wanted.all() else table[wanted]
