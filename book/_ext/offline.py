"""Keep the book offline: MathJax from an installed wheel, no scripts from elsewhere."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.fileutil import copy_asset_file

MATHJAX = "tex-svg.js"  # one file, equations drawn as SVG, no fonts to fetch


def _mathjax() -> Path:
    wheel = distribution("sphinx-mathjax-offline")
    for file in wheel.files or ():
        if file.name == MATHJAX and file.parent.name == "mathjax":
            return Path(str(wheel.locate_file(file)))
    raise FileNotFoundError(f"sphinx-mathjax-offline holds no {MATHJAX}: install the pinned version")


def _copy(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        folder = Path(app.outdir) / "_static" / "mathjax"
        folder.mkdir(parents=True, exist_ok=True)
        copy_asset_file(str(_mathjax()), str(folder))


def _drop_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """The live-code button is off, but its script would still name an outside host on every page."""
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if "thebe"
        not in f"{getattr(script, 'filename', '')}{getattr(script, 'attributes', {}).get('body', '')}".lower()
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.config.mathjax_path = f"mathjax/{MATHJAX}"
    app.connect("build-finished", _copy)
    app.connect("html-page-context", _drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
