"""Kills, two builds at once and a full disk, on a build that takes seconds; `python -m tests.faults` uses the book."""

import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pandas as pd
import psutil
import pytest

from nrc_core.results.store import RunResult, Store
from tests.faults.disk import fill, holds, small_disk
from tests.faults.kills import Build, different_tables, kill, killed

ROOT = Path(__file__).parent.parent

# In place of `book/builder/build.py`: three networks, one after the other, and a page.
SMALL = """
import sys
from pathlib import Path
from nrc_core.training.checkpoints import Checkpoint
from nrc_core.cli.main import main
Checkpoint.due = lambda self: True
folder = Path(next(one for one in sys.argv if one.startswith("html=")).removeprefix("html="))
for seed in (0, 1, 2):
    if code := main(["compute", "deep_nrc_mlp", "dataset=synthetic", "samples=300", "width=16", "epochs=30",
                     "measurements=4", f"seeds={seed}"]):
        sys.exit(code)
(folder / "_build" / "html").mkdir(parents=True, exist_ok=True)
(folder / "_build" / "html" / "index.html").write_text("done")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project whose build takes seconds, with this one's core."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "book" / "builder").mkdir(parents=True)
    (folder / "book" / "builder" / "build.py").write_text(SMALL)
    (folder / "nrc_core").symlink_to(ROOT / "nrc_core")
    return folder


def small(project: Path, folder: Path) -> Build:
    return Build(Path("none.yml"), folder, project=project)


@pytest.fixture(scope="module")
def reference(project, tmp_path_factory) -> Path:
    build = small(project, tmp_path_factory.mktemp("alone"))
    assert build.finish() == 0
    return build.store


def test_a_build_killed_at_random_moments_ends_in_the_same_tables(project, reference, tmp_path):
    build = small(project, tmp_path / "killed")
    moments = killed(build, 4, longest=6.0, seed=1)
    assert len(moments) >= 2
    assert different_tables(build.store, reference) == []
    assert len(Store(build.store).all_keys()) == 3


def test_a_full_disk_loses_nothing_that_was_complete(project, reference, tmp_path):
    with small_disk(tmp_path / "disk", 100) as disk:
        if disk is None:
            pytest.skip("needs the right to mount a small file system")
        found = fill(small(project, disk.folder / "build"), disk, [100, 200, 300, 5000], reference)
    assert found.failures >= 1
    assert found.complete >= 1
    assert (found.lost, found.different) == ([], [])


def test_tables_that_differ_in_a_bit_or_are_missing_are_told(tmp_path):
    """Without this, the tests above could not fail."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, value in ((first, 1.0), (second, 1.0 + 2**-52)):
        for name in ("0a", "0b"):
            (folder / name).mkdir(parents=True)
            pd.DataFrame({"a": [1.0, float("nan")]}).to_parquet(folder / name / "losses.parquet")
        pd.DataFrame({"a": [value]}).to_parquet(folder / "0a" / "spectra.parquet")
    (second / "0b" / "losses.parquet").unlink()
    assert different_tables(first, first) == []
    assert different_tables(first, second) == different_tables(second, first)
    assert different_tables(first, second) == ["0a/spectra.parquet", "0b/losses.parquet"]


def test_a_result_that_lacks_a_row_or_is_gone_is_lost_and_one_measured_more_widely_is_not():
    table = pd.DataFrame({"epoch": [0, 1, 2], "nrc1": [0.5, float("nan"), 0.1]})
    narrow, wide, altered = (
        RunResult("a", {"measurements": one}, {})
        for one in (table.iloc[[0, 1]], table, table.iloc[[0, 2]].reset_index(drop=True))
    )
    assert holds(wide, narrow)
    assert holds(narrow, narrow)
    assert not holds(narrow, wide)
    assert not holds(altered, narrow)
    assert not holds(None, narrow)
    assert not holds(RunResult("a", {}, {}), narrow)


def test_a_kill_is_one():
    process = subprocess.Popen(
        [sys.executable, "-c", "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    while not (children := psutil.Process(process.pid).children()):
        time.sleep(0.05)
    assert kill(process, whole=True)
    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert not kill(process, whole=True)
    assert process.stdin is not None
    process.stdin.close()


WAITS = [sys.executable, "-c", "import sys; print('at work', flush=True); sys.stdin.read()"]
HOLDS = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from book.builder import build
build.command = lambda *_: {WAITS!r}
sys.exit(build.main(["toy.yml", "1"]))
"""


def holding(folder: Path) -> subprocess.Popen:
    """A build that runs until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    return process


def test_of_two_builds_in_a_folder_one_is_refused(tmp_path, monkeypatch, capsys):
    build = import_module("book.builder.build")
    monkeypatch.setattr(build, "command", lambda *_: [sys.executable, "-c", "pass"])
    monkeypatch.chdir(tmp_path)
    with holding(tmp_path) as first:
        assert build.main(["toy.yml", "1"]) == 1
        assert "another build is at work in this folder: wait until it has ended, or stop it" in capsys.readouterr().err
        first.communicate("")
    assert first.returncode == 0
    assert build.main(["toy.yml", "1"]) == 0


def test_a_killed_build_leaves_no_lock_but_what_it_started_holds_it(tmp_path, monkeypatch):
    build = import_module("book.builder.build")
    monkeypatch.setattr(build, "command", lambda *_: [sys.executable, "-c", "pass"])
    monkeypatch.chdir(tmp_path)
    with holding(tmp_path) as first:
        (snakemake,) = psutil.Process(first.pid).children()
        os.kill(first.pid, 9)
        assert build.main(["toy.yml", "1"]) == 1
        snakemake.kill()
        psutil.wait_procs([snakemake], timeout=10)
        assert build.main(["toy.yml", "1"]) == 0


def test_snakemake_is_called_as_the_makefile_wants():
    found = import_module("book.builder.build").command("a.yml", "3", "pdf=yes")
    assert found[found.index("--cores") + 1] == "3"
    assert found[-3:] == ["--config", "profile=a.yml", "pdf=yes"]
    assert {"--nolock", "--keep-going", "--rerun-incomplete"} <= set(found)
