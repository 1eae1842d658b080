"""The workflows of GitHub: they are valid and have few rights, and the steps do what the names of the steps say."""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}
ACTIONLINT = shutil.which("actionlint")
GH = """#!/bin/sh
echo "$@" >> "$GH_LOG"
case "$1 $2" in "pr list") printf '%s' "$PULL_REQUEST";; esac
"""


def steps(workflow: str) -> list[dict]:
    return [step for job in WORKFLOWS[workflow]["jobs"].values() for step in job["steps"]]


def script(workflow: str, name: str) -> str:
    (found,) = [step["run"] for step in steps(workflow) if step.get("name") == name]
    return found


def bash(text: str, folder: Path, **environment: str | Path) -> subprocess.CompletedProcess:
    """Run a script in the same way as GitHub."""
    values = os.environ | {name: str(value) for name, value in environment.items()}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    return subprocess.run(command, cwd=folder, env=values, capture_output=True, text=True, timeout=60)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.skipif(ACTIONLINT is None, reason="no actionlint on this machine")
def test_actionlint_finds_nothing():
    result = subprocess.run([str(ACTIONLINT), "-no-color"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


def test_there_are_three():
    assert set(WORKFLOWS) == {"ci", "paper", "publish"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_rights_are_few_and_times_limited(name):
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 480
        assert set(job.get("permissions", {})) <= {"contents", "pull-requests", "pages", "id-token"}
    for step in steps(name):
        assert re.fullmatch(r"actions/[a-z-]+@(v\d+|[0-9a-f]{40})", step.get("uses", "actions/x@v1"))
        assert "${{" not in step.get("run", "")  # values come as variables of the environment, never as code


def test_runs_of_strangers_code_have_no_runner_of_ours():
    triggers = {name: set(workflow[True]) for name, workflow in WORKFLOWS.items()}  # YAML reads `on` as true
    assert triggers["ci"] == {"push", "pull_request"}
    assert triggers["paper"] == {"workflow_dispatch", "schedule"}
    assert triggers["publish"] == {"push", "workflow_dispatch"}
    assert {name for name in WORKFLOWS if "self-hosted" in str(WORKFLOWS[name]["jobs"])} == {"paper"}


def test_ci_runs_what_ci_runs_on_every_python_that_is_supported():
    (job,) = WORKFLOWS["ci"]["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12"]
    assert ".ci/run" in [step.get("run") for step in steps("ci")]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "PYTHON ?=" in (ROOT / "Makefile").read_text()  # which the job sets
    uploads = [step["with"]["path"] for step in steps("ci") if "upload-artifact" in step.get("uses", "")]
    assert uploads == ["book/_build/html"]


def test_the_published_book_is_the_papers():
    assert "make book PROFILE=paper" in [step.get("run") for step in steps("publish")]


@pytest.mark.parametrize(
    ("nrc", "code", "said"),
    [
        ("exec sleep 30", 0, "the next slice goes on from here"),
        ('echo "$@"', 0, "compute all --profile book/profiles/paper_gpu.yml --store results"),
        ("exit 1", 1, ""),
    ],
)
def test_a_slice_that_is_cut_off_is_no_failure(tmp_path, nrc, code, said):
    program(tmp_path / ".venv" / "bin" / "nrc", f"#!/bin/sh\n{nrc}\n")
    result = bash(script("paper", "Compute until the time is up"), tmp_path, MINUTES="0.02")
    assert result.returncode == code, result.stderr
    assert said in result.stdout
    assert (ROOT / "book" / "profiles" / "paper_gpu.yml").is_file()


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A clone of a repository in another folder, with one published run."""
    git = "git -c user.name=me -c user.email=me@example.org"
    made = bash(
        "git init --quiet --bare --initial-branch main origin && git clone --quiet origin here 2> /dev/null && cd here"
        f" && git checkout --quiet -B main && mkdir results && echo 1 > results/old && git add ."
        f" && {git} commit -qm one && git push --quiet origin main",
        tmp_path,
    )
    assert made.returncode == 0, made.stderr
    program(tmp_path / "bin" / "gh", GH)
    return tmp_path / "here"


def paper(name: str, checkout: Path, pull_request: str) -> str:
    """Run a step of the paper workflow, and return its calls of gh."""
    log = checkout.parent / "gh.log"
    log.write_text("")
    path = f"{checkout.parent / 'bin'}:{os.environ['PATH']}"
    values = {"PATH": path, "GH_LOG": log, "PULL_REQUEST": pull_request, "BRANCH": "paper-results"}
    result = bash(script("paper", name), checkout, **values)
    assert result.returncode == 0, result.stderr
    return log.read_text()


def test_new_runs_are_proposed_once_and_found_by_the_next_slice(checkout):
    assert "pr create" not in paper("Propose the new runs", checkout, "")  # there are none
    (checkout / "results" / "first").write_text("1")
    assert "pr create --head paper-results" in paper("Propose the new runs", checkout, "")
    bash("git checkout --quiet --force main", checkout)
    assert not (checkout / "results" / "first").exists()
    paper("Take over the runs that are proposed but not merged", checkout, "7")
    (checkout / "results" / "second").write_text("2")
    assert "pr create" not in paper("Propose the new runs", checkout, "7")
    proposed = bash("git ls-tree --name-only -r origin/paper-results", checkout).stdout.split()
    assert proposed == ["results/first", "results/old", "results/second"]


def test_the_archive_holds_the_book_and_its_results(tmp_path):
    for path in ("book/_build/html/index.html", "results/key/losses.parquet", "LICENSE", "CITATION.cff"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    result = bash(script("publish", "Archive"), tmp_path, GITHUB_OUTPUT=tmp_path / "output")
    assert result.returncode == 0, result.stderr
    name = (tmp_path / "output").read_text().strip().removeprefix("name=")
    assert re.fullmatch(r"nrc-book-\d{4}-\d{2}-\d{2}", name)
    release = tmp_path / "build" / "release"
    with tarfile.open(release / f"{name}.tar.gz") as archive:
        files = {member.name for member in archive.getmembers() if member.isfile()}
    members = ("html/index.html", "results/key/losses.parquet", "LICENSE", "CITATION.cff")
    assert files == {f"{name}/{member}" for member in members}
    assert bash("sha256sum --check SHA256SUMS", release).returncode == 0
