"""`nrc show`: show the question, the parameters and the run time of a notebook."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from nrc_core.files import project_folder
from nrc_core.results.estimates import announcement, has_gpu
from nrc_core.results.obtaining import find
from nrc_core.results.store import Store
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.training.progress import duration
from nrc_core.workflow.notebook_files import find_notebook, opening
from nrc_core.workflow.notebooks import parameters_of


def execute(given: argparse.Namespace) -> None:
    """Print the question, the parameters and the times."""
    path = find_notebook(given.notebook)
    title, question = opening(path)
    declared = parameters_of(path)
    print(title or path.stem)
    if question:
        print(f"\n{question}")
    print("\nParameters (name, type, default, meaning)")
    for name, entry in declared.items():
        print(f"  {name:22} {entry['type'] or 'any':20} {entry['default']:16} {entry['help']}")
    for line in _times(path, Store(given.store)):
        print(f"\n{line}")


def _times(path: Path, store: Store) -> Iterator[str]:
    """Yield how long the last run of the notebook took, and how long a run with the defaults would take."""
    executed = project_folder() / "build" / "runs" / path.name
    try:
        recorded = json.loads(executed.read_text())["metadata"]["papermill"]
        yield f"Last executed {str(recorded['end_time'])[:10]} in {duration(float(recorded['duration']))}: {executed}"
    except (OSError, ValueError, KeyError, TypeError):
        pass  # the notebook was not executed, or has no record of its run
    if path.stem in EXPERIMENTS:
        configs = EXPERIMENTS[path.stem]()
        lacking = [config for config in configs if find(config, store, tables=()) is None]
        all_there = f"all its {len(configs)} networks are in the store {store.folder}"
        yield f"With the defaults: {announcement(lacking, store.folder, gpu=has_gpu()) if lacking else all_there}"
