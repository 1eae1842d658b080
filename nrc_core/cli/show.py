"""`nrc show`: what a notebook asks, which parameters it takes, and how long it took."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from nrc_core.cli.arguments import add_store, completing, store_folder

HELP = "what a notebook asks, which parameters it takes, and how long it took"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    notebook = parser.add_argument("notebook", help="path of a notebook, or name of one of the project's (`nrc list`)")
    completing(notebook, _names)
    add_store(parser, "NRC_STORE, or build/store")


def execute(given: argparse.Namespace) -> None:
    """Print it."""
    from nrc_core.workflow.notebook_files import find_notebook, opening
    from nrc_core.workflow.notebooks import parameters_of

    path = find_notebook(given.notebook)
    title, question = opening(path)
    declared = parameters_of(path)
    print(title or path.stem)
    if question:
        print(f"\n{question}")
    print("\nParameters (name, type, default, meaning)")
    for name, entry in declared.items():
        print(f"  {name:22} {entry['type'] or 'any':20} {entry['default']:16} {entry['help']}")
    for line in _times(path, given):
        print(f"\n{line}")


def _times(path: Path, given: argparse.Namespace) -> Iterator[str]:
    """How long it took, and would take with the defaults."""
    from nrc_core.files import project_folder
    from nrc_core.results.estimates import announcement, has_gpu
    from nrc_core.results.obtaining import find
    from nrc_core.results.store import Store
    from nrc_core.sections.experiments import EXPERIMENTS
    from nrc_core.training.progress import duration

    executed = project_folder() / "build" / "runs" / path.name
    if (last := _last(executed)) is not None:
        yield f"Last executed {last[1][:10]} in {duration(last[0])}: {executed}"
    if path.stem in EXPERIMENTS:
        configs, store = EXPERIMENTS[path.stem](), Store(store_folder(given))
        lacking = [config for config in configs if find(config, store, tables=()) is None]
        all_there = f"all its {len(configs)} networks are in the store {store.folder}"
        yield f"With the defaults: {announcement(lacking, store.folder, gpu=has_gpu()) if lacking else all_there}"


def _last(executed: Path) -> tuple[float, str] | None:
    """Seconds and date of an executed notebook; None if it is not there or does not say."""
    try:
        recorded = json.loads(executed.read_text())["metadata"]["papermill"]
        return float(recorded["duration"]), str(recorded["end_time"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _names() -> list[str]:
    from nrc_core.workflow.notebook_files import all_notebooks

    return list(all_notebooks())
