"""Results of configurations, from the store or else by training. Similar networks are trained together."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from nrc_core.config.base import Configuration
from nrc_core.config.classification import TransferConfig
from nrc_core.config.descent import NO_DATA, FreeConfig
from nrc_core.data.catalogue import data_identity
from nrc_core.errors import DataUnavailable, TrainingDiverged
from nrc_core.results.results import TABLES
from nrc_core.results.store import RunResult, Store, content_key
from nrc_core.training.progress import duration

if TYPE_CHECKING:
    import torch

    from nrc_core.data.dataset import Dataset

logger = logging.getLogger(__name__)
LOADED_AT_ONCE = 2  # number of data sets that are kept in memory; some have gigabytes of images


def find(config: Configuration, store: Store, tables: Collection[str] = TABLES) -> RunResult | None:
    """Find a run in the store by its content key, or by its configuration if the data are not on this machine.

    Args:
        tables: tables to read, see `Store.load`.
    """
    try:
        found = store.load(content_key(config, _identity(config)), tables)
    except DataUnavailable:
        found = store.find(config, tables)
    if found is not None and not (found.failure or found.config.covers(config)):
        found = None
    logger.debug("%s: %s in %s", config.short_name, found.key if found else "not", store.folder)
    return found


def is_prepared(config: Configuration) -> bool:
    """Whether the data of a run are on this machine."""
    try:
        _identity(config)
    except DataUnavailable:
        return False
    return True


def _identity(config: Configuration) -> str:
    if isinstance(config, FreeConfig):
        return NO_DATA
    options = config.dataset_options
    return data_identity(config.dataset, targets=options.get("targets", ()), split=options.get("split", "random"))


class Obtaining:
    """Give the results of runs, and keep the last data sets in memory.

    The import of torch takes seconds, so it is done only if the store lacks a run. Pages of stored results do not need
    torch.
    """

    def __init__(self, store: Store, device: torch.device | str | None = None) -> None:
        self._store, self._given_device = store, device
        self._loaded: dict[str, Dataset] = {}

    @cached_property
    def _device(self) -> torch.device:
        from nrc_core.training.computing import chosen_device

        return chosen_device(self._given_device)

    def load(self, config: Configuration) -> Dataset:
        """Load the data of a run.

        Raises:
            DataUnavailable, DataDamaged, ConfigError: as `load_dataset`.
        """
        from nrc_core.data.load import load_dataset

        name = _data_words(config)
        if name not in self._loaded:
            if len(self._loaded) == LOADED_AT_ONCE:
                del self._loaded[next(iter(self._loaded))]
            logger.debug("loading %s", name)
            self._loaded[name] = load_dataset(config.dataset, **config.dataset_options)
        return self._loaded[name]

    def obtain(self, configs: Sequence[Configuration]) -> list[tuple[Configuration, RunResult]]:
        """Every configuration with its result."""
        outcomes = [self._look_up(config) for config in configs]
        missing = [place for place, outcome in enumerate(outcomes) if outcome is None]
        if missing:  # this checks the device before data are loaded, since loading takes longer
            logger.debug("%d of %d networks are to be trained on %s", len(missing), len(configs), self._device)
        keys = {place: self._key(configs[place]) for place in missing}
        trained = self._train_all([(keys[place], configs[place]) for place in missing]) if missing else {}
        for place, key in keys.items():
            # If there is no result, another process computed the run first, or the same run is wanted a second time.
            outcomes[place] = trained.pop(key, None) or self._look_up(configs[place])
        return [(config, outcome) for config, outcome in zip(configs, outcomes, strict=True) if outcome is not None]

    def _look_up(self, config: Configuration) -> RunResult | None:
        found = find(config, self._store)
        if found is not None:
            logger.info("%s: found in the store as %s, not trained again", config.short_name, found.key)
        return found

    def _key(self, config: Configuration) -> str:
        try:
            return content_key(config, _identity(config))
        except DataUnavailable:  # data that are simulated when they are loaded
            return content_key(config, self.load(config).provenance["identity"])

    def _train_all(self, missing: Sequence[tuple[str, Configuration]]) -> dict[str, RunResult]:
        """Train runs with these keys, except runs that another process has stored in the meantime."""
        trained: dict[str, RunResult] = {}
        started, done = time.monotonic(), 0
        for stack in self._plan(missing):
            trained |= self._train(stack)
            done += len(stack)
            if len(stack) < len(missing):
                left = duration((time.monotonic() - started) / done * (len(missing) - done))
                more = f", about {left} to go" if done < len(missing) else ""
                logger.info("%d of %d networks are there%s", done, len(missing), more)
        return trained

    def _plan(self, missing: Sequence[tuple[str, Configuration]]) -> list[dict[str, Configuration]]:
        """Stacks of runs that are best trained together, by key. A run that is wanted twice is in only one stack.

        The stacks of one data set follow each other, so that the data are loaded once.
        """
        from nrc_core.training.computing import stack_size

        wanted: dict[str, Configuration] = {}
        for key, config in missing:
            wanted[key] = wanted[key].measured_with(config) if key in wanted else config
        alike: dict[str, dict[str, list[str]]] = {}  # keys of the runs by their data, and by what a stack shares
        for key, config in wanted.items():
            alike.setdefault(_data_words(config), {}).setdefault(config.stack_key(), []).append(key)
        stacks = []
        for keys in chain.from_iterable(groups.values() for groups in alike.values()):
            size = stack_size(wanted[keys[0]], self._device)
            stacks += [{key: wanted[key] for key in keys[start : start + size]} for start in range(0, len(keys), size)]
        return stacks

    def _train(self, stack: dict[str, Configuration]) -> dict[str, RunResult]:
        """Train and store the runs that the store still lacks; another process may have stored some of them."""
        self._store.check_writable()
        with ExitStack() as locks:
            for key in sorted(stack):  # in one order, so that two processes never wait for each other
                locks.enter_context(self._store.lock(key))
            lacking = {key: config for key, config in stack.items() if find(config, self._store, tables=()) is None}
            return self._compute(lacking) if lacking else {}

    def _compute(self, stack: dict[str, Configuration]) -> dict[str, RunResult]:
        from nrc_core.results.provenance import describe_run
        from nrc_core.training.checkpoints import Trained
        from nrc_core.training.computing import compute

        runs = {}
        for key, config in stack.items():
            earlier = self._store.load(key, tables=())
            runs[key] = config.measured_with(earlier.config) if earlier else config
        (first_key, first), *_ = runs.items()
        dataset = None if isinstance(first, FreeConfig) else self.load(first)
        checkpoints = [self._store.checkpoint(key) for key in runs]
        try:
            weights = self._weights(first_key, first)
        except TrainingDiverged as error:  # the pre-training diverged, so there are no initial weights
            computed = [Trained(first, {}, seconds=0.0, failure=str(error))]
        else:
            configs = list(runs.values())
            computed = compute(configs, dataset, device=self._device, checkpoints=checkpoints, weights=weights)
        done = {}
        for key, checkpoint, one in zip(runs, checkpoints, computed, strict=True):
            done[key] = self._store.save(key, one.tables, describe_run(one, dataset, self._device))
            checkpoint.unlink(missing_ok=True)
        return done

    def _weights(self, key: str, config: Configuration) -> Path | None:
        """The argument `weights` of `compute` for this run."""
        if isinstance(config, TransferConfig):
            return self._pretrained(config)
        return self._store.weights(key) if config.keep_weights else None

    def _pretrained(self, config: TransferConfig) -> Path:
        """The file of the initial weights of the fine-tuning; if it does not exist, train the network again."""
        from nrc_core.training.checkpoints import is_whole

        pretraining = replace(config.pretraining, keep_weights=True)
        key = self._key(pretraining)
        path = self._store.weights(key) / f"{config.start}.pt"
        with self._store.lock(key):
            # A run that goes on from a checkpoint may lack earlier weights. The second time there is no checkpoint.
            for _ in range(2):
                if not is_whole(path):
                    (outcome,) = self._compute({key: pretraining}).values()
                    if outcome.failure:
                        raise TrainingDiverged(outcome.failure)
        return path


def _data_words(config: Configuration) -> str:
    return repr((config.dataset, sorted(config.dataset_options.items())))
