"""A full disk: a small file system that can grow."""

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
        """Make the disk larger; its files stay."""
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(self.folder)], check=True)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[SmallDisk | None]:
    """Mount a small disk while the block runs, or yield None if the user may not mount one."""
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
    """Outcome of a build that failed `failures` times because the disk was full."""

    failures: int
    complete: int  # number of runs that were stored at the last failure
    lost: list[str]  # stored runs that were missing or lacked a row after a failure or at the end
    different: list[str]  # tables at the end that differ from the tables of a build with enough room


def fill(build: Build, disk: SmallDisk, sizes: list[int], reference: Path) -> Filled:
    """Build on a disk of each size in turn; the last size has room for the whole build."""
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
    """Whether a result still has every row of an earlier result; it may have more rows, measured for another page."""
    return after is not None and all(
        name in after.tables and _has_rows(after.tables[name], table) for name, table in before.tables.items()
    )


def _has_rows(table: pd.DataFrame, rows: pd.DataFrame) -> bool:
    return len(pd.concat([table, rows]).drop_duplicates()) == len(table.drop_duplicates())
