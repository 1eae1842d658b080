"""Errors that users meet. Each message is one line with the rule, the given value and the likely remedy."""

import difflib
import reprlib
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

# Packages that only some commands need. The keys are the extras of this project that install them.
EXTRAS = {
    "workflow": ("ipykernel", "nbconvert", "nbformat", "papermill"),
    "book": ("matplotlib", "seaborn"),
    "data": ("Box2D", "gymnasium", "h5py", "mujoco", "safetensors"),
    "experts": ("stable_baselines3",),
}
_short = reprlib.Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 2, 80, 80


class NrcError(Exception):
    """Base class of all errors that a user can cause or fix; commands print them without a traceback."""


class ConfigError(NrcError, ValueError):
    """A parameter is unknown, of the wrong type or out of range."""


class DataUnavailable(NrcError):
    """A data set is not on this machine; the message says how to get it."""


class DataDamaged(NrcError):
    """A data file does not have the expected content: wrong checksum, truncated, not a number."""


class TrainingDiverged(NrcError):
    """The loss of a run is no longer finite."""


class NotebookFailed(NrcError):
    """A notebook did not run to its end; no file was replaced."""


def shown(value: Any) -> str:
    """A value as text for an error message: one readable line, however large the value is.

    Example:
        >>> shown("a"), shown(list(range(1000)))
        ("'a'", '[0, 1, 2, 3, 4, 5, ...]')
    """
    return _short.repr(value)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that equals a given name except for upper and lower case, else the most similar one, or None.

    Example:
        >>> nearest("A", ["a", "b"]), nearest("hoper", ["hopper"]), nearest("x", ["a", "b"])
        ('a', 'hopper', None)
    """
    same = [one for one in known if one.lower() == name.lower()]
    return next(iter(same or difflib.get_close_matches(name, known, 1)), None)


def suggestion(name: str, known: Sequence[str], otherwise: str) -> str:
    """What to try in place of an unknown name: the nearest known name, or a list of all known names.

    Example:
        >>> suggestion("hoper", ["hopper"], "there is"), suggestion("x", ["a", "b"], "there is")
        ("did you mean 'hopper'?", 'there is a, b')
    """
    near = nearest(name, known)
    return f"{otherwise} {', '.join(known)}" if near is None else f"did you mean {near!r}?"


def extra_of(package: str) -> str | None:
    """The extra that installs a package; None if no extra installs it.

    Example:
        >>> extra_of("papermill"), extra_of("numpy")
        ('workflow', None)
    """
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)


def lacking(package: str) -> str:
    """One line that says what to do about a package that is not installed."""
    extra = extra_of(package)
    remedy = "install it" if extra is None else f"install the extra `{extra}`: pip install 'nrc-core[{extra}]'"
    return f"the package {package} is not installed: {remedy} (in a checkout, `make environment` installs all)"


def check_installed(*packages: str) -> None:
    """Raise ConfigError unless these packages are installed; no package is imported."""
    for package in packages:
        if find_spec(package) is None:
            raise ConfigError(lacking(package))
