"""The page on speed: each result of a benchmark becomes a section, and damaged results are named in a line."""

import json
from importlib import import_module
from pathlib import Path

import pytest

from nrc_core.errors import DataDamaged

ROOT = Path(__file__).parent.parent
MACHINE = {"device": "CPU (toy)", "threads": 2, "torch": "2.0", "python": "3.11"}
MADE = {
    "title": "Toy",
    "machine": MACHINE,
    "date": "2026-01-02T03:04:05+00:00",
    "commit": "abc123+",
    "tables": [{"caption": "Toys, in seconds.", "rows": [{"toy": "a|b", "n": 8000}, {"toy": "c", "s": 0.01234}]}],
}


@pytest.fixture(scope="module")
def speed():
    return import_module("book.builder.speed")


@pytest.fixture(scope="module")
def timing():
    return import_module("benchmarks.timing")


def test_a_file_becomes_a_section(speed, tmp_path):
    (tmp_path / "toy.json").write_text(json.dumps(MADE))
    assert speed.page(tmp_path) == (
        "## Toy\n\n"
        "*CPU (toy), 2 threads, torch 2.0, Python 3.11; 2026-01-02, commit `abc123`, files changed since.*\n\n"
        "Toys, in seconds.\n\n"
        "| toy | n | s |\n|---|---:|---:|\n| a\\|b | 8,000 |  |\n| c |  | 0.0123 |\n"
    )


def test_sections_are_in_the_order_of_their_files(speed, tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(json.dumps(MADE | {"title": name, "commit": None}))
    text = speed.page(tmp_path)
    assert text.index("## a") < text.index("## b")
    assert "outside a checkout" in text


def test_without_files_the_page_says_so(speed, tmp_path):
    assert "Nothing has been run" in speed.page(tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "Expecting property name"),
        ("[]", "not a dictionary"),
        (json.dumps({"title": "Toy"}), "lacks machine, date, commit, tables"),
        (json.dumps(MADE | {"machine": {}}), "its machine lacks device, threads, torch, python"),
        (json.dumps(MADE | {"tables": [{"caption": "no rows"}]}), "table 1 lacks its caption or rows"),
        (json.dumps(MADE | {"tables": [{"caption": "", "rows": [3]}]}), "rows of table 1 are not dictionaries"),
        (json.dumps(MADE | {"tables": [{"caption": "", "rows": [{"n": [1]}]}]}), "rows of table 1 are not flat"),
    ],
)
def test_what_is_damaged_is_named_in_one_line(speed, tmp_path, content, why):
    path = tmp_path / "toy.json"
    path.write_text(content)
    with pytest.raises(DataDamaged) as caught:
        speed.page(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{path} is not what a benchmark writes")
    assert why in message
    assert "\n" not in message


def test_bytes_that_are_no_text_are_named(speed, tmp_path):
    (tmp_path / "toy.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataDamaged, match="is not what a benchmark writes"):
        speed.page(tmp_path)


def test_what_the_benchmarks_write_becomes_a_section(speed, timing, tmp_path, capsys):
    path = tmp_path / "new" / "toy.json"
    made = timing.write(path, "Toy", [{"caption": "Toys.", "rows": [timing.spread(timing.seconds(int, 3))]}])
    assert made == json.loads(path.read_text())
    assert "Toys." in capsys.readouterr().out
    text = speed.page(path.parent)
    assert text.startswith(f"## Toy\n\n*{made['machine']['device']}, ")
    assert "| n | least | median | most |" in text


def test_there_is_no_median_of_nothing(timing):
    with pytest.raises(ValueError, match="measure at least once"):
        timing.spread([])


def test_the_committed_results_become_the_page(speed):
    folder = ROOT / "benchmarks" / "results"
    text = speed.page(folder)
    assert all(f"## {speed.read(path)['title']}\n" in text for path in folder.glob("*.json"))
