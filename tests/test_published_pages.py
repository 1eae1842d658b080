"""A page whose data are not on this machine shows the published runs and states this."""

import os
from importlib import import_module
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nrc_core.data.prepared import Manifest, write_prepared
from nrc_core.errors import DataUnavailable
from nrc_core.results.runs import run
from nrc_core.results.store import Store
from nrc_core.sections.deep_nrc_mlp.experiment import deep_nrc_mlp
from nrc_core.workflow.profiles import Page, Profile

REASON = "data set 'hopper' is not prepared on this machine: run `nrc data hopper`"
SMALL = {"dataset": "hopper", "seeds": [0, 1], "width": 4, "depth": 2, "epochs": 1, "measurements": 1}
PAGE = Page("hopper", "Hopper", "deep_nrc_mlp", {"dataset": "hopper", "width": 7})
QUICK = Profile("quick", "Trained here.", "elsewhere", "hopper", (PAGE,))


@pytest.fixture(scope="module")
def pages():
    return import_module("book.builder.pages")


def prepare(folder, identity: str) -> None:
    """Prepare noise as the data set Hopper."""
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((40, 4)), columns=list("abcd"))
    write_prepared(
        folder / "hopper", table, Manifest("hopper", "simulated", "a", "b", identity, ["a", "b"], ["c", "d"], 40)
    )


@pytest.fixture
def published(pages, tmp_path, monkeypatch):
    """A published profile with one page, whose runs are in its store; its data are not the version on this machine."""
    module = pages.published
    monkeypatch.setenv("NRC_DATA_DIR", str(tmp_path / "data"))
    prepare(tmp_path / "data", "old")
    run(deep_nrc_mlp(**SMALL), store=Store(tmp_path / "results"), device="cpu")
    prepare(tmp_path / "data", "new")
    profile = Profile(
        "paper", "As in the paper.", "results", "hopper", (Page("hopper", "Hopper", "deep_nrc_mlp", SMALL),)
    )
    monkeypatch.setattr(module, "profile", lambda: profile)
    monkeypatch.setattr(module, "store", lambda: Store(tmp_path / "results"))
    return module


def test_the_data_sets_of_a_page_are_those_of_its_networks_named_or_by_default():
    regression = ["mnist", "swimmer"]
    assert Page("p", "", "classification_and_regression", {"dataset": "mnist"}).datasets == regression
    assert Page("p", "", "deep_nrc_mlp", {"dataset": "hopper", "seeds": [0, 1]}).datasets == ["hopper"]
    assert Page("p", "", "four_conditions", {}).datasets == []


def test_published_runs_are_found_whatever_data_are_here(published, tmp_path):
    page = published.page_of("hopper")
    found = published.results_of(page)
    assert sorted(found.runs["seed"]) == [0, 1]
    (tmp_path / "data" / "hopper" / "manifest.json").unlink()
    assert list(published.results_of(page).runs["key"]) == list(found.runs["key"])


def test_a_page_of_which_a_run_is_missing_has_no_published_runs(published):
    more = Page("hopper", "Hopper", "deep_nrc_mlp", SMALL | {"seeds": [0, 1, 2]})
    assert published.results_of(more) is None
    assert published.results_of(Page("four", "Four", "four_conditions", {})) is None
    assert published.page_of("walker") is None


def test_the_environment_is_as_before_afterwards(published, monkeypatch, tmp_path):
    monkeypatch.setenv("NRC_STORE", "mine")
    monkeypatch.delenv("NRC_DATA_DIR")
    with pytest.raises(ZeroDivisionError), published.store_only():
        assert os.environ["NRC_STORE"] == str(tmp_path / "results")
        assert not list(Path(os.environ["NRC_DATA_DIR"]).iterdir())
        raise ZeroDivisionError
    assert os.environ["NRC_STORE"] == "mine"
    assert "NRC_DATA_DIR" not in os.environ


@pytest.fixture
def executed(pages, published, monkeypatch, tmp_path):
    """A page that is run without its data; notebooks are not executed, but the calls are recorded."""
    calls = []

    def notebook(path, output, parameters):
        calls.append((path.name, dict(parameters), os.environ.get("NRC_STORE")))
        if parameters == PAGE.parameters:
            raise DataUnavailable(REASON)
        parts = [new_markdown_cell("# Title\n\n**Question.** What?"), new_code_cell("1 + 1")]
        nbformat.write(new_notebook(cells=parts), output)

    monkeypatch.setenv("NRC_STORE", "mine")
    monkeypatch.setattr(pages, "run_notebook", notebook)
    pages.run(QUICK, PAGE, tmp_path / "hopper.ipynb")
    return tmp_path / "hopper.ipynb", calls


def test_without_its_data_a_page_is_made_of_the_published_runs(pages, executed, tmp_path):
    path, calls = executed
    assert calls[0] == ("deep_nrc_mlp.ipynb", PAGE.parameters, "mine")
    assert calls[1:] == [("deep_nrc_mlp.ipynb", SMALL, str(tmp_path / "results"))]
    assert pages.state(path) == pages.PUBLISHED


def test_such_a_page_says_whose_runs_it_shows_and_how_to_get_the_data(pages, executed):
    first, box, code, again = pages.publish(QUICK, PAGE, executed[0], "the box").cells
    head, notice, rest = first.source.split("\n\n", 2)
    assert head == "# Hopper"
    assert notice.startswith(":::{admonition} These are the published runs\n")
    assert (
        "Nothing was trained here. Data set 'hopper' is not prepared on this machine: run `nrc data hopper`." in notice
    )
    assert rest == "*Profile paper: As in the paper.*\n\n**Question.** What?"
    assert (box.source, code.source) == ("the box", "1 + 1")
    assert "Once the data are there" in again.source
    assert "nrc run notebooks/deep_nrc_mlp.ipynb dataset=hopper width=7\n" in again.source


def test_the_results_of_such_a_page_are_the_published_ones(pages, published):
    evidence = import_module("book.builder.evidence")
    assert sorted(evidence.results_of(QUICK, PAGE, pages.PUBLISHED).runs["width"]) == [4, 4]


def test_a_page_that_was_never_run_says_so(pages, published, monkeypatch, tmp_path):
    path = tmp_path / "walker.ipynb"
    pages.show_published("walker", path, REASON)
    assert pages.state(path) == pages.UNAVAILABLE
    warning, box, again = pages.publish(QUICK, PAGE, path, "the box").cells
    assert "Never run: this page has no published runs. Data set 'hopper' is not prepared" in warning.source
    assert box.source == "the box"
    assert "nrc run" in again.source


def test_a_page_that_was_run_here_says_nothing_of_published_runs(pages, tmp_path):
    path = tmp_path / "hopper.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Title\n\nText."), new_code_cell("1")]), path)
    assert pages.state(path) == ""
    first, *_, again = pages.publish(QUICK, PAGE, path, "").cells
    assert first.source == "# Hopper\n\n*Profile quick: Trained here.*\n\nText."
    assert "## Run it again\n\n```sh\nnrc run" in again.source


def test_a_page_begins_with_its_findings(pages, tmp_path):
    """They end at the next heading; a page without them stays as its notebook is."""
    path = tmp_path / "hopper.ipynb"
    texts = ["# Title\n\n**Question.** What?", "1", "## What we found", "words", "figure", "The figure.", "## Why", "2"]
    cells = [(new_code_cell if text in ("1", "2", "words", "figure") else new_markdown_cell)(text) for text in texts]
    nbformat.write(new_notebook(cells=cells), path)
    published = [cell.source for cell in pages.publish(QUICK, PAGE, path, "the box").cells]
    assert published[:5] == ["# Hopper\n\n*Profile quick: Trained here.*", *texts[2:6]]
    assert published[5:-1] == ["the box", "## Question and method\n\n**Question.** What?", "1", "## Why", "2"]
