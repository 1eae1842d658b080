"""From configurations to tidy results, through the store: what is there is not computed again."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch

from nrc_core.config import RunConfig
from nrc_core.datasets import Dataset, load_dataset
from nrc_core.errors import DataUnavailable, TrainingDiverged
from nrc_core.measurement import decompose, input_spectra, spectra, tabulate
from nrc_core.metrics import Eigen
from nrc_core.moments import collect
from nrc_core.provenance import describe_run
from nrc_core.store import TABLES, RunResult, Store, content_key
from nrc_core.training import Training, reproducible_cpu, train

logger = logging.getLogger(__name__)

# What is measured at each chosen epoch: (samples, features).
VIEWS = (("train", "post"), ("train", "pre"), ("test", "post"))


@dataclass(frozen=True)
class Results:
    """Tidy results of a list of runs; `key` joins the frames.

    Attributes:
        runs: one row a run: key, cached, device, seconds, date, commit and the configuration.
        measurements: one row per run, epoch, split, features and site, columns as `measure`.
        spectra: one row per run, epoch, split, features, site and rank k.
        losses: one row per run and epoch.
        provenance: by key, everything recorded.
        failures: by configuration in words, why a run has no results.
        derived: what was made of the frames once and is used again.
    """

    runs: pd.DataFrame
    measurements: pd.DataFrame
    spectra: pd.DataFrame
    losses: pd.DataFrame
    provenance: dict[str, dict[str, Any]]
    failures: dict[str, str] = field(default_factory=dict)
    derived: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def final(self, split: str = "train", features: str = "post", convention: str = "careful") -> pd.DataFrame:
        """Measurements at the last epoch of every run."""
        m = self.measurements
        last = m["epoch"] == m.groupby("key")["epoch"].transform("max")
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
        last = s["epoch"] == s.groupby("key")["epoch"].transform("max")
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


DATA_FIELDS = ("split", "shuffled")  # of the data, that sweeps are told apart by


def run(
    configs: Iterable[RunConfig], *, store: Store | None = None, device: torch.device | str | None = None
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
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    data = _Data()
    done: list[_Done] = []
    failures: dict[str, str] = {}
    for config in configs:
        try:
            done.append(_obtain(config, data, store, device))
        except TrainingDiverged as error:
            logger.warning("%s", error)
            failures[_words(config)] = str(error)
    if not done:
        raise TrainingDiverged("; ".join(failures.values()) or "no configuration was given")
    return _collect(done, failures)


def stored(configs: Iterable[RunConfig], *, store: Store) -> tuple[Results | None, int]:
    """What the store has of these configurations, and how many it lacks; nothing is trained.

    Example:
        >>> stored(deep_nrc_mlp("synthetic", seeds=[0, 1]), store=Store(tmp))
        (None, 2)
    """
    data = _Data()
    done, missing = [], 0
    for config in configs:
        found = _find(config, data, store)
        if found is None:
            missing += 1
        else:
            done.append(_Done(config, found, cached=True))
    return (_collect(done, {}) if done else None), missing


def check_obtainable(configs: Iterable[RunConfig], *, store: Store) -> None:
    """Raise DataUnavailable (or what else loading raises) for a run that can be neither found nor trained here."""
    data = _Data()
    for config in configs:
        try:
            data.load(config)
        except DataUnavailable:
            if _find(config, data, store) is None:
                raise


@dataclass(frozen=True)
class _Done:
    wanted: RunConfig
    result: RunResult
    cached: bool


class _Data:
    """The data sets of a list of runs, each loaded once."""

    def __init__(self) -> None:
        self._loaded: dict[str, Dataset | DataUnavailable] = {}

    def load(self, config: RunConfig) -> Dataset:
        name = repr((config.dataset, sorted(config.dataset_options.items())))
        if name not in self._loaded:
            try:
                self._loaded[name] = load_dataset(config.dataset, **config.dataset_options)
            except DataUnavailable as error:
                self._loaded[name] = error
        found = self._loaded[name]
        if isinstance(found, DataUnavailable):
            raise found
        return found


def _find(config: RunConfig, data: _Data, store: Store) -> RunResult | None:
    """The run in the store, by its content key, or by its configuration where the data are not there."""
    try:
        found = store.load(content_key(config, data.load(config).provenance["identity"]))
    except DataUnavailable:
        found = store.find(config)
    return found if found is not None and found.config.covers(config) else None


def _obtain(config: RunConfig, data: _Data, store: Store, device: torch.device) -> _Done:
    found = _find(config, data, store)
    if found is None:
        dataset = data.load(config)
        key = content_key(config, dataset.provenance["identity"])
        store.check_writable()
        with store.lock(key):
            found = _find(config, data, store)  # another process may have been faster
            if found is None:
                earlier = store.load(key)
                wider = config if earlier is None else config.measured_with(earlier.config)
                return _Done(config, _compute(wider, dataset, key, store, device), cached=False)
    logger.info("%s, seed %d: found in the store as %s, not trained again", config.dataset, config.seed, found.key)
    return _Done(config, found, cached=True)


def _compute(config: RunConfig, dataset: Dataset, key: str, store: Store, device: torch.device) -> RunResult:
    started = time.monotonic()
    measured: list[pd.DataFrame] = []
    eigenvalues: list[pd.DataFrame] = []
    losses: list[dict[str, float]] = []
    with reproducible_cpu():
        for epoch, training in train(config, dataset, device=device):
            losses = training.losses
            inputs = input_spectra(training.model)
            conventions = config.conventions if epoch == config.epochs else ("careful",)
            for split, features in VIEWS:
                view = {"epoch": epoch, "split": split, "features": features}
                by_convention, spectrum = _measure(training, split, features, conventions, inputs, device)
                measured += [table.assign(**view) for table in by_convention]
                eigenvalues.append(spectrum.assign(**view))
    tables = dict(zip(TABLES, (pd.concat(measured), pd.concat(eigenvalues), pd.DataFrame(losses)), strict=True))
    return store.save(key, tables, describe_run(config, dataset, device, time.monotonic() - started))


def _measure(
    training: Training,
    split: str,
    features: str,
    conventions: tuple[str, ...],
    inputs: dict[str, Eigen],
    device: torch.device,
) -> tuple[list[pd.DataFrame], pd.DataFrame]:
    data, config = training.dataset, training.config
    x, y = (data.x_train, data.y_train) if split == "train" else (data.x_test, data.y_test)
    sites = decompose(collect(training.model, x.to(device), y.to(device), features=features), inputs)
    tables = [
        tabulate(sites, rank=config.rank, convention=convention, tolerance=config.tolerance).assign(
            convention=convention
        )
        for convention in conventions
    ]
    return tables, spectra(sites)


def _collect(done: list[_Done], failures: dict[str, str]) -> Results:
    each = [(one.result.key, _wanted(one)) for one in done]
    frames = {
        name: pd.concat([tables[name].assign(key=key) for key, tables in each], ignore_index=True) for name in TABLES
    }
    rows = [
        {"key": one.result.key, "cached": one.cached}
        | {name: one.result.provenance[name] for name in ("device", "seconds", "date", "commit")}
        | {name: one.result.provenance["data"].get(name) for name in DATA_FIELDS}
        | one.result.config.as_dict()
        for one in done
    ]
    seeds = {row["key"]: row["seed"] for row in rows}
    for frame in frames.values():
        frame["seed"] = frame["key"].map(seeds)
    provenance = {one.result.key: dict(one.result.provenance) for one in done}
    return Results(pd.DataFrame(rows), **frames, provenance=provenance, failures=failures)


def _words(config: RunConfig) -> str:
    """A configuration by what tells it from others of its page."""
    names = ("weight_decay", "width", "depth", "bias", "init_scale", "seed")
    return ", ".join([config.dataset, *(f"{name.replace('_', ' ')} {getattr(config, name)}" for name in names)])


def _wanted(one: _Done) -> dict[str, pd.DataFrame]:
    """What the configuration asks for, of a run that may have been measured more widely."""
    tables = dict(one.result.tables)
    m, s, epochs = tables["measurements"], tables["spectra"], one.wanted.measure_epochs
    m = m if "convention" in m else m.assign(convention="careful")
    tables["measurements"] = m[m["epoch"].isin(epochs) & m["convention"].isin(one.wanted.conventions)]
    tables["spectra"] = s[s["epoch"].isin(epochs)]
    return tables
