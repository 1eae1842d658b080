"""Progress bars in a terminal, lines elsewhere, and a line from every process that has to wait."""

import logging
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from fcntl import ioctl
from pathlib import Path

import pytest

from nrc_core.files import locked
from nrc_core.training import progress
from nrc_core.training.progress import LINE, Progress, Relay

ENDLESS = ["dataset=synthetic", "samples=500", "width=64", "depth=3", "epochs=2000000", "measurements=1"]


@pytest.fixture
def told(caplog) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "nrc_core")
    return caplog


def test_outside_a_terminal_there_is_a_line_now_and_then_with_the_time_to_go(told, monkeypatch):
    now = iter([0.0, 1.0, 20.0, 21.0, 40.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    shown = Progress("hopper, seed 0", "epoch", 40)
    for done in (1, 20, 21, 40):
        shown.tell(done, lambda: "train MSE 1")
    assert told.messages == [
        "hopper, seed 0: epoch 20 of 40, train MSE 1, 20 s, about 20 s to go",
        "hopper, seed 0: epoch 40 of 40, train MSE 1, 40 s",
    ]


def test_the_time_to_go_counts_what_was_done_here_only(told, monkeypatch):
    """Of 100 epochs, 60 came from a checkpoint; ten more took 20 s, so the last 30 take 60 s."""
    now = iter([0.0, 20.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    Progress("hopper, seed 0", "epoch", 100, done=60).tell(70, lambda: "x")
    assert told.messages == ["hopper, seed 0: epoch 70 of 100, x, 20 s, about 1 min to go"]


def test_the_time_to_go_tells_measurements_from_steps(told, monkeypatch):
    """Two steps take 1 s each, a measurement 38 s. Of 60 steps to go, one more comes after a measurement of 38 s."""
    now = iter([0.0, 1.0, 40.0, 80.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    shown = Progress("mnist, seed 0", "iteration", 63, measured=[1, 2, 30, 63])
    for done in (1, 2, 3):
        shown.tell(done, lambda: "x")
    assert told.messages[-1] == "mnist, seed 0: iteration 3 of 63, x, 80 s, about 2 min to go"


def test_a_training_that_ends_early_is_told_and_words_are_made_for_what_is_shown_only(told):
    shown = Progress("mnist, seed 0", "iteration", 100)
    shown.tell(10, lambda: pytest.fail("not shown"))
    shown.tell(20, lambda: "loss 0", ended=True)
    assert told.messages == ["mnist, seed 0: iteration 20 of 100, loss 0, 0 s"]


def test_lines_of_a_notebook_are_passed_on_whole(capsys):
    relay = Relay()
    for part in ("a li", "ne\nhopper, seed 0: epoch 1 of 2, x", "\n", "rest"):
        relay.write(part)
    assert capsys.readouterr().err == "a line\nhopper, seed 0: epoch 1 of 2, x\n"


def test_in_a_terminal_the_lines_of_a_notebook_become_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(progress, "is_terminal", lambda: True)
    relay = Relay()
    relay.write("hopper, seed 0: epoch 5 of 20, train MSE 1, 3 s, about 9 s to go\n")
    relay.close()
    said = capsys.readouterr().err
    assert "hopper, seed 0:  25%" in said
    assert "train MSE 1" in said


def test_what_is_told_is_what_a_notebook_is_read_by(told):
    Progress("hopper, 3 networks", "epoch", 3).tell(3, lambda: "train MSE 1 to 2")
    found = LINE.fullmatch(told.messages[0])
    assert found is not None
    assert (found["who"], found["unit"], found["done"], found["total"]) == ("hopper, 3 networks", "epoch", "3", "3")


def test_who_waits_for_another_process_says_so(tmp_path, told, monkeypatch):
    monkeypatch.setattr("nrc_core.files.PATIENCE", 0.05)
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys; from filelock import FileLock\n"
         f"with FileLock({str(tmp_path / 'lock')!r}): print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    holder.stdout.readline()
    threading.Timer(0.5, lambda: holder.communicate(b"")).start()
    with locked(tmp_path / "lock", "another process that computes it"):
        assert told.messages == ["waiting for another process that computes it (Ctrl-C ends the waiting only)"]


def test_a_lock_that_is_free_is_taken_without_a_word(tmp_path, told):
    with locked(tmp_path / "folder" / "lock", "nobody"):
        assert told.messages == []


def in_a_terminal(command: list[str], until: str, keys: bytes, environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and output of a command in a terminal of width 120; keys are pressed when the text `until` appears."""
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a process in the background of a shell ignores this signal
        os.execve(sys.executable, [sys.executable, *command], os.environ | environment)
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    said, pressed, end = "", False, time.monotonic() + 200
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                part = os.read(terminal, 65536)
            except OSError:  # it has ended
                return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said
            said += part.decode(errors="replace")
            if not pressed and re.search(until, said):
                pressed = os.write(terminal, keys) > 0
        state = "whatever is pressed" if pressed else "and was never seen to begin"
        raise AssertionError(f"it goes on, {state}: {said[-1000:]}")
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise


@pytest.mark.parametrize("command", ["compute", "run"])
def test_ctrl_c_ends_a_training_with_its_bar_and_one_line_that_says_how_to_go_on(tmp_path: Path, command):
    options = ["--output", str(tmp_path / "page.ipynb")] if command == "run" else ["--device", "cpu"]
    words = ["-m", "nrc_core.cli", command, "deep_nrc_mlp", *ENDLESS, *options]
    code, said = in_a_terminal(words, r"synthetic, seed 0: +\d+%.*/2000000", b"\x03", {"OMP_NUM_THREADS": "1"})
    assert code == 130
    assert "Traceback" not in said
    assert said.rstrip().splitlines()[-1].startswith("nrc: interrupted: give the same command again to go on")
    assert not (tmp_path / "page.ipynb").exists()
