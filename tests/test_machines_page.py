"""The text of the page on machines agrees with its tables."""

from importlib import import_module

import pandas as pd
import pytest

from nrc_core import Store
from nrc_core.claims.references import References, make
from nrc_core.workflow.profiles import Page

PAGE = Page(
    "swimmer", "Swimmer", "deep_nrc_mlp",
    {"dataset": "synthetic", "samples": 100, "width": 8, "depth": 3, "epochs": 3, "measurements": 2, "seeds": [0]},
)  # fmt: skip
CLOSE = {"id": "X1", "statement": "It holds.", "verdict": "partly", "change": 0.25, "close": True}


@pytest.fixture(scope="module")
def machines():
    return import_module("book.builder.machines")


@pytest.fixture(scope="module")
def references(tmp_path_factory) -> References:
    folder = tmp_path_factory.mktemp("references")
    make([PAGE], range(5), folder / "table", Store(folder / "store"))
    return References.read(folder / "table")


def moved(references: References, factor: float, seeds: int) -> References:
    """The first `seeds` seeds of the references, with values as from another machine."""
    own = references.quantities[references.quantities["seed"] < seeds]
    runs = references.runs[references.runs["seed"] < seeds]
    return References(runs, own.assign(value=own["value"] * factor))


def test_without_another_machine_the_page_says_so(machines, references):
    assert "No run has been made on another machine" in machines.page(references, {}, [])


def test_the_same_numbers_are_a_machine_that_changes_nothing(machines, references):
    text = machines.page(references, {"plain": moved(references, 1.0, 3)}, [])
    assert "**A little.**" in text
    assert "by 0.00 of what another seed does" in text
    assert "In 3 of 3 reruns" in text
    assert "| swimmer | an Intel Xeon, without vector instructions | 3 | 0.00 (0.00) | 3 |" in text
    assert "None: no verdict" in text


def test_alarms_are_counted_for_machines_that_the_limit_did_not_know(machines, references):
    text = machines.page(references, {"h100": references, "avx2": moved(references, 0.2, 2)}, [CLOSE])
    rows = [line for line in text.splitlines() if line.startswith("| published seeds")]
    assert rows[0].endswith("| 5 | 0 | 0 |")
    assert rows[1].endswith("| 2 | 2 | 2 |")
    assert "ledger.html#X1" in text
    assert "| partly | 25% |" in text


def test_three_new_seeds_alarm_where_one_setting_has_all_of_them_outside(machines):
    """Three of four seeds are outside in one setting, another three in a second setting: 2 of 4 choices of three."""
    outside = {"a": [True, True, True, False], "b": [False, True, True, True]}
    rows = [("m", "p", name, seed, out) for name, outs in outside.items() for seed, out in enumerate(outs, start=5)]
    new = pd.DataFrame(rows, columns=["machine", "page", "setting", "seed", "outside"])
    assert machines._of_new_seeds(new) == (4, 2)
    assert machines._of_new_seeds(new[new["seed"] < 7]) == (0, 0)


def test_the_figure_says_how_many_dots_lie_below_a_seed(machines, references):
    picture = machines.figure(references, {"avx2": references})
    assert "8 of 8 dots lie below 1" in picture.alt
    assert "<svg" in picture.svg


def test_data_that_are_made_here_are_compared_to_the_bit(machines):
    published = {"hopper": {"a"}, "swimmer": {"a", "b"}, "car_racing": {"c"}}
    text = machines.data_made_here({"hopper": "a", "swimmer": "a", "car_racing": "d", "reacher": "e"}, published)
    assert text.startswith("Made on this machine and the same to the bit as for the published runs: hopper.")
    assert text.endswith("Made here and different: swimmer, car_racing.")
    assert machines.data_made_here({}, published) == ""
