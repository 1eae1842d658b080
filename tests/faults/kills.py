"""A build that is killed again and again, and each time goes on: SIGKILL at random moments, as a machine that fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pandas as pd
import psutil

from nrc_core.files import project_folder

LONGEST = 3600  # seconds that a build may take when it is left alone


@dataclass
class Build:
    """The build of one profile, with a store and a folder of its own, in this project or a copy of it."""

    profile: Path
    folder: Path
    cores: int = 2
    project: Path = field(default_factory=project_folder)

    @property
    def store(self) -> Path:
        """Where its results are."""
        return self.folder / "store"

    @property
    def page(self) -> Path:
        """What is there when it is done."""
        return self.folder / "_build" / "html" / "index.html"

    def start(self) -> subprocess.Popen:
        """The build at work, in a process group of its own; what it says is added to its log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = [str(self.profile), str(self.cores), f"build={self.folder}", f"html={self.folder}"]
        own = {
            "NRC_STORE": str(self.store),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.project),
        }
        with (self.folder / "build.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "book.builder.build", *settings],
                cwd=self.project, env=os.environ | own, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def finish(self) -> int:
        """Its exit code, when it is left alone."""
        return self.start().wait(LONGEST)


def kill(process: subprocess.Popen, whole: bool) -> bool:
    """SIGKILL a build and all it started, or itself only, so that what it started is orphaned; whether it still ran."""
    if process.poll() is not None:
        return False
    started = psutil.Process(process.pid).children(recursive=True)
    victims = started if whole else [one for one in started if _group(one) == process.pid]
    os.killpg(process.pid, signal.SIGKILL)
    for victim in victims:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
    psutil.wait_procs(victims, timeout=60)  # until they have died they hold the lock
    return True


def _group(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None


def killed(build: Build, kills: int, longest: float, seed: int = 0) -> list[float]:
    """Start a build and kill it, so many times, then leave it alone; after how many seconds each kill came.

    Moments are uniform up to `longest` seconds after the start; the first start after a kill is the resume. A
    build that is done before its kill comes is done, and there are fewer kills.

    Raises:
        AssertionError: the build does not end well when it is left alone.
    """
    random, moments = Random(seed), []
    for _ in range(kills):
        process, moment, whole = build.start(), random.uniform(0, longest), random.random() < 0.5
        try:
            code = process.wait(moment)
        except subprocess.TimeoutExpired:
            if kill(process, whole):
                moments.append(moment)
                continue
            code = process.returncode
        assert code == 0, (build.folder / "build.log").read_text()[-3000:]
        break
    code = build.finish()
    assert code == 0, (build.folder / "build.log").read_text()[-3000:]
    assert build.page.is_file()
    return moments


def different_tables(store: Path, reference: Path) -> list[str]:
    """Tables of two stores that are not the same bit for bit, or are in one of them only.

    Read as they are: what was damaged must show.
    """
    names = {path.relative_to(folder) for folder in (store, reference) for path in folder.glob("[0-9a-f]*/*.parquet")}
    return sorted(str(name) for name in names if not _same(store / name, reference / name))


def _same(first: Path, second: Path) -> bool:
    return first.is_file() and second.is_file() and pd.read_parquet(first).equals(pd.read_parquet(second))


def leftovers(seconds: float = 120) -> list[str]:
    """Orphans of killed builds that have not ended by themselves within a time."""
    deadline = time.monotonic() + seconds
    while (found := _orphans()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def _orphans() -> list[str]:
    words = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [" ".join(one) for one in words if "book.builder.pages" in one]
