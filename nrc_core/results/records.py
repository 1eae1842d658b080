"""Record of a run: its configuration, data, device, date and time. No table is read, so pandas is not needed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PROVENANCE = "provenance.json"
TABLES = ("measurements", "spectra", "losses", "downstream")  # a run has only those that its task produces
# Errors when a damaged record, or a table that it names, is read.
DAMAGES = (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError)


def fingerprint(record: Mapping[str, Any]) -> str:
    """Checksum of a record without its own checksum.

    Example:
        >>> fingerprint({"key": "a", "checksum": "b"}) == fingerprint({"key": "a"})
        True
    """
    text = json.dumps({name: value for name, value in record.items() if name != "checksum"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_record(folder: Path) -> dict[str, Any]:
    """The record in a run's folder.

    Raises:
        one of `DAMAGES`: the record is missing, or its content has changed.
    """
    record: dict[str, Any] = json.loads((folder / PROVENANCE).read_text())
    if record["checksum"] != fingerprint(record):
        raise ValueError(f"{PROVENANCE} is not as it was written")
    return record


def all_keys(store: Path) -> list[str]:
    """The keys of all runs in the folder of a store, including damaged runs."""
    return [name for name in folders(store) if (store / name / PROVENANCE).exists()]


def folders(store: Path) -> list[str]:
    """The names in the folder of a store that can be keys of runs."""
    names = os.listdir(store) if store.is_dir() else []  # noqa: PTH208 - asked for every run, so it is to be quick
    return sorted(name for name in names if name[0] in "0123456789abcdef")


def read_records(store: Path) -> Iterator[dict[str, Any]]:
    """The records of all runs in the folder of a store; damaged records are left out."""
    for key in all_keys(store):
        try:
            yield read_record(store / key)
        except DAMAGES:
            continue
