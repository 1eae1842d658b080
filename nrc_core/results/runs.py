"""Tidy results of configurations; a run that is in the store is not computed again.

The import of pandas takes a second, so it is done only where tables are read. The checks before a notebook starts
read no tables.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from nrc_core.config.base import Configuration
from nrc_core.config.descent import FreeConfig
from nrc_core.data.catalogue import BUILT_IN, GENERATED, check_samples
from nrc_core.data.prepared import data_folder, read_manifest
from nrc_core.errors import TrainingDiverged
from nrc_core.results.obtaining import Obtaining, find, is_prepared
from nrc_core.results.results import TABLES, Results, joined
from nrc_core.results.store import RESULTS_VERSION, RunResult, Store, read_configuration

if TYPE_CHECKING:
    import pandas as pd
    import torch

logger = logging.getLogger(__name__)


REGRESSION = "regression"  # the task of runs without a named task
DATA_FIELDS = ("split", "shuffled")  # fields of the data in which the runs of a sweep may differ


def run(
    configs: Iterable[Configuration], *, store: Store | None = None, device: torch.device | str | None = None
) -> Results:
    """Results of all configurations, from the store or else by training and measurement; new results are stored.

    Networks of one shape are trained together if this is faster. If the loss of a run is no longer finite, the
    run is reported in `failures` and stored as a failure, so that it is not tried again; the other runs go on. If
    several processes need the same run, one process computes it and the others wait.

    Args:
        store: the store; the default `Store()` unless given.
        device: the device; a GPU, if the machine has one, unless given.

    Raises:
        TrainingDiverged: all runs diverged.
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


def stored(
    configs: Iterable[Configuration], *, store: Store, tables: Collection[str] = TABLES
) -> tuple[Results | None, int]:
    """Results of these configurations in the store (None if it has none) and the number of missing runs; no training.

    Args:
        tables: tables to read, see `Store.load`. Frames of other tables are empty and have no column `key`, so that
            any use of them gives an error.

    Example:
        >>> stored(deep_nrc_mlp("synthetic", seeds=[0, 1]), store=Store(tmp))
        (None, 2)
    """
    found = [(config, find(config, store, tables)) for config in configs]
    there = [(config, result) for config, result in found if result is not None]
    results = _collect(there, tables)
    return (None if results.runs.empty else results), len(found) - len(there)


def all_stored(
    store: Store, wanted: Callable[[Configuration], bool], tables: Collection[str] = TABLES
) -> Results | None:
    """Results of all runs in a store whose configuration is wanted; None if there are none. Nothing is trained.

    Runs of an older version of the results are left out, and so are damaged runs.

    Args:
        tables: as in `stored`.

    Example:
        >>> all_stored(Store(tmp), lambda config: config.dataset == "no such data") is None
        True
    """
    records = [record for record in store.records() if record["results_version"] == RESULTS_VERSION]
    configs = {record["key"]: read_configuration(record["config"]) for record in records}
    found = [(config, store.load(key, tables)) for key, config in configs.items() if wanted(config)]
    results = _collect([(config, result) for config, result in found if result is not None], tables)
    return None if results.runs.empty else results


def check_obtainable(configs: Iterable[Configuration], *, store: Store) -> list[Configuration]:
    """The runs that the store lacks, after a check that they can be trained on this machine.

    Prepared data are not loaded, since this takes seconds and is done again when the run is trained.

    Raises:
        ConfigError: more rows are requested than the data have, or a table has too few rows.
        DataUnavailable: a run is not in the store, and its data are not on this machine.
    """
    obtaining = Obtaining(store)
    lacking = [config for config in configs if find(config, store, tables=()) is None]
    for config in lacking:
        if isinstance(config, FreeConfig):
            continue
        if config.dataset not in BUILT_IN or not is_prepared(config):
            obtaining.load(config)  # data that can be simulated are simulated here
        elif config.dataset not in GENERATED:
            check_samples(config.dataset_options.get("samples"), read_manifest(data_folder() / config.dataset).rows)
    return lacking


def _collect(pairs: list[tuple[Configuration, RunResult]], tables: Collection[str] = TABLES) -> Results:
    """The results of configurations and their runs. The frames of tables that were not read are empty."""
    import pandas as pd

    failures = {in_words(config): run.failure for config, run in pairs if run.failure}
    each = [(run.key, _wanted(config, run)) for config, run in pairs if not run.failure]
    done = [run for _, run in pairs if not run.failure]
    rows = [
        {"key": run.key, "cached": run.cached, "task": run.config.TASK or REGRESSION}
        | {name: run.provenance[name] for name in ("device", "seconds", "date", "commit")}
        | {name: run.provenance["data"].get(name) for name in DATA_FIELDS}
        | {"pretraining_key": run.provenance.get("pretraining_key")}
        | {"exposure": run.config.exposure(run.provenance["data"]["n_train"])}
        | run.config.as_dict()
        for run in done
    ]
    seeds = {row["key"]: row["seed"] for row in rows}
    frames = {name: pd.DataFrame() for name in TABLES}
    for name in tables:
        frames[name] = joined([(key, own[name]) for key, own in each if name in own])
        frames[name]["seed"] = frames[name]["key"].map(seeds)
    provenance = {run.key: dict(run.provenance) for run in done}
    return Results(pd.DataFrame(rows), **frames, provenance=provenance, failures=failures)


def in_words(config: Configuration) -> str:
    """A configuration in words, by the fields in which runs of a page differ; usual values are left out.

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


def _wanted(config: Configuration, run: RunResult) -> dict[str, pd.DataFrame]:
    """The tables of a run with only the measurements that the configuration wants; the run may have more."""
    tables = dict(run.tables)
    if "measurements" not in tables:
        return tables
    m = tables["measurements"]
    m = m if "convention" in m else m.assign(convention="careful")
    ends = m[config.CLOCK].max()  # earlier than planned if `stop_loss` ended the run
    times = [*config.times, ends] if ends < max(config.times) else config.times
    wanted = m[config.CLOCK].isin(times) & m["convention"].isin(config.conventions)
    tables["measurements"] = m if wanted.all() else m[wanted]
    return tables
