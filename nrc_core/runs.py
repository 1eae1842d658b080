"""From configurations to tidy results, through the store: what is there is not computed again."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nrc_core.catalogue import data_identity
from nrc_core.classifier_config import ClassifierConfig, TransferConfig
from nrc_core.config import Configuration
from nrc_core.errors import DataUnavailable, TrainingDiverged
from nrc_core.store import TABLES, RunResult, Store, content_key

if TYPE_CHECKING:
    import torch

    from nrc_core.datasets import Dataset

logger = logging.getLogger(__name__)


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
        derived: what was made of the frames once and is used again.
    """

    runs: pd.DataFrame
    measurements: pd.DataFrame
    spectra: pd.DataFrame
    losses: pd.DataFrame
    provenance: dict[str, dict[str, Any]]
    downstream: pd.DataFrame = field(default_factory=lambda: _joined([]))
    failures: dict[str, str] = field(default_factory=dict)
    derived: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

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

    def label(self, table: pd.DataFrame, *fields: str) -> pd.DataFrame:
        """A table with columns of `runs` joined to it, as `weight_decay`."""
        return table.merge(self.runs[["key", *fields]], on="key")

    def where(self, **values: Any) -> Results:
        """The runs whose fields have these values.

        Raises:
            KeyError: a name that is no column of `runs`.
        """
        chosen = pd.Series(True, self.runs.index)
        for name, value in values.items():
            chosen &= self.runs[name] == value
        keys = set(self.runs.loc[chosen, "key"])
        frames = {
            name: frame[frame["key"].isin(keys)].reset_index(drop=True)
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

    A run whose loss stops being finite is reported in `failures`; the others go on. Of several
    processes that want the same run, one computes it and the others wait.

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
    store = Store() if store is None else store
    computing = _Computing(store, device)
    done: list[_Done] = []
    failures: dict[str, str] = {}
    for config in configs:
        try:
            done.append(computing.obtain(config))
        except TrainingDiverged as error:
            logger.warning("%s", error)
            failures[_words(config)] = str(error)
    if not done:
        raise TrainingDiverged("; ".join(failures.values()) or "no configuration was given")
    return _collect(done, failures)


def stored(configs: Iterable[Configuration], *, store: Store) -> tuple[Results | None, int]:
    """What the store has of these configurations, and how many it lacks; nothing is trained.

    Example:
        >>> stored(deep_nrc_mlp("synthetic", seeds=[0, 1]), store=Store(tmp))
        (None, 2)
    """
    done, missing = [], 0
    for config in configs:
        found = _find(config, store)
        if found is None:
            missing += 1
        else:
            done.append(_Done(config, found, cached=True))
    return (_collect(done, {}) if done else None), missing


def check_obtainable(configs: Iterable[Configuration], *, store: Store) -> None:
    """Raise DataUnavailable for a run that can be neither found nor trained here.

    Prepared data are not loaded, which takes seconds and is done again where the run is trained.
    """
    computing = _Computing(store)
    for config in configs:
        if _find(config, store) is None and not _prepared(config):
            computing.load(config)  # simulates what can be simulated


@dataclass(frozen=True)
class _Done:
    wanted: Configuration
    result: RunResult
    cached: bool


def _find(config: Configuration, store: Store) -> RunResult | None:
    """The run in the store, by its content key, or by its configuration where the data are not there."""
    try:
        found = store.load(content_key(config, _identity(config)))
    except DataUnavailable:
        found = store.find(config)
    return found if found is not None and found.config.covers(config) else None


def _prepared(config: Configuration) -> bool:
    try:
        _identity(config)
    except DataUnavailable:
        return False
    return True


def _identity(config: Configuration) -> str:
    return data_identity(config.dataset, targets=config.dataset_options.get("targets", ()))


class _Computing:
    """Runs that the store lacks, with each of their data sets loaded once.

    Imports torch, which takes seconds, at the first of them: pages made of stored results do without.
    """

    def __init__(self, store: Store, device: torch.device | str | None = None) -> None:
        self._store, self._device = store, device
        self._loaded: dict[str, Dataset] = {}

    def load(self, config: Configuration) -> Dataset:
        from nrc_core.datasets import load_dataset

        name = repr((config.dataset, sorted(config.dataset_options.items())))
        if name not in self._loaded:
            self._loaded[name] = load_dataset(config.dataset, **config.dataset_options)
        return self._loaded[name]

    def obtain(self, config: Configuration) -> _Done:
        found = _find(config, self._store)
        if found is None:
            dataset = self.load(config)
            key = content_key(config, dataset.provenance["identity"])
            self._store.check_writable()
            with self._store.lock(key):
                found = _find(config, self._store)  # another process may have been faster
                if found is None:
                    return self._compute(config, dataset, key)
        logger.info("%s, seed %d: found in the store as %s, not trained again", config.dataset, config.seed, found.key)
        return _Done(config, found, cached=True)

    def _compute(self, config: Configuration, dataset: Dataset, key: str) -> _Done:
        from nrc_core.computing import compute

        earlier = self._store.load(key)
        wider = config if earlier is None else config.measured_with(earlier.config)
        checkpoint = self._store.checkpoint(key)
        weights = None
        if isinstance(config, TransferConfig):
            weights = self._pretrained(config)
        elif isinstance(config, ClassifierConfig) and config.keep_weights:
            weights = self._store.weights(key)
        tables, provenance = compute(wider, dataset, device=self._device, checkpoint=checkpoint, weights=weights)
        result = self._store.save(key, tables, provenance)
        checkpoint.unlink(missing_ok=True)
        return _Done(config, result, cached=False)

    def _pretrained(self, config: TransferConfig) -> Path:
        """The file of the weights that fine-tuning starts from; trains the network again if they were not kept."""
        pretraining = replace(config.pretraining, keep_weights=True)
        dataset = self.load(pretraining)
        key = content_key(pretraining, dataset.provenance["identity"])
        path = self._store.weights(key) / f"{config.start}.pt"
        with self._store.lock(key):
            # A checkpoint of a run without weights may leave some out; the second time there is none to go on from.
            for _ in range(2):
                if not path.is_file():
                    self._compute(pretraining, dataset, key)
        return path


def _collect(done: list[_Done], failures: dict[str, str]) -> Results:
    each = [(one.result.key, _wanted(one)) for one in done]
    frames = {
        name: _joined([tables[name].assign(key=key) for key, tables in each if name in tables]) for name in TABLES
    }
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


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["key"])


def _words(config: Configuration) -> str:
    """A configuration by what tells it from others of its page."""
    names = ("weight_decay", "width", "depth", "bias", "init_scale", "label_smoothing", "start", "seed")
    told = [f"{name.replace('_', ' ')} {getattr(config, name)}" for name in names if hasattr(config, name)]
    return ", ".join([config.dataset, *told])


def _wanted(one: _Done) -> dict[str, pd.DataFrame]:
    """What the configuration asks for, of a run that may have been measured more widely."""
    tables, config = dict(one.result.tables), one.wanted
    if "measurements" not in tables:
        return tables
    m, s = tables["measurements"], tables["spectra"]
    m = m if "convention" in m else m.assign(convention="careful")
    ends = m[config.CLOCK].max()  # a run that its loss ended was measured last before it was planned to be
    times = [*config.times, ends] if ends < max(config.times) else config.times
    tables["measurements"] = m[m[config.CLOCK].isin(times) & m["convention"].isin(config.views)]
    tables["spectra"] = s[s[config.CLOCK].isin(times)]
    return tables
