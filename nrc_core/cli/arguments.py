"""Arguments that several commands take."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nrc_core.errors import ConfigError

if TYPE_CHECKING:
    from nrc_core.workflow.profiles import Profile


def add_store(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """`--store`, by default what is said."""
    parser.add_argument("--store", type=Path, help=f"folder of results (default: {otherwise})")


def add_pairs(parser: argparse.ArgumentParser) -> None:
    """Parameters as name=value; lists as name=a,b."""
    how = 'lists are name=a,b or "name=[a, b]"'
    parser.add_argument("parameters", nargs="*", default=[], metavar="name=value", help=how)


def pairs(parameters: list[str]) -> dict[str, str]:
    """Name -> text of words like name=value.

    Raises:
        ConfigError: a word without = or without a name, or a name that is given twice.

    Example:
        >>> pairs(["note=a=b"])
        {'note': 'a=b'}
    """
    found: dict[str, str] = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals or not name:
            half = any(one.count("[") > one.count("]") for one in found.values())
            hint = ' (a list with spaces goes in quotes: "name=[a, b]")' if half else ""
            raise ConfigError(f"parameters are given as name=value, without blanks: got {text!r}{hint}")
        if name in found:
            raise ConfigError(f"parameter {name!r} is given twice")
        found[name] = value
    return found


def profile_of(given: argparse.Namespace, name: str) -> Profile:
    """The profile that is given, or the project's of this name.

    Raises:
        ConfigError: no such profile, or not a profile.
    """
    from nrc_core.files import project_folder
    from nrc_core.workflow.profiles import read_profile

    own = project_folder() / "book" / "profiles" / f"{name}.yml"
    if given.profile is None and not own.is_file():
        raise ConfigError(
            f"`nrc {given.command}` needs the project's profiles and results, which its checkout has and the installed "
            "package has not: run it in a checkout, or give --profile and --store"
        )
    return read_profile(given.profile or own)


def store_folder(given: argparse.Namespace, otherwise: str | None = None) -> Path:
    """The store that is given, or that of NRC_STORE, or the one that is used otherwise."""
    from nrc_core.files import project_folder

    folder = given.store or os.environ.get("NRC_STORE") or project_folder() / (otherwise or "build/store")
    return Path(folder)


def completing(parser_action: argparse.Action, choices: Any) -> None:
    """Names that the shell is to complete, as a function without arguments that returns them."""

    def complete(**_: Any) -> Iterable[str]:
        return list(choices())

    parser_action.completer = complete  # type: ignore[attr-defined]
