"""Export of an executed notebook as a single HTML page for a browser."""

import base64
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nrc_core.files import project_folder

CITATION = re.compile(r"\{cite:(?P<kind>[tp])\}`(?P<key>[^`]+)`")


def export(executed: Path) -> Path:
    """Write the page beside an executed notebook and return its path.

    Logs and code that is marked as hidden are hidden, as in the book. Formulas are drawn by MathJax, which the page
    fetches from the network; without a network, their source is shown.
    """
    import nbformat
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    notebook = nbformat.read(executed, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = CITATION.sub(_cited, cell.source)
        for output in cell.get("outputs", []):
            _describe(output)
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = {"remove-cell"}
    config.TagRemovePreprocessor.remove_input_tags = {"remove-input", "hide-input"}
    config.TagRemovePreprocessor.remove_all_outputs_tags = {"remove-output"}
    html, _ = HTMLExporter(config=config).from_notebook_node(notebook, {"metadata": {"name": executed.stem}})
    page = executed.with_suffix(".html")
    page.write_text(html)
    return page


def _cited(citation: re.Match[str]) -> str:
    """A citation with authors and year, as in the book; with the key if the list of references lacks it."""
    entry = _references().get(citation["key"])
    if entry is None:
        return f"*{citation['key']}*"
    names = [" ".join(map(str, person.rich_last_names)) for person in entry.persons["author"]]
    authors, year = " and ".join(names) if len(names) < 3 else f"{names[0]} et al.", entry.fields["year"]
    return f"({authors}, {year})" if citation["kind"] == "p" else f"{authors} ({year})"


@cache
def _references() -> Mapping[str, Any]:
    """The book's list of references by key, as `pybtex` reads it."""
    path = project_folder() / "book" / "references.bib"
    if find_spec("pybtex") is None or not path.is_file():
        return {}
    from pybtex.database import parse_file

    entries: Mapping[str, Any] = parse_file(path, "bibtex").entries
    return entries


def _describe(output: dict[str, Any]) -> None:
    """Add the alternative text of a figure, which nbconvert leaves out."""
    alt = output.get("metadata", {}).get("image/svg+xml", {}).get("alt")
    if alt:
        picture = base64.b64encode(output["data"].pop("image/svg+xml").encode()).decode()
        output["data"]["text/html"] = f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{picture}">'
