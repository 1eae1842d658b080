"""The lists of packages agree, and facts about the project are stated only once."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
WRITTEN = (ROOT / "environment.yml").read_text()

specification = importlib.util.spec_from_file_location("sync_environment", ROOT / ".ci" / "sync_environment.py")
sync = importlib.util.module_from_spec(specification)
specification.loader.exec_module(sync)


def test_project_lock_and_environment_agree():
    assert sync.problems(PROJECT, LOCK, WRITTEN) == []


def test_the_environment_is_python_pip_the_lock_and_the_project():
    assert yaml.safe_load(WRITTEN)["dependencies"] == [
        "python=3.11",
        "pip",
        {"pip": ["-r requirements.lock", "-e ."]},
    ]


@pytest.mark.parametrize(
    ("lock", "written", "message"),
    [
        (re.sub(r"(?m)^pandas==.*\n", "", LOCK), WRITTEN, "pandas is in pyproject.toml but not in requirements.lock"),
        (re.sub(r"(?m)^pandas==.*$", "pandas==1.0", LOCK), WRITTEN, "not satisfied by the locked 1.0"),
        (LOCK + "--index https://example.org\n", WRITTEN, "names an address"),
        (LOCK, WRITTEN + "\n", "environment.yml is not what pyproject.toml says"),
    ],
)
def test_drift_is_found(lock, written, message):
    assert any(message in problem for problem in sync.problems(PROJECT, lock, written))


def test_the_core_needs_few_packages():
    names = {re.split(r"[>=\[]", line)[0] for line in PROJECT["project"]["dependencies"]}
    tables, networks = (
        {"numpy", "pandas", "pyarrow", "pyyaml", "scikit-learn", "scipy"},
        {"torch", "torchvision", "pillow", "jaxtyping"},
    )
    assert names == tables | networks | {"argcomplete", "filelock", "lazy-loader", "tqdm"}


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["project"]["version"]


def test_files_have_one_job():
    files = [path for folder in ("nrc_core", "data_scripts", "book", "tests") for path in (ROOT / folder).rglob("*.py")]
    lines = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in files}
    assert {path: count for path, count in lines.items() if count > 350} == {}


def test_what_the_guide_for_contributors_names_is_there():
    words = re.findall(r"`([^`\n]+)`", (ROOT / "CONTRIBUTING.md").read_text())
    paths = [word for word in words if re.fullmatch(r"[\w./]+(/|\.(pyi?|md|yml|yaml|ipynb))", word)]
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []
    sources = [
        path for folder in ("nrc_core", "data_scripts", "book", "tests") for path in (ROOT / folder).rglob("*.py")
    ]
    code = "\n".join(path.read_text() for path in sources)
    names = {word.partition("(")[0] for word in words if re.fullmatch(r"\w+\(.*\)|[A-Z_]+", word)}
    assert len(names) > 10
    assert {name for name in names if not re.search(rf"\b{name}\b", code)} == set()
