"""The book through a real Slurm of one node. It starts daemons as root, so only if asked to: pytest -n 0 -m slurm."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from tests.one_node_slurm import cancel, jobs, lacking, one_node_slurm, wait_until
from tests.toy_project import GPU, PAGES, PLAIN, ToyProject

LACKING = lacking()
pytestmark = [pytest.mark.slurm, pytest.mark.skipif(LACKING is not None, reason=str(LACKING))]
ON_SLURM = ("--workflow-profile", "book/slurm")
CLAIMS = "build/check.json"  # all but the HTML


@pytest.fixture(scope="module", autouse=True)
def slurm(request):
    if "slurm" not in request.config.option.markexpr:
        pytest.skip("starts daemons as root: pytest -n 0 -m slurm")
    with one_node_slurm():
        yield


@contextmanager
def in_folder(folder: Path, data: Path) -> Iterator[ToyProject]:
    project = ToyProject(folder, data)
    try:
        yield project
    finally:
        project.kill()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    command = [sys.executable, "-m", "nrc_core.cli", "data", "swimmer", "reacher", "hopper"]
    subprocess.run(command, env=os.environ | {"NRC_DATA_DIR": str(folder)}, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def local(tmp_path_factory, data) -> Iterator[ToyProject]:
    """The book built without Slurm."""
    with in_folder(tmp_path_factory.mktemp("local"), data) as project:
        assert project.snakemake("--cores", "2") == 0, project.log
        yield project


@pytest.fixture(scope="module")
def built(tmp_path_factory, data) -> Iterator[ToyProject]:
    """The book built through Slurm."""
    with in_folder(tmp_path_factory.mktemp("built"), data) as project:
        assert project.snakemake(*ON_SLURM, "--set-resources", "run:slurm_partition=other") == 0, project.log
        yield project


@pytest.fixture
def project(tmp_path, data) -> Iterator[ToyProject]:
    with in_folder(tmp_path, data) as project:
        yield project


def started(project: ToyProject, pages: tuple[str, ...]) -> list[str]:
    return [page for page in pages if project.notes(page)]


def check_same_results(project: ToyProject, local: ToyProject) -> None:
    ours, expected = project.tables(), local.tables()
    assert ours.keys() == expected.keys()
    assert len(expected) > 0
    for name, table in expected.items():
        pd.testing.assert_frame_equal(ours[name], table, obj=str(name))


def test_the_book_is_the_same_as_without_slurm(built, local):
    assert (built.folder / "html" / "_build" / "html" / "pages" / f"{PLAIN}.html").is_file()
    check_same_results(built, local)


def test_each_page_is_one_job_on_the_chosen_partition(built, local):
    for page in PAGES:
        (note,) = built.notes(page)
        assert "partition other" in note
        assert "partition none" in local.notes(page)[0]


def test_pages_that_want_a_gpu_are_given_one_and_the_others_none(built):
    assert all("GPU 0," in built.notes(page)[0] for page in GPU)
    assert "GPU none," in built.notes(PLAIN)[0]


def test_after_a_kill_no_page_is_run_twice_if_what_waits_is_cancelled_before_going_on(project, local):
    with project.held(*GPU):
        project.start(*ON_SLURM, CLAIMS)
        wait_until(lambda: started(project, GPU) and project.executed == {PLAIN}, "one page done, one at work")
        project.kill()
        wait_until(lambda: len(jobs("RUNNING", "COMPLETING")) == 1, "the end of the job of the page that is done")
        assert len(jobs("PENDING")) == 1
        assert project.snakemake(*ON_SLURM, CLAIMS) != 0
        assert "cannot be locked" in project.log
        cancel("PENDING")
        (at_work,) = started(project, GPU)
    wait_until(lambda: not jobs("RUNNING", "COMPLETING"), "the job at work, which ends without Snakemake")
    assert project.executed == {at_work, PLAIN}

    assert project.snakemake(*ON_SLURM, "--unlock") == 0, project.log
    assert project.snakemake(*ON_SLURM, CLAIMS) == 0, project.log
    assert {page: len(project.notes(page)) for page in PAGES} == dict.fromkeys(PAGES, 1)
    check_same_results(project, local)


def test_going_on_at_once_after_a_kill_submits_pages_again_and_trains_nothing_twice(project, local):
    with project.held(*PAGES):
        project.start(*ON_SLURM, CLAIMS)
        wait_until(lambda: started(project, GPU) and project.notes(PLAIN), "two pages at work")
        project.kill()
        assert len(jobs("PENDING")) == 1

        assert project.snakemake(*ON_SLURM, "--unlock") == 0, project.log
        head = project.start(*ON_SLURM, CLAIMS)
        wait_until(lambda: len(project.notes(PLAIN)) == 2, "the second job of a page at work beside the first")
        wait_until(lambda: len(jobs("PENDING")) == 3, "the second jobs of the pages that want the GPU")
    assert head.wait(600) == 0, project.log
    assert {page: len(project.notes(page)) for page in PAGES} == dict.fromkeys(PAGES, 2)
    assert {page: project.trained(page) for page in PAGES} == {page: local.trained(page) for page in PAGES}
    check_same_results(project, local)
