"""Load the scripts and styles of a page on this page only; Jupyter Book loads all of `_static` on every page.

uPlot draws the explorer. It has the MIT licence, is maintained, and has logarithmic axes. It takes 51 kB; Bokeh takes
1.2 MB. The files are those of release 1.6.32; `uPlot.sha256` has their checksums.
"""

from typing import Any

from sphinx.application import Sphinx

ASSETS = {
    "explorer": {
        "uPlot.min.js", "uPlot.min.css", "explorer.js", "explorer_drawing.js", "explorer_points.js", "explorer.css",
        "controls.css",
    },
    "ledger": {"ledger.js", "controls.css"},
}  # fmt: skip


def _only_there(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    unwanted = set().union(*ASSETS.values()) - ASSETS.get(page, set())
    for kind in ("script_files", "css_files"):
        context[kind] = [file for file in context.get(kind, []) if _name(file) not in unwanted]


def _name(file: Any) -> str:
    """The name of a file, without the checksum that Sphinx may add to its address."""
    return str(getattr(file, "filename", file)).rsplit("/", 1)[-1].partition("?")[0]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register this extension with Sphinx."""
    app.connect("html-page-context", _only_there, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
