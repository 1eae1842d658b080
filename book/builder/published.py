"""The published runs: pages of the published profile and their results, the same whatever data this machine has."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from nrc_core.results.results import Results
from nrc_core.results.runs import stored
from nrc_core.results.store import PROVENANCE, Store
from nrc_core.workflow.profiles import Page, Profile, read_profile

BOOK = Path(__file__).resolve().parent.parent
PROFILE = BOOK / "profiles" / "paper.yml"


@cache
def profile() -> Profile:
    """The published profile."""
    return read_profile(PROFILE)


@cache
def store() -> Store:
    """The store of the published runs."""
    return Store(BOOK.parent / profile().store)


def page_of(name: str) -> Page | None:
    """The published page of a name, None if there is none."""
    return next((page for page in profile().pages if page.name == name), None)


def results_of(page: Page) -> Results | None:
    """The published runs of a page; None if it trains nothing or a run is not in the store. Trains nothing."""
    if page.experiment is None:
        return None
    with store_only():
        results, missing = stored(page.configs, store=store())
    return None if missing else results


def tables() -> dict[str, set[str]]:
    """The checksums of the tables that published runs were trained on, by data set."""
    found: dict[str, set[str]] = {}
    for path in store().folder.glob(f"*/{PROVENANCE}"):
        record = json.loads(path.read_text())
        if checksum := record["data"].get("table_sha256"):
            found.setdefault(record["config"]["dataset"], set()).add(checksum)
    return found


def shares() -> dict[str, dict[str, Any]]:
    """In what share of the combinations of open choices each claim holds; empty if none were tried."""
    path = store().folder / "multiverse" / "shares.json"
    found: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else {}
    return found


@contextmanager
def store_only() -> Iterator[None]:
    """Within this block the store is the published one, and no prepared data are found.

    Without data, runs are found by their configuration alone. So every machine finds the same runs, even one that has
    another version of the data.
    """
    with tempfile.TemporaryDirectory() as empty:
        own = {"NRC_STORE": str(store().folder), "NRC_DATA_DIR": empty}
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
