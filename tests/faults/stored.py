"""Damaged results and checkpoints: the run gives the same tables, bit for bit, as without them."""

import hashlib
import json
import shutil
from functools import lru_cache
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from nrc_core.files import project_folder
from nrc_core.results.store import PROVENANCE, Store
from nrc_core.training.checkpoints import Checkpoint
from tests.faults.guard import Case, command
from tests.faults.hostile import pickled
from tests.faults.mutations import mutate, replant

TOY = project_folder() / "tests" / "toy.yml"
RUN = ("compute", "deep_nrc_mlp", "dataset=synthetic", "samples=60", "width=4", "epochs=4", "measurements=2")


def tables_of(store: Store) -> dict[tuple[str, str], pd.DataFrame]:
    """Every table of a store, by content key and name."""
    found = {key: store.load(key) for key in store.all_keys()}
    return {(key, name): table for key, run in found.items() if run for name, table in run.tables.items()}


def assert_equal(found: dict[tuple[str, str], pd.DataFrame], expected: dict[tuple[str, str], pd.DataFrame]) -> None:
    """Raise AssertionError unless both have the same tables, bit for bit."""
    assert found.keys() == expected.keys(), f"{sorted(found)} instead of {sorted(expected)}"
    for name, table in found.items():
        pd.testing.assert_frame_equal(table, expected[name], check_exact=True)


@lru_cache(maxsize=1)
def sound(folder: Path) -> tuple[Path, dict[tuple[str, str], pd.DataFrame]]:
    """A store with one run and its checkpoint from one epoch before the end; and the tables of the run."""
    store = Store(folder / "sound")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "due", lambda self: True)
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # whoever has the results removes the checkpoint
        command(*RUN, "--store", store.folder)
    return store.folder, tables_of(store)


def _copy(folder: Path) -> tuple[Path, dict[tuple[str, str], pd.DataFrame]]:
    whole, tables = sound(folder.parent)
    shutil.copytree(whole, folder / "store")
    return folder / "store", tables


def _again(store: Path, tables: dict[tuple[str, str], pd.DataFrame]) -> None:
    """Request the run again: whatever is damaged, it gives the same tables as the first time."""
    command(*RUN, "--store", store)
    assert_equal(tables_of(Store(store)), tables)


def result(random: Random, folder: Path, patch: pytest.MonkeyPatch) -> Case:
    """A stored run in which one file was changed."""
    store, tables = _copy(folder)
    path = random.choice(sorted(store.glob("[0-9a-f]*/*")))
    if path.name == PROVENANCE and random.random() < 0.7:
        what, tree = replant(random, json.loads(path.read_text()))
        path.write_text(json.dumps(tree))
    else:
        what, content = mutate(random, path.read_bytes())
        path.write_bytes(content)

    def use() -> None:
        command("claims", "--store", store, "--profile", TOY)
        _again(store, tables)

    return Case(f"{path.name}: {what}", use)


def checkpoint(random: Random, folder: Path, patch: pytest.MonkeyPatch) -> Case:
    """An unfinished run whose checkpoint was changed."""
    store, tables = _copy(folder)
    for run in store.glob("[0-9a-f]*"):
        shutil.rmtree(run)
    (path,) = (store / ".checkpoints").glob("*.pt")
    if random.random() < 0.1:
        what, content = "a pickle", pickled()
        path.write_bytes(hashlib.sha256(content).digest() + content)  # the checksum alone does not save us
    else:
        what, content = mutate(random, path.read_bytes())
        path.write_bytes(content)
    return Case(what, lambda: _again(store, tables))
