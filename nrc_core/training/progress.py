"""Display of progress: a bar in a terminal, otherwise a line from time to time; and a heartbeat for long work."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

logger = logging.getLogger(__name__)
LINE_SECONDS = 15.0
BAR_SECONDS = 0.2
HEARTBEAT_SECONDS = 30.0
UNTIMED = "{l_bar}{bar}| {n_fmt}/{total_fmt}{postfix}"  # used if the state already has the time
LINE = re.compile(r"(?P<who>.+): (?P<unit>\w+) (?P<done>\d+) of (?P<total>\d+), (?P<state>.*)")


class _Shown:
    """Base class of displays with at most one bar at a time."""

    _bar: tqdm | None = None

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None


class Progress(_Shown):
    """Display of the progress of one training. Call `tell` after every step.

    Args:
        who: description of the training.
        unit: name of a step: epoch or iteration.
        total: number of steps of the whole training.
        done: number of steps that are already done.
        measured: the steps after which the training is measured. Measuring can take much longer than a step, and most
            of it comes early, so the time to go is estimated from both apart.
    """

    def __init__(self, who: str, unit: str, total: int, done: int = 0, measured: Iterable[int] = ()):
        self._who, self._unit, self._total, self._done = who, unit, total, done
        self._measured = frozenset(measured)
        # The seconds and the number of steps, without and with a measurement before them.
        self._spent, self._steps = [0.0, 0.0], [0, 0]
        self._started = self._shown = self._told = time.monotonic()
        if is_terminal():
            self._bar = _bar(who, unit, total, done)

    def tell(self, done: int, state: Callable[[], str], *, ended: bool = False) -> None:
        """Show that `done` steps are done.

        Args:
            state: gives the state of the training in words; called only if the state is shown.
            ended: whether this was the last step, although fewer steps are done than planned.
        """
        now, last = time.monotonic(), ended or done >= self._total
        after = self._done in self._measured
        self._spent[after] += now - self._told
        self._steps[after] += done - self._done
        self._told, self._done = now, done
        if not last and now - self._shown < (LINE_SECONDS if self._bar is None else BAR_SECONDS):
            return
        self._shown = now
        if self._bar is not None:
            _move(self._bar, done, state())
        if self._bar is None or last:
            seconds = now - self._started
            to_go = "" if last else f", about {duration(self._left())} to go"
            logger.info(
                "%s: %s %d of %d, %s, %.0f s%s", self._who, self._unit, done, self._total, state(), seconds, to_go
            )

    def _left(self) -> float:
        """Seconds that the remaining steps are expected to take."""
        mean = sum(self._spent) / max(sum(self._steps), 1)
        both = zip(self._spent, self._steps, strict=True)
        plain, after = (seconds / steps if steps else mean for seconds, steps in both)
        measured = sum(self._done <= step < self._total for step in self._measured)
        return plain * (self._total - self._done - measured) + after * measured


class Relay(_Shown):
    """A stream for the stderr of a notebook; in a terminal, the progress lines of trainings are shown as bars."""

    def __init__(self) -> None:
        self._who, self._rest = "", ""

    def write(self, text: str) -> None:
        """Show all complete lines."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._show(line)

    def _show(self, line: str) -> None:
        found = LINE.fullmatch(line) if is_terminal() else None
        if found is None or found["done"] == found["total"]:
            self.close()
            if not is_quiet():
                print(line, file=sys.stderr, flush=True)
            return
        if self._bar is None or self._who != found["who"]:
            self.close()
            self._who = found["who"]
            self._bar = _bar(self._who, found["unit"], int(found["total"]), 0, bar_format=UNTIMED)
        _move(self._bar, int(found["done"]), found["state"])

    def flush(self) -> None:
        """Do nothing: every line is shown immediately."""


@contextmanager
def heartbeat(label: str) -> Iterator[None]:
    """Print a line every `HEARTBEAT_SECONDS` while the block runs, to show that it has not stopped."""
    started, stop = time.monotonic(), threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_SECONDS) and not is_quiet():
            say(f"{label}: running for {time.monotonic() - started:.0f} s")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def say(line: str) -> None:
    """Print a line, above a bar if there is one."""
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        tqdm.write(line)
    else:
        print(line, flush=True)


def is_quiet() -> bool:
    """Whether `nrc` prints only results, warnings and errors, because the user asked for it."""
    return logging.getLogger("nrc_core").level > logging.INFO


def is_terminal() -> bool:
    """Whether stderr is a terminal and progress messages are wanted."""
    return sys.stderr.isatty() and logger.isEnabledFor(logging.INFO)


def _bar(who: str, unit: str, total: int, done: int, **options: Any) -> tqdm:
    from tqdm import tqdm  # imported here, since output without a bar does not need tqdm

    return tqdm(desc=who, unit=f" {unit}s", total=total, initial=done, leave=False, dynamic_ncols=True, **options)


def _move(bar: tqdm, done: int, state: str) -> None:
    bar.n = done
    bar.set_postfix_str(state)  # draws it


def duration(seconds: float) -> str:
    """A duration in words.

    Example:
        >>> duration(8.4), duration(100.0), duration(5000.0), duration(200_000.0)
        ('8 s', '2 min', '1.4 h', '2.3 days')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3570:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:.1f} days"
