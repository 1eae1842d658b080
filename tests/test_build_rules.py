"""A page is run again if its parameters, its data, or the content of files of the core change."""

import shutil
from pathlib import Path

import pytest

from tests.toy_project import ToyProject

TARGET = "build/pages/four_conditions.ipynb"


@pytest.fixture
def project(tmp_path, data_dir):
    project = ToyProject(tmp_path, data_dir)
    yield project
    project.kill()


def plan(project: ToyProject) -> None:
    """Ask Snakemake for the steps it would run for the page; they are in its log."""
    assert project.snakemake(TARGET, "--dry-run", "--cores", "1") == 0, project.log


def test_a_page_is_run_again_when_the_core_is_another_and_only_then(project):
    assert project.snakemake(TARGET, "--cores", "1") == 0, project.log
    core = project.folder / "nrc_core"
    original = core.resolve()
    core.unlink()
    shutil.copytree(original, core, ignore=shutil.ignore_patterns("__pycache__"))
    for path in core.rglob("*.py"):
        path.touch()
    plan(project)
    assert "Nothing to be done" in project.log
    for name, runs in (
        ("sections/transfer/figures.py", False),  # another section
        ("claims/ledger.py", False),  # no page shows a claim
        ("sections/four_conditions/figures.py", True),
    ):
        change(core / name)
        plan(project)
        assert ("triggered jobs: run" in project.log) == runs, name


@pytest.mark.parametrize(
    "name",
    ["metrics/regression.py", "sections/canvas.py", "sections/canvas.mplstyle", "results/thresholds.yaml"],
)
def test_a_page_is_run_again_when_what_all_pages_share_is_another(project, name):
    assert project.snakemake(TARGET, "--cores", "1") == 0, project.log
    core = project.folder / "nrc_core"
    original = core.resolve()
    core.unlink()
    shutil.copytree(original, core, ignore=shutil.ignore_patterns("__pycache__"))
    change(core / name)
    plan(project)
    assert "triggered jobs: run" in project.log


def change(module: Path) -> None:
    module.write_text(module.read_text() + "\n# changed\n")
