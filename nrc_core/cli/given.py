"""Read the arguments of a command: parameters, a profile, a store."""

import argparse
import os

from nrc_core.errors import ConfigError
from nrc_core.files import project_folder
from nrc_core.results.store import Store
from nrc_core.workflow.profiles import Profile, read_profile


def pairs(words: list[str]) -> dict[str, str]:
    """Split words like name=value into a dictionary from names to texts.

    Raises:
        ConfigError: a word has no = or no name, or a name is given twice.

    Example:
        >>> pairs(["note=a=b"])
        {'note': 'a=b'}
    """
    values: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            half = any(text.count("[") > text.count("]") for text in values.values())
            hint = ' (a list with spaces goes in quotes: "name=[a, b]")' if half else ""
            raise ConfigError(f"parameters are given as name=value, without blanks: got {word!r}{hint}")
        if name in values:
            raise ConfigError(f"parameter {name!r} is given twice")
        values[name] = value
    return values


def profile_of(given: argparse.Namespace, name: str) -> Profile:
    """The given profile, or else the project's profile of this name.

    Raises:
        ConfigError: there is no such file, or it is not a profile.
    """
    own = project_folder() / "book" / "profiles" / f"{name}.yml"
    if given.profile is None and not own.is_file():
        raise ConfigError(
            f"`nrc {given.command}` needs the project's profiles and results, which its checkout has and the installed "
            "package lacks: run it in a checkout, or give --profile and --store"
        )
    return read_profile(given.profile or own)


def store_of(given: argparse.Namespace, profile: Profile) -> Store:
    """The given store, or else the store in NRC_STORE, or else the store of the profile."""
    return Store(given.store or os.environ.get("NRC_STORE") or project_folder() / profile.store)
