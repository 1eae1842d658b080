"""Trials of `measure` in the book: every outcome is as recorded, and no outcome is a traceback."""

import json
from importlib import import_module
from pathlib import Path

import pytest

from tests.tried import MEASURED, REFUSED, WARNED, outcome
from tests.tried.__main__ import OUTPUT, TRIALS

ROOT = Path(__file__).parent.parent
WRITTEN = {row["what"]: row for table in json.loads(OUTPUT.read_text())["tables"] for row in table["rows"]}
ALL = [trial for trials in TRIALS.values() for trial in trials]


@pytest.mark.parametrize("trial", ALL, ids=lambda trial: trial.kind)
def test_what_became_of_it_is_what_is_written(trial):
    """Record the outcomes again with `python -m tests.tried`."""
    found = outcome(trial)
    assert found == WRITTEN[trial.kind]
    assert "\n" not in found["what is said"]
    assert (found["outcome"] == MEASURED) == (found["what is said"] == "")


def test_every_kind_is_there_once_and_in_the_book():
    assert list(WRITTEN) == [trial.kind for trial in ALL]
    assert len(ALL) > 100
    assert {row["outcome"] for row in WRITTEN.values()} == {MEASURED, WARNED, REFUSED}
    page = import_module("book.builder.speed").page(OUTPUT.parent)
    assert all(f"| {kind} |" in page for kind in WRITTEN)
    assert "generated/tried.md" in (ROOT / "book" / "own_network.md").read_text()
