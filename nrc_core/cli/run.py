"""`nrc run`: execute a notebook with parameters."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from nrc_core.cli.arguments import add_pairs, add_store, completing, pairs

HELP = "execute a notebook with parameters"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    notebook = parser.add_argument("notebook", help="path of a notebook, or name of one of the project's (`nrc list`)")
    completing(notebook, _names)
    add_pairs(parser)
    parser.add_argument("--output", type=Path, help="where the executed notebook goes (default: build/runs/NAME.ipynb)")
    parser.add_argument("--html", action="store_true", help="leave a page beside it, to open in a browser")
    add_store(parser, "NRC_STORE, or build/store")
    parser.add_argument("--timeout", type=int, help="seconds a cell may take (default: no limit)")


def execute(given: argparse.Namespace) -> None:
    """Execute it, say what it found, and where to look at it."""
    from nrc_core.files import project_folder
    from nrc_core.workflow.notebook_files import find_notebook, findings

    values, notebook = pairs(given.parameters), find_notebook(given.notebook)
    from nrc_core.workflow.notebooks import check_output, run_notebook  # with pandas, which takes a second to import

    output = given.output or project_folder() / "build" / "runs" / notebook.name
    check_output(notebook, output)
    if given.html:
        from nrc_core.workflow.html_pages import check_exportable

        check_exportable()
    if given.store:
        os.environ["NRC_STORE"] = str(given.store.resolve())
    run_notebook(notebook, output, values, timeout=given.timeout)
    import nbformat

    for line in findings(nbformat.read(output, as_version=4).cells):
        print(line)
    print(f"executed notebook: {output}")
    if given.html:
        from nrc_core.workflow.html_pages import export

        print(f"page: {export(output).resolve().as_uri()}")
    elif (page := output.with_suffix(".html")).is_file():
        print(f"the page beside it, {page}, is of an earlier run: `nrc run ... --html` replaces it")


def _names() -> list[str]:
    from nrc_core.workflow.notebook_files import all_notebooks

    return list(all_notebooks())
