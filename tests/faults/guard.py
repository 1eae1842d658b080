"""Effects of a malformed input on an attempt to use it: how the attempt ends, where it writes, what it unpickles."""

import contextlib
import io
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nrc_core.cli.main import main
from nrc_core.errors import NrcError

LINE = 6000  # largest number of characters of an error: ODD values of 5,000 characters are quoted
SECONDS = 60  # longest time of an attempt: the longest measured attempt took three seconds
# Events that change a folder or a file: which of their arguments are paths, each with the open folder that it may be
# relative to.
CHANGES: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.mkdir": ((0, 2),),
    "os.rename": ((0, 2), (1, 3)),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
}
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
GIT = "git"  # asked for the commit that a result is made at
ACCEPTED, REFUSED, BROKEN = "accepted", "refused", "broken"


class Watch:
    """Watch all events of Python in this process while a block runs (PEP 578).

    A hook cannot be removed, so there is one permanent hook, which is active only within `over`.
    """

    def __init__(self) -> None:
        self._allowed: tuple[Path, ...] | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    @contextmanager
    def over(self, *allowed: Path) -> Iterator[list[str]]:
        """Record writes outside the allowed folders, unpickled names and started programs."""
        self.seen, self._allowed = [], tuple(folder.resolve() for folder in allowed)
        try:
            yield self.seen
        finally:
            self._allowed = None

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._allowed is None:
            return
        if event == "open" and _writes(*arguments[1:3]):
            self._place(event, arguments[0])
        elif event in CHANGES:
            for path, folder in CHANGES[event]:
                self._place(event, arguments[path], -1 if folder is None else arguments[folder])
        elif event == "pickle.find_class":
            self.seen.append(f"unpickled {arguments[0]}.{arguments[1]}")
        elif event in PROGRAMS and arguments[0] != GIT:
            self.seen.append(f"{event} {arguments[0]}")

    def _place(self, event: str, path: Any, folder: int = -1) -> None:
        """Record a path that is not in an allowed folder; the path may be relative to an open folder."""
        if not isinstance(path, str | bytes | os.PathLike):
            return  # the file is already open
        allowed, self._allowed = self._allowed or (), None  # resolving a path is no deed of what is watched
        try:
            within = Path(f"/proc/self/fd/{folder}") if folder >= 0 else Path()
            place = (within / os.fsdecode(path)).resolve()
            if place != Path(os.devnull) and not any(place.is_relative_to(folder) for folder in allowed):
                self.seen.append(f"{event} {place}")
        finally:
            self._allowed = allowed


def _writes(mode: Any, flags: Any) -> bool:
    """Whether a file is opened for writing."""
    if isinstance(mode, str):
        return any(letter in mode for letter in "wxa+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))


class Case(NamedTuple):
    """One malformed input in words, and the attempt to use it, which may write in its own folder only."""

    words: str
    act: Callable[[], object]


@dataclass
class Outcome:
    """How an attempt ended: accepted, refused in one line, or broken; and the reason."""

    kind: str
    case: str
    end: str
    words: str
    deeds: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether the input was accepted or refused, and nothing forbidden was done."""
        return self.end in (ACCEPTED, REFUSED) and not self.deeds


def command(*arguments: str | Path) -> None:
    """Run `nrc` in this process; raise NrcError if it refuses in one line, AssertionError if it refuses otherwise."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = main([str(argument) for argument in arguments])
    lines = [line for line in said.getvalue().splitlines() if line.startswith("nrc: ")]
    if code:
        assert len(lines) == 1, f"an error is one line, not {said.getvalue()!r}"
        raise NrcError(lines[0].removeprefix("nrc: "))


def attempt(watch: Watch, kind: str, case: Case, folder: Path) -> Outcome:
    """Try a case within a time limit and return its outcome; the attempt may write in `folder` only."""
    with watch.over(folder) as deeds:
        end, words = _end(case.act)
    return Outcome(kind, case.words, end, words, deeds)


def _end(act: Callable[[], object]) -> tuple[str, str]:
    def late(*_: object) -> None:
        raise TimeoutError(f"took longer than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():  # a command shows them, and goes on
            warnings.simplefilter("ignore")
            act()
    except NrcError as error:
        message = str(error)
        lines = message.splitlines()
        if len(lines) == 1 and len(message) <= LINE:
            return REFUSED, message
        return BROKEN, f"an error of {len(lines)} lines, {len(message)} characters: {message[:200]!r}"
    except BaseException as error:  # also what is no Exception: a library's panic would end the program
        if isinstance(error, KeyboardInterrupt):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-4:]]
        return BROKEN, f"{type(error).__name__}: {str(error)[:200]} at {', '.join(ours)}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return ACCEPTED, ""
