"""Run the notebook of one page, and dress an executed notebook for reading.

python -m book.builder.pages PROFILE PAGE EXECUTED.ipynb
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

from book.builder import published
from book.builder.launch import launch, repository
from nrc_core.errors import DataUnavailable, NrcError
from nrc_core.results.phrases import markdown_table
from nrc_core.workflow.notebook_files import FINDINGS
from nrc_core.workflow.notebooks import parameters_of, run_notebook
from nrc_core.workflow.profiles import Page, Profile, read_profile

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
# Notebook metadata: why a page shows the published runs, or shows no runs.
PUBLISHED, UNAVAILABLE = "nrc_published", "nrc_unavailable"
_WITH_DATA = (
    "Once the data are there, this runs the page with the parameters that it has in the profile of this book:\n\n"
)

Cells = list[nbformat.NotebookNode]


def run(profile: Profile, page: Page, output: Path) -> None:
    """Execute the page's notebook. If its data are missing, show the published runs; if there are none, say so."""
    os.environ.setdefault("NRC_STORE", profile.store)
    try:
        run_notebook(NOTEBOOKS / f"{page.notebook}.ipynb", output, page.parameters)
    except DataUnavailable as error:
        print(f"{page.name}: {error}", file=sys.stderr)
        show_published(page.name, output, str(error))


def show_published(name: str, output: Path, reason: str) -> None:
    """Execute a page's notebook on the published runs, with their parameters; if there are none, write why.

    Args:
        reason: why the page was not run with its own parameters.
    """
    page = published.page_of(name)
    if page is None or published.results_of(page) is None:
        print(f"{name}: there are no published runs either", file=sys.stderr)
        notebook = new_notebook()
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.metadata[UNAVAILABLE] = reason
    else:
        print(f"{name}: shows the published runs", file=sys.stderr)
        with published.store_only():
            run_notebook(NOTEBOOKS / f"{page.notebook}.ipynb", output, page.parameters)
        notebook = nbformat.read(output, as_version=4)
        notebook.metadata[PUBLISHED] = reason
    nbformat.write(notebook, output)


def state(executed: Path) -> str:
    """What an executed notebook shows: `PUBLISHED` runs, no runs (`UNAVAILABLE`), or those of its profile (empty)."""
    metadata = nbformat.read(executed, as_version=4).metadata
    return next((name for name in (PUBLISHED, UNAVAILABLE) if name in metadata), "")


def publish(profile: Profile, page: Page, executed: Path, claims: str) -> nbformat.NotebookNode:
    """The executed notebook as a page: title, profile, findings, claims, the rest, and the command to run it again.

    Pictures get their alternative texts. If the notebook has a cell that is only the heading above its findings, they
    are before its question and method.
    """
    notebook = nbformat.read(executed, as_version=4)
    box = [new_markdown_cell(claims)] if claims else []
    if reason := notebook.metadata.get(UNAVAILABLE):
        text = (
            f"# {page.title}\n\n:::{{warning}}\nNever run: this page has no published runs. {_sentence(reason)} "
            "Then build the book again: only this page is run.\n:::"
        )
        notebook.cells = [new_markdown_cell(text), *box, _rerun(page, _WITH_DATA)]
        return notebook
    cells = [cell for cell in notebook.cells if not {"parameters", "injected-parameters"} & set(_tags(cell))]
    for cell in cells:
        _describe_pictures(cell)
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    body = cells[0].source.split("\n", 1)[1].strip()
    reason = notebook.metadata.get(PUBLISHED)
    origin = published.profile() if reason else profile
    above = f"{_published(reason)}\n\n" if reason else ""
    title = f"# {page.title}\n\n{above}*Profile {origin.name}: {origin.note.strip()}*"
    found, others = _findings_first(cells[1:])
    cells[0].source = title if found else f"{title}\n\n{body}"
    question = [new_markdown_cell(f"## Question and method\n\n{body}")] if found else []
    notebook.cells = [cells[0], *found, *box, *question, *others, _rerun(page, _WITH_DATA if reason else "")]
    return notebook


def _findings_first(cells: Cells) -> tuple[Cells, Cells]:
    """The cells from the heading above the findings to the next heading, and all other cells."""
    starts = [place for place, cell in enumerate(cells) if _is_heading(cell)]
    found = [place for place in starts if cells[place].source.strip().removeprefix("## ") in FINDINGS]
    if not found:
        return [], cells
    end = next((place for place in starts if place > found[0]), len(cells))
    return cells[found[0] : end], cells[: found[0]] + cells[end:]


def _is_heading(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "markdown" and cell.source.startswith("## ")


def _published(reason: str) -> str:
    """The note under the title of a page whose data are not on this machine."""
    return (
        ":::{admonition} These are the published runs\n:class: note\n"
        f"Nothing was trained here. {_sentence(reason)} Then build the book again: only this page is run.\n:::"
    )


def _sentence(reason: str) -> str:
    """An error message as a sentence."""
    return f"{reason[:1].upper()}{reason[1:].rstrip('.')}."


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _describe_pictures(cell: nbformat.NotebookNode) -> None:
    """Give the page the alternative text that comes with a figure."""
    for output in cell.get("outputs", []):
        if alt := output.get("metadata", {}).get("image/svg+xml", {}).get("alt"):
            cell.metadata["mystnb"] = {"image": {"alt": alt}}


def _rerun(page: Page, before: str) -> nbformat.NotebookNode:
    """The command that runs the page again, the table of its parameters, and where else it can be run.

    Args:
        before: a sentence that stands before the command.
    """
    values = {name: _text(value) for name, value in page.parameters.items() if value is not None}
    given = " ".join(f"{name}={text}" for name, text in values.items())
    command = f"nrc run notebooks/{page.notebook}.ipynb {given}".strip()
    rows = [
        [f"`{name}`", entry["type"], f"`{entry['default']}`", _code(values.get(name)), entry["help"]]
        for name, entry in parameters_of(NOTEBOOKS / f"{page.notebook}.ipynb").items()
    ]
    table = markdown_table(["parameter", "type", "default", "in the command", "meaning"], rows)
    return new_markdown_cell(
        f"## Run it again\n\n{before}```sh\n{command}\n```\n\nChange a value, or add any of these:\n\n"
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
