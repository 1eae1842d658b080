"""What stands under every figure: which runs it is drawn from, and the files behind it."""

import base64
import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from nbformat.v4 import new_markdown_cell
from PIL import Image

from book.builder import published
from book.builder.pages import PUBLISHED
from nrc_core.results.results import Results
from nrc_core.results.runs import stored
from nrc_core.results.store import Store
from nrc_core.workflow.profiles import Page, Profile

FIGURES, NOTEBOOKS, TABLES = "_static/figures", "_static/notebooks", "_static/tables"
SVG, PNG = "image/svg+xml", "image/png"
KEYS_SHOWN = 3
COLOURS = 64  # of a PNG, which has lines and is no photograph


def results_of(profile: Profile, page: Page, state: str) -> Results | None:
    """The runs that a page shows; None for a page that trains nothing or was never run.

    Args:
        state: what its executed notebook shows, as `pages.state` gives it.
    """
    if page.experiment is None:
        return None
    if state == PUBLISHED:
        return published.results_of(published.page_of(page.name) or page)
    found, _ = stored(page.configs, store=Store(os.environ.get("NRC_STORE", profile.store)))
    return found


def attach(
    notebook: nbformat.NotebookNode, page: Page, executed: Path, results: Results | None, book: Path
) -> nbformat.NotebookNode:
    """A page with a line under every figure; the files that the line links to are written into the book's folder."""
    if not any(SVG in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])):
        return notebook
    table = None if results is None else _table(results, page, book)
    files = {"data, CSV": table, "notebook": _notebook(executed, page, book)}
    cells: list[nbformat.NotebookNode] = []
    number = 0
    for cell in notebook.cells:
        cells.append(cell)
        for output in cell.get("outputs", []):
            if SVG in output.get("data", {}):
                number += 1
                drawn = {"SVG": _vectors(output.data), "PNG": _pixels(output.data, page, number, book)}
                cells.append(new_markdown_cell(_line(results, drawn | files)))
    notebook.cells = cells
    return notebook


def _line(results: Results | None, files: dict[str, str | None]) -> str:
    parts = [] if results is None else _origin(results.runs)
    links = ", ".join(f'<a href="../{file}" download>{name}</a>' for name, file in files.items() if file)
    return "{.evidence}\n" + " · ".join(parts) + f'<span class="files">{" · " if parts else ""}{links}</span>'


def _origin(runs: pd.DataFrame) -> list[str]:
    keys = runs["key"].drop_duplicates()
    shown = ", ".join(f"`{key}`" for key in keys[:KEYS_SHOWN])
    more = f" and {len(keys) - KEYS_SHOWN} more" if len(keys) > KEYS_SHOWN else ""
    days = sorted({date[:10] for date in runs["date"]})
    return [
        _each(Path(name).name for name in runs["dataset"]),
        f"{'run' if len(keys) == 1 else 'runs'} {shown}{more}",
        f"commit {_each(f'`{commit}`' for commit in runs['commit'])}",
        _each(runs["device"]),
        days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}",
    ]


def _each(values: Iterable[Any]) -> str:
    return ", ".join(dict.fromkeys(map(str, values)))


def _vectors(data: dict[str, Any]) -> str:
    """The file that myst-nb writes the drawing to: its name is a checksum of the content."""
    content = os.linesep.join(data[SVG].splitlines()).encode()
    return f"_images/{hashlib.sha256(content).hexdigest()}.svg"


def _pixels(data: dict[str, Any], page: Page, number: int, book: Path) -> str | None:
    """Write the PNG with few colours; the page shows the SVG only."""
    if (encoded := data.pop(PNG, None)) is None:
        return None
    file = f"{FIGURES}/{page.name}-{number}.png"
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGBA")
    (book / file).parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(COLOURS, Image.Quantize.FASTOCTREE).save(book / file, optimize=True)
    return file


def _notebook(executed: Path, page: Page, book: Path) -> str:
    """Write the notebook as it was run, its parameters filled in, without outputs."""
    notebook = nbformat.read(executed, as_version=4)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    file = f"{NOTEBOOKS}/{page.name}.ipynb"
    (book / file).parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, book / file)
    return file


def _table(results: Results, page: Page, book: Path) -> str:
    """Write the measurements of the page's runs, of its fine-tuned networks, of its descents and of last layers."""
    tables = (results.measurements, results.downstream, results.descent, results.last_layer)
    frames = [frame for frame in tables if len(frame)]
    file = f"{TABLES}/{page.name}.csv.zip"  # a tenth of the size
    (book / file).parent.mkdir(parents=True, exist_ok=True)
    pd.concat(frames).to_csv(book / file, index=False, float_format="%.5g")
    return file
