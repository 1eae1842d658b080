"""A page is run again if its parameters, its data, or the content of files of the core change."""

import shutil

import pytest

from tests.toy_project import ToyProject

TARGET = "build/pages/four_conditions.ipynb"


@pytest.fixture(scope="module")
def project(tmp_path_factory, data_dir):
    """A project whose page has been run, with a copy of the core in place of the core itself."""
    project = ToyProject(tmp_path_factory.mktemp("project"), data_dir)
    assert project.snakemake(TARGET, "--cores", "1") == 0, project.log
    core = project.folder / "nrc_core"
    original = core.resolve()
    core.unlink()
    shutil.copytree(original, core, ignore=shutil.ignore_patterns("__pycache__"))
    for path in core.rglob("*.py"):
        path.touch()
    yield project
    project.kill()


def plan(project: ToyProject) -> str:
    """What Snakemake says of the steps that it would run for the page."""
    (project.folder / "snakemake.log").write_text("")
    assert project.snakemake(TARGET, "--dry-run", "--cores", "1") == 0, project.log
    return project.log


def test_a_page_is_not_run_again_when_no_content_has_changed(project):
    assert "Nothing to be done" in plan(project)


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("sections/transfer/figures.py", False),  # another section
        ("claims/ledger.py", False),  # no page shows a claim
        ("sections/four_conditions/figures.py", True),
        ("metrics/regression.py", True),
        ("sections/canvas.py", True),
        ("sections/canvas.mplstyle", True),
        ("results/thresholds.yaml", True),
    ],
)
def test_a_page_is_run_again_when_a_file_on_which_it_depends_is_another(project, name, runs):
    module = project.folder / "nrc_core" / name
    content = module.read_text()
    module.write_text(content + "\n# changed\n")
    try:
        told = plan(project)
    finally:
        module.write_text(content)
    assert ("triggered jobs: run" in told) == runs
    assert ("Nothing to be done" in told) != runs
