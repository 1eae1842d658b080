"""Load the scripts and styles of the explorer on its page only; Jupyter Book puts all of `_static` on every page.

uPlot draws it: MIT, kept up, 51 kB where Bokeh has 1.2 MB, and with axes by site and logarithms. Its files are those of
release 1.6.32, whose checksums stand in `uPlot.sha256`.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

PAGE = "explorer"
ASSETS = ("uPlot.min.js", "uPlot.min.css", "explorer.js", "explorer_drawing.js", "explorer.css")


def _only_there(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if page != PAGE:
        for kind in ("script_files", "css_files"):
            context[kind] = [
                file
                for file in context.get(kind, [])
                if not str(getattr(file, "filename", file)).rsplit("/", 1)[-1].startswith(ASSETS)
            ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", _only_there, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
