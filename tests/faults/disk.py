"""A disk that is full: a file system of so many kilobytes, which may grow."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nrc_core.results.store import RunResult, Store
from tests.faults.kills import Build, different_tables


@dataclass
class SmallDisk:
    """A mounted tmpfs."""

    folder: Path

    def grow(self, kilobytes: int) -> None:
        """Make it larger; what is on it stays."""
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(self.folder)], check=True)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[SmallDisk | None]:
    """Such a disk while the block runs, or None where the user may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass
class Filled:
    """What came of a build on a disk that was full before it was done, `failures` times."""

    failures: int
    complete: int  # runs that were stored when it failed last
    lost: list[str]  # of those, what was gone or lacked a row after any failure or at the end
    different: list[str]  # tables at the end that are not those of a build with room


def fill(build: Build, disk: SmallDisk, sizes: list[int], reference: Path) -> Filled:
    """Build on a disk of each size in turn, the last of which has room for all of it."""
    complete: dict[str, RunResult] = {}
    lost: list[str] = []
    failures = stored = 0
    for size in sizes:
        disk.grow(size)
        code = build.finish()
        store = Store(build.store)
        found = {key: result for key in store.all_keys() if (result := store.load(key)) is not None}
        lost += [f"{key} at {size} kB" for key, before in complete.items() if not holds(found.get(key), before)]
        complete |= found
        if code:
            failures, stored = failures + 1, len(found)
    return Filled(failures, stored, lost, different_tables(build.store, reference))


def holds(after: RunResult | None, before: RunResult) -> bool:
    """Whether every row of an earlier result is there still; another page may have had it measured at more times."""
    return after is not None and all(
        name in after.tables and _has_rows(after.tables[name], table) for name, table in before.tables.items()
    )


def _has_rows(table: pd.DataFrame, rows: pd.DataFrame) -> bool:
    return len(pd.concat([table, rows]).drop_duplicates()) == len(table.drop_duplicates())
