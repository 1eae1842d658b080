"""Results of configurations: found in the store, or else trained, alike networks together, and stored."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nrc_core.config.base import Configuration
from nrc_core.config.classification import ClassifierConfig, TransferConfig
from nrc_core.config.regression import RunConfig
from nrc_core.data.catalogue import data_identity
from nrc_core.errors import DataUnavailable, TrainingDiverged
from nrc_core.results.records import TABLES
from nrc_core.results.store import RunResult, Store, Wanted, content_key
from nrc_core.training.progress import duration

if TYPE_CHECKING:
    import torch

    from nrc_core.data.dataset import Dataset

logger = logging.getLogger(__name__)
LOADED_AT_ONCE = 2  # data sets that are kept in memory: the images of some fill gigabytes


@dataclass(frozen=True)
class Obtained:
    """A configuration with its result, and whether that was there before."""

    wanted: Configuration
    result: RunResult
    cached: bool


def find(config: Configuration, store: Store, tables: Wanted = TABLES) -> RunResult | None:
    """The run in the store, by its content key, or by its configuration where the data are not there.

    Args:
        tables: those that are read, see `Store.load`.
    """
    try:
        found = store.load(content_key(config, _identity(config)), tables)
    except DataUnavailable:
        found = store.find(config, tables)
    usable = found is not None and (found.failure or found.config.covers(config))
    place = found.key if usable and found else "not"
    logger.debug("%s, seed %d: %s in %s", config.dataset, config.seed, place, store.folder)
    return found if usable else None


def is_prepared(config: Configuration) -> bool:
    """Whether the data of a run are on this machine."""
    try:
        _identity(config)
    except DataUnavailable:
        return False
    return True


def _identity(config: Configuration) -> str:
    options = config.dataset_options
    return data_identity(config.dataset, targets=options.get("targets", ()), split=options.get("split", "random"))


class Obtaining:
    """Runs that the store has or lacks, with the data sets that were loaded last.

    Imports torch, which takes seconds, at the first that it lacks: pages made of stored results do without.
    """

    def __init__(self, store: Store, device: torch.device | str | None = None) -> None:
        self._store, self._device = store, device
        self._loaded: dict[str, Dataset] = {}

    def load(self, config: Configuration) -> Dataset:
        """The data of a run.

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

    def obtain(self, configs: Sequence[Configuration]) -> list[Obtained]:
        """The result of every configuration."""
        outcomes: list[Obtained | None] = [self._look_up(config) for config in configs]
        missing = [config for config, outcome in zip(configs, outcomes, strict=True) if outcome is None]
        trained: dict[str, RunResult] = {}
        if missing:
            from nrc_core.training.computing import chosen_device

            self._device = chosen_device(self._device)  # before the data are loaded, which takes longer
        started, done = time.monotonic(), 0
        for stack in self._stacks(missing):
            trained |= self._train(stack)
            done += len(stack)
            if len(stack) < len(missing):
                left = duration((time.monotonic() - started) / done * (len(missing) - done))
                more = f", about {left} to go" if done < len(missing) else ""
                logger.info("%d of %d networks are there%s", done, len(missing), more)
        for place, config in enumerate(configs):
            if outcomes[place] is None:
                found = trained.pop(self._key(config), None)
                if found is not None:
                    outcomes[place] = Obtained(config, found, cached=False)
                else:  # another process was faster, or it is the second time that it is wanted
                    outcomes[place] = self._look_up(config)
        return [outcome for outcome in outcomes if outcome is not None]

    def _look_up(self, config: Configuration) -> Obtained | None:
        found = find(config, self._store)
        if found is None:
            return None
        logger.info("%s, seed %d: found in the store as %s, not trained again", config.dataset, config.seed, found.key)
        return Obtained(config, found, cached=True)

    def _key(self, config: Configuration) -> str:
        try:
            return content_key(config, _identity(config))
        except DataUnavailable:  # data that are simulated when they are loaded
            return content_key(config, self.load(config).provenance["identity"])

    def _stacks(self, configs: Sequence[Configuration]) -> Iterator[dict[str, Configuration]]:
        """By key, runs that are best trained together; what is wanted twice is measured wherever either asks."""
        wanted: dict[str, Configuration] = {}
        for config in configs:
            key = self._key(config)
            wanted[key] = config if key not in wanted else wanted[key].measured_with(config)
        places: dict[str, int] = {}
        alike: dict[str, dict[str, Configuration]] = {}
        for key, config in wanted.items():
            alike.setdefault(config.stack_key(), {})[key] = config
            places.setdefault(_data_words(config), len(places))
        # Those of one data set after each other, so that it is loaded once.
        for group in sorted(alike.values(), key=lambda group: places[_data_words(next(iter(group.values())))]):
            size, keys = self._stack_size(next(iter(group.values()))), list(group)
            for start in range(0, len(keys), size):
                yield {key: group[key] for key in keys[start : start + size]}

    def _stack_size(self, config: Configuration) -> int:
        from nrc_core.training.computing import chosen_device, stack_size

        return stack_size(config, chosen_device(self._device)) if isinstance(config, RunConfig) else 1

    def _train(self, stack: dict[str, Configuration]) -> dict[str, RunResult]:
        """Train and store what the store still lacks; another process may have been faster."""
        self._store.check_writable()
        with ExitStack() as locks:
            for key in sorted(stack):  # in one order, so that two processes never wait for each other
                locks.enter_context(self._store.lock(key))
            lacking = {key: config for key, config in stack.items() if find(config, self._store) is None}
            return self._compute(lacking) if lacking else {}

    def _compute(self, stack: dict[str, Configuration]) -> dict[str, RunResult]:
        from nrc_core.results.provenance import describe_run
        from nrc_core.training.computing import chosen_device, compute
        from nrc_core.training.identity import Trained

        wider = {}
        for key, config in stack.items():
            earlier = self._store.load(key)
            wider[key] = config if earlier is None else config.measured_with(earlier.config)
        checkpoints = {key: self._store.checkpoint(key) for key in stack}
        dataset = self.load(next(iter(wider.values())))
        try:
            found = compute(
                list(wider.values()),
                dataset,
                device=self._device,
                checkpoints=list(checkpoints.values()),
                weights=self._weights(*next(iter(wider.items()))),
                validation=self._validation(next(iter(wider.values()))),
            )
        except TrainingDiverged as error:  # of the pre-training: there are no weights to start from
            found = [Trained(config, {}, seconds=0.0, failure=str(error)) for config in wider.values()]
        done: dict[str, RunResult] = {}
        for key, computed in zip(stack, found, strict=True):
            record = describe_run(computed, dataset, chosen_device(self._device))
            done[key] = self._store.save(key, computed.tables, record)
            checkpoints[key].unlink(missing_ok=True)
        return done

    def _weights(self, key: str, config: Configuration) -> Path | None:
        """Where the weights are that a run starts from, or is to keep."""
        if isinstance(config, TransferConfig):
            return self._pretrained(config)
        return self._store.weights(key) if isinstance(config, ClassifierConfig) and config.keep_weights else None

    def _validation(self, config: Configuration) -> Dataset | None:
        from nrc_core.data.load import load_dataset

        if not isinstance(config, TransferConfig):
            return None
        return load_dataset(config.dataset, **config.validation_options)

    def _pretrained(self, config: TransferConfig) -> Path:
        """The file of the weights that fine-tuning starts from; trains the network again if they were not kept."""
        from nrc_core.training.checkpoints import is_whole

        pretraining = replace(config.pretraining, keep_weights=True)
        key = self._key(pretraining)
        path = self._store.weights(key) / f"{config.start}.pt"
        with self._store.lock(key):
            # A checkpoint of a run without weights may leave some out; the second time there is none to go on from.
            for _ in range(2):
                if not is_whole(path):
                    (outcome,) = self._compute({key: pretraining}).values()
                    if outcome.failure:
                        raise TrainingDiverged(outcome.failure)
        return path


def _data_words(config: Configuration) -> str:
    return repr((config.dataset, sorted(config.dataset_options.items())))
