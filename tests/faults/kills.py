"""Builds that are killed several times and go on each time: SIGKILL at random moments, as if the machine failed."""

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

LONGEST = 3600  # longest time of a build that is not killed, in seconds


@dataclass
class Build:
    """The build of one profile, with a store and a folder of its own, in this project or a copy of it."""

    profile: Path
    folder: Path
    cores: int = 2
    project: Path = field(default_factory=project_folder)

    @property
    def store(self) -> Path:
        """The store of the results."""
        return self.folder / "store"

    @property
    def page(self) -> Path:
        """A file that exists when the build is complete."""
        return self.folder / "_build" / "html" / "index.html"

    def start(self) -> subprocess.Popen:
        """Start the build in its own process group; its output is added to its log."""
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
        """Run the build without a kill and return its exit code."""
        return self.start().wait(LONGEST)


def kill(process: subprocess.Popen, whole: bool) -> bool:
    """Kill a build and its child processes, or only the build itself, so that the children become orphans.

    Returns:
        Whether the build was still running.
    """
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
    psutil.wait_procs(victims, timeout=60)  # they hold the lock until they have ended
    return True


def _group(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None


def killed(build: Build, kills: int, longest: float, seed: int = 0) -> list[float]:
    """Start a build and kill it `kills` times, then let it finish; return the time of each kill in seconds.

    The time of a kill is uniform up to `longest` seconds after the start. The next start resumes the build. If a build
    is complete before its kill, there are fewer kills.

    Raises:
        AssertionError: the build fails when it is not killed.
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
    """Tables that differ between two stores in any bit, or that are in one of the stores only.

    The files are read directly, so that damage is found.
    """
    names = {path.relative_to(folder) for folder in (store, reference) for path in folder.glob("[0-9a-f]*/*.parquet")}
    return sorted(str(name) for name in names if not _same(store / name, reference / name))


def _same(first: Path, second: Path) -> bool:
    return first.is_file() and second.is_file() and pd.read_parquet(first).equals(pd.read_parquet(second))


def leftovers(seconds: float = 120) -> list[str]:
    """Orphans of killed builds that have not ended by themselves within `seconds`."""
    deadline = time.monotonic() + seconds
    while (found := _orphans()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def _orphans() -> list[str]:
    words = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [" ".join(one) for one in words if "book.builder.pages" in one]
