"""The rule that re-checks a build: pages that differ are a valid result, but a check that fails stops the build."""

import json

import pytest

from tests.toy_project import PAGES, ToyProject

DIFFERS = {
    "page": "swimmer", "outcome": "differs", "reason": "seed 0 diverged", "number": None, "limit": None, "runs": 0,
    "references": 0, "quantities": 0, "worst": [],
}  # fmt: skip
VALID = json.dumps({"profile": "toy", "pages": [DIFFERS]})


@pytest.fixture
def project(tmp_path) -> ToyProject:
    """A project whose pages exist and are newer than all their inputs."""
    project = ToyProject(tmp_path, tmp_path)
    (tmp_path / "build" / "pages").mkdir(parents=True)
    for name in PAGES:
        (tmp_path / "build" / "pages" / f"{name}.ipynb").write_text("{}")
    return project


@pytest.mark.parametrize(
    ("printed", "code", "built"), [(VALID, 0, True), (VALID, 1, True), (VALID, 2, False), ("", 1, False)]
)
def test_a_page_that_differs_stops_no_build_and_a_check_that_failed_does(project, printed, code, built):
    nrc = project.folder / "programs" / "nrc"
    nrc.write_text(f"#!/bin/sh\necho '{printed}'\nexit {code}\n")
    nrc.chmod(0o755)
    done = project.snakemake("build/check.json", "--cores", "1", "--rerun-triggers", "mtime")
    assert (done == 0) == built, project.log
    assert (project.folder / "build" / "check.json").is_file() == built
    assert not any(project.notes(name) for name in PAGES)  # no page was run again
