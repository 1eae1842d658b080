"""Run the notebook of one page, and dress an executed notebook for reading.

python book/pages.py PROFILE PAGE EXECUTED.ipynb
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from launch import launch, repository
from nbformat.v4 import new_markdown_cell, new_notebook

from nrc_core.errors import DataUnavailable, NrcError
from nrc_core.notebooks import parameters_of, run_notebook
from nrc_core.profiles import Page, Profile, read_profile

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
UNAVAILABLE = "nrc_unavailable"  # notebook metadata: why the page could not be run


def run(profile: Profile, page: Page, output: Path) -> None:
    """Execute the page's notebook; where its data cannot be had, write one that says so."""
    os.environ.setdefault("NRC_STORE", profile.store)
    try:
        run_notebook(NOTEBOOKS / f"{page.notebook}.ipynb", output, page.parameters)
    except DataUnavailable as error:
        print(f"{page.name}: {error}", file=sys.stderr)
        notebook = new_notebook()
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.metadata[UNAVAILABLE] = str(error)
        nbformat.write(notebook, output)


def publish(profile: Profile, page: Page, executed: Path, claims: str) -> nbformat.NotebookNode:
    """The executed notebook as a page: title, profile, claims, alternative texts, parameters and rerun command."""
    notebook = nbformat.read(executed, as_version=4)
    if reason := notebook.metadata.get(UNAVAILABLE):
        text = (
            f"# {page.title}\n\n:::{{warning}}\nThis page was not run: {reason}.\n:::\n\n"
            "Then build the book again: only this page is run."
        )
        notebook.cells = [new_markdown_cell(text), _rerun(page)]
        return notebook
    cells = [cell for cell in notebook.cells if not {"parameters", "injected-parameters"} & set(_tags(cell))]
    for cell in cells:
        _describe_pictures(cell)
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    body = cells[0].source.split("\n", 1)[1].strip()
    cells[0].source = f"# {page.title}\n\n*Profile {profile.name}: {profile.note.strip()}*\n\n{body}"
    box = [new_markdown_cell(claims)] if claims else []
    notebook.cells = [cells[0], *box, *cells[1:], _rerun(page)]
    return notebook


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _describe_pictures(cell: nbformat.NotebookNode) -> None:
    """Hand the alternative text that a figure carries to the page."""
    for output in cell.get("outputs", []):
        if alt := output.get("metadata", {}).get("image/svg+xml", {}).get("alt"):
            cell.metadata["mystnb"] = {"image": {"alt": alt}}


def _rerun(page: Page) -> nbformat.NotebookNode:
    """The command that runs the page again, the table of its parameters, and where else it can be run."""
    values = {name: _text(value) for name, value in page.parameters.items() if value is not None}
    given = " ".join(f"{name}={text}" for name, text in values.items())
    command = f"nrc run notebooks/{page.notebook}.ipynb {given}".strip()
    rows = [
        f"| `{name}` | {entry['type']} | `{entry['default']}` | {_code(values.get(name))} | {entry['help']} |"
        for name, entry in parameters_of(NOTEBOOKS / f"{page.notebook}.ipynb").items()
    ]
    table = "\n".join(["| parameter | type | default | here | meaning |", "|---|---|---|---|---|", *rows])
    return new_markdown_cell(
        f"## Run it again\n\n```sh\n{command}\n```\n\nChange a value, or add any of these:\n\n"
        f":::{{dropdown}} Parameters\n{table}\n:::\n\n{launch(page, repository())}".rstrip()
    )


def _text(value: Any) -> str:
    return ",".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _code(text: str | None) -> str:
    return "" if text is None else f"`{text}`"


def main(arguments: list[str]) -> int:
    """Run one page; an error is one line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    profile_path, name, output = arguments
    try:
        profile = read_profile(Path(profile_path))
        page = next(page for page in profile.pages if page.name == name)
        run(profile, page, Path(output))
    except (NrcError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
