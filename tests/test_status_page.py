"""The page with the age and origin of every run."""

from datetime import UTC, datetime
from importlib import import_module

import pytest

from nrc_core.workflow.profiles import Page, Profile
from tests.fakes import network, results

NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
CHECK = {"profile": "toy", "pages": [{"outcome": one} for one in ("agrees", "differs", "not compared")]}


@pytest.fixture(scope="module")
def status():
    return import_module("book.builder.status")


@pytest.fixture
def two():
    """Two runs that took 30 and 60 minutes, one and ten days ago; the second used other code."""
    made = results(network("swimmer", 0), network("swimmer", 1))
    made.runs["device"], made.runs["commit"] = ["CPU (toy), one thread", "NVIDIA H100"], ["aaa", "bbb"]
    made.runs["seconds"], made.runs["date"] = (
        [1800.0, 3600.0],
        ["2026-03-10T00:00:00+00:00", "2026-03-01T00:00:00+00:00"],
    )
    for key, date in zip(made.runs["key"], made.runs["date"], strict=True):
        made.provenance[key] = {"date": date, "packages": {"torch": "2.15.0+cpu"}}
    return made


def profile(*names: str) -> Profile:
    return Profile(
        "toy", "a note", "store", names[0], tuple(Page(name, name.upper(), "deep_nrc_mlp", {}) for name in names)
    )


def test_a_page_has_its_time_devices_and_age(status, two):
    text = status.page(profile("one", "none"), {"one": two, "none": None}, CHECK, now=NOW)
    assert "2 runs, 1.5 hours of computing, made by 2 commits." in text
    assert "This build trained 2 pages again with the present code; 1 of them agrees with the reference runs" in text
    line = next(line for line in text.splitlines() if line.startswith("| [ONE]"))
    assert line.split("|")[2:-1] == [
        " 2 ", " 1.50 ", " CPU (toy), NVIDIA H100 ", " 2.15.0 ", " 2026-03-01 to 2026-03-10 ", " 10 ",
    ]  # fmt: skip
    assert "| [NONE](pages/none.ipynb) | none |" in text


def test_a_run_on_two_pages_is_counted_once(status, two):
    text = status.page(profile("one", "two"), {"one": two, "two": two}, CHECK, now=NOW)
    assert "2 runs, 1.5 hours" in text
    assert text.count(f"| `{two.runs['key'].iloc[0]}` | [one]") == 1
    assert f"| `{two.runs['key'].iloc[0]}` | [two]" not in text


def test_a_page_of_published_runs_is_marked(status, two):
    text = status.page(profile("one", "two"), {"one": two, "two": two}, CHECK, now=NOW, shown=["two"])
    assert "| [TWO](pages/two.ipynb), published runs | 2 |" in text
    assert "| [ONE](pages/one.ipynb) | 2 |" in text
    assert " 1 of the pages shows the published runs, as its data are not on this machine.\n" in text
    assert "published" not in status.page(profile("one"), {"one": two}, CHECK, now=NOW)


def test_a_book_without_runs_has_the_page_too(status):
    assert "0 runs, 0.0 hours" in status.page(profile("none"), {"none": None}, CHECK, now=NOW)


def test_a_build_that_trained_nothing_says_so(status, two):
    text = status.page(profile("one"), {"one": two}, {"profile": "toy", "pages": []}, now=NOW)
    assert "This build trained nothing that could be compared" in text
