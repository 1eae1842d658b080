"""The errors that users meet: each is one line with the rule, what was given and the likely remedy."""

import difflib
import reprlib
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

# Packages that only some commands need, by the extra of this project that brings them.
EXTRAS = {
    "workflow": ("ipykernel", "nbconvert", "nbformat", "papermill"),
    "book": ("matplotlib", "seaborn"),
    "data": ("Box2D", "gymnasium", "h5py", "mujoco", "safetensors"),
    "experts": ("stable_baselines3",),
}
_short = reprlib.Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 2, 80, 80


class NrcError(Exception):
    """Base of every error that a user can cause or mend; commands print it without a traceback."""


class ConfigError(NrcError, ValueError):
    """A parameter is unknown, of the wrong type or out of range."""


class DataUnavailable(NrcError):
    """A data set is not on this machine; the message says how to get it."""


class DataDamaged(NrcError):
    """A data file does not hold what it should: wrong checksum, truncated, not a number."""


class TrainingDiverged(NrcError):
    """The loss of a run stopped being finite."""


class NotebookFailed(NrcError):
    """A notebook did not run to its end; nothing was written in its place."""


def shown(value: Any) -> str:
    """A value as errors quote it: however large it is, a line that can be read.

    Example:
        >>> shown("a"), shown(list(range(1000)))
        ("'a'", '[0, 1, 2, 3, 4, 5, ...]')
    """
    return _short.repr(value)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that differs from a given one in upper and lower case only, or else in few letters; or None.

    Example:
        >>> nearest("A", ["a", "b"]), nearest("hoper", ["hopper"]), nearest("x", ["a", "b"])
        ('a', 'hopper', None)
    """
    same = [one for one in known if one.lower() == name.lower()]
    return next(iter(same or difflib.get_close_matches(name, known, 1)), None)


def suggestion(name: str, known: Sequence[str], otherwise: str) -> str:
    """What to try in place of an unknown name: the nearest known one, or all of them.

    Example:
        >>> suggestion("hoper", ["hopper"], "there is"), suggestion("x", ["a", "b"], "there is")
        ("did you mean 'hopper'?", 'there is a, b')
    """
    near = nearest(name, known)
    return f"{otherwise} {', '.join(known)}" if near is None else f"did you mean {near!r}?"


def extra_of(package: str) -> str | None:
    """The extra that brings a package; None for a package that none brings.

    Example:
        >>> extra_of("papermill"), extra_of("numpy")
        ('workflow', None)
    """
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)


def lacking(package: str) -> str:
    """What to do about a package that is not there, in one line."""
    extra = extra_of(package)
    remedy = "install it" if extra is None else f"install the extra `{extra}`: pip install 'nrc-core[{extra}]'"
    return f"the package {package} is not installed: {remedy} (in a checkout, `make environment` installs all)"


def check_installed(*packages: str) -> None:
    """Raise ConfigError unless these packages are there; imports none of them."""
    for package in packages:
        if find_spec(package) is None:
            raise ConfigError(lacking(package))
