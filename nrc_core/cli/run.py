"""`nrc run`: execute a notebook with parameters."""

import argparse
import os

from nrc_core.cli.given import pairs
from nrc_core.errors import check_installed
from nrc_core.files import project_folder
from nrc_core.workflow.html_pages import export
from nrc_core.workflow.notebook_files import find_notebook, findings
from nrc_core.workflow.notebooks import check_output, run_notebook


def execute(given: argparse.Namespace) -> None:
    """Execute the notebook, and print its findings and the path of the output."""
    values, notebook = pairs(given.parameters), find_notebook(given.notebook)
    output = given.output or project_folder() / "build" / "runs" / notebook.name
    check_output(notebook, output)
    if given.html:
        check_installed("nbconvert")
    if given.store:
        os.environ["NRC_STORE"] = str(given.store.resolve())
    executed = run_notebook(notebook, output, values, timeout=given.timeout)
    for line in findings(executed.cells):
        print(line)
    print(f"executed notebook: {output}")
    if given.html:
        print(f"page: {export(output).resolve().as_uri()}")
    elif (page := output.with_suffix(".html")).is_file():
        print(f"the page beside it, {page}, is of an earlier run: `nrc run ... --html` replaces it")
