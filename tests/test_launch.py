"""The buttons that open a page on other services: correct addresses, valid values for its notebook, or no button."""

import ast
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from nrc_core import ConfigError
from nrc_core.sections.parameters import coerce
from nrc_core.workflow.notebooks import parameters_of
from nrc_core.workflow.profiles import read_profile

ROOT = Path(__file__).parent.parent
QUICK = {page.name: page for page in read_profile(ROOT / "book" / "profiles" / "quick.yml").pages}


@pytest.fixture(scope="module")
def launch():
    return import_module("book.builder.launch")


def project(folder: Path, urls: str = "") -> Path:
    (folder / "pyproject.toml").write_text(f'[project]\nname = "x"\n{urls}')
    return folder / "pyproject.toml"


def test_addresses(launch):
    path = "notebooks/deep_nrc_mlp.ipynb"
    assert launch.binder("me/book", path) == (
        "https://mybinder.org/v2/gh/me/book/HEAD?labpath=notebooks%2Fdeep_nrc_mlp.ipynb"
    )
    assert launch.colab("me/book", path) == (
        "https://colab.research.google.com/github/me/book/blob/main/notebooks/deep_nrc_mlp.ipynb"
    )


@pytest.mark.parametrize("ending", ["", "/", ".git"])
def test_the_repository_is_said_in_one_place(launch, tmp_path, ending):
    urls = f'[project.urls]\nRepository = "https://github.com/me/my.book{ending}"\n'
    assert launch.repository(project(tmp_path, urls)) == "me/my.book"


def test_without_a_repository_there_is_no_button(launch, tmp_path):
    assert launch.repository(project(tmp_path)) is None
    assert launch.launch(QUICK["hopper"], None) == ""
    if "urls" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]:
        assert launch.repository() is None


def test_another_address_is_refused(launch, tmp_path):
    with pytest.raises(ConfigError, match=r"must be https://github.com/OWNER/NAME: got 'https://example.org/me/book'"):
        launch.repository(project(tmp_path, '[project.urls]\nRepository = "https://example.org/me/book"\n'))


@pytest.mark.parametrize("page", QUICK.values(), ids=lambda page: page.name)
def test_every_page_opens_its_notebook_with_values_that_it_takes(launch, page):
    text = launch.launch(page, "me/book")
    if page.parameters.get("dataset") in ("utkface", "carla2d"):
        assert text == ""
        return
    assert f"labpath=notebooks%2F{page.notebook}.ipynb\n" in text
    assert f"blob/main/notebooks/{page.notebook}.ipynb" in text
    declared = parameters_of(ROOT / "notebooks" / f"{page.notebook}.ipynb")
    given = {}
    for line in text.splitlines():
        name, equals, value = line.partition(" = ")
        if equals:
            given[name] = coerce(name, ast.literal_eval(value), declared[name]["type"])
    assert given == page.parameters


def test_data_are_fetched_where_they_are_not_made(launch):
    assert "!nrc data mnist\n" in launch.launch(QUICK["collapse_mnist"], "me/book")
    assert "!nrc data" not in launch.launch(QUICK["hopper"], "me/book")
    assert "\n%cd book\n" in launch.launch(QUICK["hopper"], "me/book")


def test_a_page_of_another_profile_has_the_values_of_the_quick_one(launch):
    paper = {page.name: page for page in read_profile(ROOT / "book" / "profiles" / "paper.yml").pages}
    assert paper["sgemm"].parameters != QUICK["sgemm"].parameters
    assert launch.launch(paper["sgemm"], "me/book") == launch.launch(QUICK["sgemm"], "me/book")


def test_binder_finds_an_environment_it_can_make():
    """repo2docker uses environment.yml from the repository, unless a folder for Binder hides this file."""
    assert not any((ROOT / name).exists() for name in ("binder", ".binder", "Dockerfile"))
    (python, _, pip) = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert python == "python=3.11"
    assert "-e ." in pip["pip"]  # a local requirement: the whole repository is there when it is installed
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert "data" in extras  # which Colab installs
