"""Hundreds of malformed inputs give a one-line error or a correct result; nothing else is written, loaded or run."""

import logging
import os
import pickle
import shutil
from pathlib import Path
from random import Random

import pytest

from nrc_core import DataDamaged
from tests.faults.guard import ACCEPTED, BROKEN, REFUSED, Case, Watch, attempt, command
from tests.faults.hostile import Harmful, pickled
from tests.faults.malformed import KINDS
from tests.faults.mutations import BYTES, mutate, replant
from tests.faults.prepared import prepare_all

EACH = 50  # inputs of a kind; `python -m tests.faults` takes more
STORED = ("results", "checkpoints")  # each trains a network


@pytest.fixture(scope="session")
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    prepare_all(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_malformed_inputs_do_no_harm(kind, watch, prepared, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("NRC_DATA_DIR", str(prepared))
    caplog.set_level(logging.CRITICAL)
    outcomes, each = [], EACH if kind not in STORED else EACH // 3
    for number in range(each):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            case = KINDS[kind](Random(f"{kind} {number}"), folder, patch)
            outcomes.append(attempt(watch, kind, case, folder))
    assert [outcome for outcome in outcomes if not outcome.is_sound] == []
    assert {path.name for path in tmp_path.iterdir()} - {"sound"} == set(map(str, range(each)))
    if kind in STORED:  # what is damaged is made again
        assert {outcome.end for outcome in outcomes} == {ACCEPTED}
    else:
        assert sum(outcome.end == REFUSED for outcome in outcomes) > EACH / 3


def write(path: Path) -> Case:
    return Case("write", lambda: path.write_text("evil"))


def raising(error: Exception) -> Case:
    def act() -> None:
        raise error

    return Case("raise", act)


def test_the_watch_sees_what_it_must(watch, tmp_path):
    """Without this, the test above could not fail."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    assert attempt(watch, "", write(inside / "file"), inside).is_sound
    found = attempt(watch, "", write(outside), inside)
    assert not found.is_sound
    assert found.deeds == [f"open {outside}"]
    moved = Case("move", lambda: (inside / "file").rename(outside))
    assert attempt(watch, "", moved, inside).deeds == [f"os.rename {outside}"]
    made = Case("make", lambda: (inside / ".." / "folder").mkdir())
    assert attempt(watch, "", made, inside).deeds == [f"os.mkdir {tmp_path / 'folder'}"]
    linked = Case("link", lambda: (tmp_path / "link").symlink_to(inside))
    assert attempt(watch, "", linked, inside).deeds == [f"os.symlink {tmp_path / 'link'}"]
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "leaf").touch()
    felled = Case("remove", lambda: shutil.rmtree(tmp_path / "tree"))  # from open folders
    assert attempt(watch, "", felled, inside).deeds[0] == f"os.remove {tmp_path / 'tree' / 'leaf'}"
    loaded = Case("load", lambda: pickle.loads(pickled()))  # our own, which runs `echo`: the watch must see it
    deeds = attempt(watch, "", loaded, inside).deeds
    assert deeds[0].startswith("unpickled posix.system")
    assert deeds[1].startswith("os.system")
    assert attempt(watch, "", Case("read", outside.read_text), inside).is_sound


def test_the_guard_tells_refusals_from_breakdowns(watch, tmp_path):
    assert attempt(watch, "", raising(DataDamaged("one line")), tmp_path).end == REFUSED
    assert attempt(watch, "", raising(DataDamaged("two\nlines")), tmp_path).end == BROKEN
    assert attempt(watch, "", raising(DataDamaged("long" * 2000)), tmp_path).end == BROKEN
    assert attempt(watch, "", raising(ValueError("a bug")), tmp_path).end == BROKEN
    assert attempt(watch, "", raising(SystemExit(0)), tmp_path).end == BROKEN
    assert attempt(watch, "", Case("nothing", lambda: None), tmp_path).end == ACCEPTED
    with pytest.raises(Exception, match="no experiment 'deep'"):
        command("compute", "deep")


def test_every_mutation_changes_bytes():
    content = b"PK\x03\x04" + bytes(200)
    cases = [mutate(Random(seed), content) for seed in range(300)]
    assert {name for name, _ in cases} == set(BYTES)
    assert all(changed != content for _, changed in cases)


def test_mutations_are_those_of_their_seed():
    content = bytes(range(256))
    assert mutate(Random(3), content) == mutate(Random(3), content)
    tree = {"a": [1, {"b": 2}]}
    assert len({repr(replant(Random(seed), tree)) for seed in range(50)}) > 10
    assert tree == {"a": [1, {"b": 2}]}


def test_what_is_harmful_would_do_harm(capfd):
    """The pickle that no command may load runs a program, here `echo`, when it is loaded."""
    assert pickle.loads(pickle.dumps(Harmful())) == 0
    assert capfd.readouterr().out == f"unpickled{os.linesep}"
