"""The results store: one folder a run, found by what the run is, never by a name."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nrc_core.config.base import Configuration
from nrc_core.config.classification import ClassifierConfig, TransferConfig
from nrc_core.config.regression import RunConfig
from nrc_core.files import atomic_folder, locked, project_folder, sha256
from nrc_core.results.records import DAMAGES, PROVENANCE, TABLES, all_keys, fingerprint, folders, read_record

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

# Raise this when a change to the core changes any number it would write; a test with a frozen run
# says when. It is part of every content key, so that results of older code are not found again,
# while a comment or a new figure does not throw away a day of GPU time.
RESULTS_VERSION = 1
# Names of tables, or by name the columns that are wanted (None: all of them).
Wanted = Collection[str] | Mapping[str, Collection[str] | None]


def content_key(config: Configuration, data_identity: str) -> str:
    """The name of a run: a fingerprint of its configuration, its data and the version of the results.

    A default of the configuration that changes needs a new RESULTS_VERSION, see `RunConfig.identity`.
    """
    content = {"config": config.identity(), "data": data_identity, "results_version": RESULTS_VERSION}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _canonical(config: Configuration) -> str:
    return json.dumps(config.identity(), sort_keys=True)


@dataclass(frozen=True)
class RunResult:
    """The tables of one run and its provenance; a run whose loss stopped being finite has no tables."""

    key: str
    tables: Mapping[str, pd.DataFrame]
    provenance: Mapping[str, Any]

    @property
    def config(self) -> Configuration:
        """The configuration that was run."""
        return read_configuration(self.provenance["config"])

    @property
    def failure(self) -> str | None:
        """Why there are no tables."""
        return self.provenance.get("failure")


def read_configuration(values: Mapping[str, Any]) -> Configuration:
    """The configuration that `Configuration.as_dict` made plain values of.

    Example:
        >>> read_configuration(RunConfig("swimmer", 10, 0.1, 0.0).as_dict()).epochs
        10
    """
    kinds: dict[str | None, type[Configuration]] = {
        kind.TASK: kind for kind in (RunConfig, ClassifierConfig, TransferConfig)
    }
    # JSON has lists where a configuration has tuples.
    plain = {name: value for name, value in values.items() if name != "task"}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    if "pretraining" in given:
        given["pretraining"] = read_configuration(values["pretraining"])
    return kinds[values.get("task")](**given)


class Store:
    """Results on disk: `<folder>/<key>/provenance.json` and a Parquet file for each of its `TABLES`.

    Runs appear whole or not at all. A file that is missing or differs from its recorded checksum, the
    record itself included, makes the run count as absent: `load` names it and returns None, and it is computed again.

    Args:
        folder: NRC_STORE, or `build/store` of the project, unless given.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None):
        self.folder = Path(folder or os.environ.get("NRC_STORE") or project_folder() / "build" / "store")

    def check_writable(self) -> None:
        """Raise OSError now, not after the training, if nothing can be written to the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder):
            pass

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Held while a run is computed, so that of two processes that want it one waits for the other, and says so."""
        with locked(self.folder / ".locks" / key, f"another process that computes run {key}"):
            yield

    def checkpoint(self, key: str) -> Path:
        """Where the state of a run under way is kept."""
        return self.folder / ".checkpoints" / f"{key}.pt"

    def weights(self, key: str) -> Path:
        """Where the weights of a network are kept that others start from; they are no part of its results."""
        return self.folder / ".weights" / key

    def find(self, config: Configuration, tables: Wanted = TABLES) -> RunResult | None:
        """The newest run of this configuration that is whole, whatever version of its data it was made from.

        For results that are shown where the data are not.

        Args:
            tables: as in `load`.
        """
        found = self._catalogue(tuple(folders(self.folder))).get(_canonical(config), [])
        loaded = (self.load(key, tables) for _, key in sorted(found, reverse=True))
        return next((run for run in loaded if run is not None), None)

    def all_keys(self) -> list[str]:
        """Of all runs that are there, damaged ones included."""
        return all_keys(self.folder)

    @lru_cache(maxsize=1)  # noqa: B019 - a store lives as long as its process
    def _catalogue(self, names: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
        """Date and key of every run of a configuration, of the folders with these names."""
        catalogue: dict[str, list[tuple[str, str]]] = {}
        for key in self.all_keys():
            if (record := self._record(key)) is not None and record["results_version"] == RESULTS_VERSION:
                wanted = _canonical(read_configuration(record["config"]))
                catalogue.setdefault(wanted, []).append((str(record["date"]), key))
        return catalogue

    def _record(self, key: str) -> dict[str, Any] | None:
        try:
            return read_record(self.folder / key)
        except DAMAGES as error:
            logger.warning("damaged result %s (%s): computing it again", self.folder / key, error)
            return None

    def save(self, key: str, tables: Mapping[str, pd.DataFrame], provenance: Mapping[str, Any]) -> RunResult:
        """Write one run in one step."""
        with atomic_folder(self.folder / key) as partial:
            for name, table in tables.items():
                table.to_parquet(partial / f"{name}.parquet", index=False, compression="zstd")
            files = {f"{name}.parquet": sha256(partial / f"{name}.parquet") for name in tables}
            record = {"key": key, **provenance, "files": files}
            record["checksum"] = fingerprint(record)
            (partial / PROVENANCE).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        return RunResult(key, tables, record)

    def load(self, key: str, tables: Wanted = TABLES) -> RunResult | None:
        """The run with this key, or None if it is not there or is damaged, which is logged.

        Args:
            tables: those that are read, all their columns or, by the name of a table, those of them that are there;
                the checksums of all are compared.
        """
        folder = self.folder / key
        if not folder.is_dir():
            return None
        try:
            provenance = read_record(folder)
            read = {}
            for file, checksum in provenance["files"].items():
                content = (folder / file).read_bytes()
                if hashlib.sha256(content).hexdigest() != checksum:
                    raise ValueError(f"{file} differs from its recorded checksum")
                if (name := Path(file).stem) in tables:
                    read[name] = _table(content, tables[name] if isinstance(tables, Mapping) else None)
        except DAMAGES as error:
            logger.warning("damaged result %s (%s): computing it again", folder, error)
            return None
        return RunResult(key, read, provenance)


def _table(content: bytes, columns: Collection[str] | None) -> pd.DataFrame:
    """What `pandas.read_parquet` returns, for a table of few rows in a third of its time."""
    from pyarrow import BufferReader
    from pyarrow.parquet import ParquetFile

    file = ParquetFile(BufferReader(content))
    there = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
    return file.read(there, use_threads=False).to_pandas(use_threads=False)
