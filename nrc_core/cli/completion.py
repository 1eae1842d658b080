"""Names that the shell completes; `argcomplete` uses them while the user types a command."""

import argparse
from collections.abc import Iterable
from typing import Any

from argcomplete.completers import BaseCompleter, FilesCompleter

from data_scripts import SCRIPTS
from nrc_core.cli.parser import KINDS
from nrc_core.files import project_folder
from nrc_core.results.store import Store
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.workflow.notebook_files import all_notebooks


def _keys() -> list[str]:
    return [key for folder in ("build/store", "results") for key in Store(project_folder() / folder).all_keys()]


def _claims() -> list[str]:
    from nrc_core.claims.entries import read_entries  # imports pandas, which takes a second

    return [entry["id"] for entry in read_entries()]


NAMES = {
    "kinds": lambda: KINDS,
    "notebook": all_notebooks,
    "first": _keys,
    "second": _keys,
    "names": lambda: SCRIPTS,
    "experiment": lambda: [*EXPERIMENTS, "all"],
    "claims": _claims,
}


class Completer(BaseCompleter):
    """Every name that an argument can take; files and folders for arguments that take a path."""

    def __call__(self, *, prefix: str, action: argparse.Action, **other: Any) -> Iterable[str]:
        """Return the words that may follow."""
        names = NAMES.get(action.dest)
        return FilesCompleter()(prefix, action=action, **other) if names is None else names()
