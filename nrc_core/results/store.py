"""The results store: one folder for each run, found by the content of the run, never by a given name."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nrc_core.config.base import Configuration
from nrc_core.config.classification import ClassifierConfig, TransferConfig
from nrc_core.config.descent import ClassesConfig, FlowConfig, OrdinalConfig
from nrc_core.config.regression import RunConfig
from nrc_core.config.residual import ResidualConfig
from nrc_core.config.shallow_flow import DigitsFlowConfig, ShallowFlowConfig
from nrc_core.config.trained_features import TrainedFeaturesConfig
from nrc_core.files import atomic_folder, locked, project_folder, sha256
from nrc_core.results.results import TABLES

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

# Raise this number if a change to the core changes any stored number; a test with a frozen run
# detects this. It is part of every content key, so results of older code are not found again.
# A changed comment or a new figure needs no new number, so a day of GPU time is not lost.
RESULTS_VERSION = 1
PROVENANCE = "provenance.json"
# Errors when a damaged record, or a table that it names, is read.
DAMAGES = (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError)


KINDS: tuple[type[Configuration], ...] = (
    RunConfig,
    ClassifierConfig,
    TransferConfig,
    FlowConfig,
    OrdinalConfig,
    ClassesConfig,
    TrainedFeaturesConfig,
    ShallowFlowConfig,
    DigitsFlowConfig,
    ResidualConfig,
)


def content_key(config: Configuration, data_identity: str) -> str:
    """The name of a run: a fingerprint of its configuration, its data and the version of the results.

    If a default of the configuration changes, RESULTS_VERSION must be raised, see `RunConfig.identity`.
    """
    content = {"config": config.identity(), "data": data_identity, "results_version": RESULTS_VERSION}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _canonical(config: Configuration) -> str:
    return json.dumps(config.identity(), sort_keys=True)


@dataclass(frozen=True)
class RunResult:
    """The tables of one run and its provenance; a run whose loss was no longer finite has no tables.

    `cached` says whether the run was read from the store; it is false if the run has just been computed and saved.
    """

    key: str
    tables: Mapping[str, pd.DataFrame]
    provenance: Mapping[str, Any]
    cached: bool = True

    @property
    def config(self) -> Configuration:
        """The configuration that was run."""
        return read_configuration(self.provenance["config"])

    @property
    def failure(self) -> str | None:
        """The reason why there are no tables; None if there are tables."""
        return self.provenance.get("failure")


def read_configuration(values: Mapping[str, Any]) -> Configuration:
    """The configuration from the plain values of `Configuration.as_dict`.

    Example:
        >>> read_configuration(RunConfig("swimmer", 10, 0.1, 0.0).as_dict()).epochs
        10
    """
    kinds: dict[str | None, type[Configuration]] = {kind.TASK: kind for kind in KINDS}
    # JSON has lists where a configuration has tuples.
    given: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in values.items()}
    kind = kinds[given.pop("task", None)]
    if "pretraining" in given:
        given["pretraining"] = read_configuration(values["pretraining"])
    return kind(**given)


def _fingerprint(record: Mapping[str, Any]) -> str:
    """Checksum of a record without its own checksum.

    Example:
        >>> _fingerprint({"key": "a", "checksum": "b"}) == _fingerprint({"key": "a"})
        True
    """
    text = json.dumps({name: value for name, value in record.items() if name != "checksum"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """Results on disk: `<folder>/<key>/provenance.json` and a Parquet file for each of its `TABLES`.

    Runs are written completely or not at all. If a file is missing or differs from its recorded checksum (also the
    record itself), the run counts as absent: `load` logs it and returns None, and the run is computed again.

    Args:
        folder: folder of the store; the environment variable NRC_STORE or `build/store` of the project unless given.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None):
        self.folder = Path(folder or os.environ.get("NRC_STORE") or project_folder() / "build" / "store")

    def check_writable(self) -> None:
        """Raise OSError before the training, not after it, if the folder is not writable."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder):
            pass

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Hold the lock of a run while it is computed; a second process that needs the run waits and logs this."""
        return locked(self.folder / ".locks" / key, f"another process that computes run {key}")

    def checkpoint(self, key: str) -> Path:
        """Path of the checkpoint of an unfinished run."""
        return self.folder / ".checkpoints" / f"{key}.pt"

    def weights(self, key: str) -> Path:
        """Folder for the weights of a network from which other runs start; the weights are not part of its results."""
        return self.folder / ".weights" / key

    def find(self, config: Configuration, tables: Collection[str] = TABLES) -> RunResult | None:
        """The newest undamaged run of this configuration, from any version of its data.

        It is for results that are shown on a machine without the data.

        Args:
            tables: as in `load`.
        """
        found = self._catalogue(tuple(self._folders())).get(_canonical(config), [])
        loaded = (self.load(key, tables) for _, key in sorted(found, reverse=True))
        return next((run for run in loaded if run is not None), None)

    def all_keys(self) -> list[str]:
        """The keys of all runs in the store, including damaged runs."""
        return [name for name in self._folders() if (self.folder / name / PROVENANCE).exists()]

    def _folders(self) -> list[str]:
        """The names of the folders that can be those of runs."""
        names = os.listdir(self.folder) if self.folder.is_dir() else []  # noqa: PTH208 - asked for every run, so quick
        return sorted(name for name in names if name[0] in "0123456789abcdef")

    def records(self) -> Iterator[dict[str, Any]]:
        """The provenance of all runs in the store; damaged runs are left out. No table is read."""
        for key in self.all_keys():
            with suppress(*DAMAGES):
                yield self._read_record(key)

    @lru_cache(maxsize=1)  # noqa: B019 - a store lives as long as its process
    def _catalogue(self, names: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
        """Date and key of every run, by configuration; `names` are the folders of the store."""
        catalogue: dict[str, list[tuple[str, str]]] = {}
        for key in self.all_keys():
            if (record := self._record(key)) is not None and record["results_version"] == RESULTS_VERSION:
                wanted = _canonical(read_configuration(record["config"]))
                catalogue.setdefault(wanted, []).append((str(record["date"]), key))
        return catalogue

    def _record(self, key: str) -> dict[str, Any] | None:
        try:
            return self._read_record(key)
        except DAMAGES as error:
            logger.warning("damaged result %s (%s): computing it again", self.folder / key, error)
            return None

    def _read_record(self, key: str) -> dict[str, Any]:
        """The provenance of a run; raises one of `DAMAGES` if it is missing or its content has changed."""
        record: dict[str, Any] = json.loads((self.folder / key / PROVENANCE).read_text())
        if record["checksum"] != _fingerprint(record):
            raise ValueError(f"{PROVENANCE} is not as it was written")
        return record

    def save(self, key: str, tables: Mapping[str, pd.DataFrame], provenance: Mapping[str, Any]) -> RunResult:
        """Write one run in a single step."""
        with atomic_folder(self.folder / key) as partial:
            for name, table in tables.items():
                table.to_parquet(partial / f"{name}.parquet", index=False, compression="zstd")
            files = {f"{name}.parquet": sha256(partial / f"{name}.parquet") for name in tables}
            record = {"key": key, **provenance, "files": files}
            record["checksum"] = _fingerprint(record)
            (partial / PROVENANCE).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        return RunResult(key, tables, record, cached=False)

    def load(self, key: str, tables: Collection[str] = TABLES) -> RunResult | None:
        """The run with this key, or None if it is missing or damaged; a damaged run is logged.

        Args:
            tables: tables to read; the checksums of all tables are compared.
        """
        folder = self.folder / key
        if not folder.is_dir():
            return None
        try:
            provenance = self._read_record(key)
            read = {}
            for file, checksum in provenance["files"].items():
                content = (folder / file).read_bytes()
                if hashlib.sha256(content).hexdigest() != checksum:
                    raise ValueError(f"{file} differs from its recorded checksum")
                if (name := Path(file).stem) in tables:
                    read[name] = _table(content)
        except DAMAGES as error:
            logger.warning("damaged result %s (%s): computing it again", folder, error)
            return None
        return RunResult(key, read, provenance)


def _table(content: bytes) -> pd.DataFrame:
    """Result of `pandas.read_parquet`; for a table of few rows, this takes a third of the time of that function."""
    from pyarrow import BufferReader
    from pyarrow.parquet import ParquetFile

    return ParquetFile(BufferReader(content)).read(use_threads=False).to_pandas(use_threads=False)
