"""Keep the book offline, from a folder as from a server: MathJax from an installed wheel, nothing from elsewhere."""

from __future__ import annotations

import re
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


# Browsers refuse such preloads of a page that is a file, and say so on every page; the fonts come without.
PRELOADED_FONT = re.compile(r'<link rel="preload" as="font"[^>]*>\n?')
# Of results, and of Markdown: where they are wide they scroll.
WIDE_TABLE = re.compile(r'<table (?=id="T_|class="table")')
CITATIONS = '<div role="list" class="citation-list">'  # a list, it says, but its entries are no items of one


def _mend(app: Sphinx, error: Exception | None) -> None:
    """What the themes leave: fonts asked for ahead, wide tables that no key scrolls, and a list that is none."""
    if error is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text()
            mended = WIDE_TABLE.sub('<table tabindex="0" ', PRELOADED_FONT.sub("", text))
            mended = mended.replace(CITATIONS, CITATIONS.replace('role="list" ', ""))
            if mended != text:
                page.write_text(mended)


def _drop_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """The live-code button is off, but its script would still name an outside host on every page."""
    context.setdefault("default_mode", "auto")  # light or dark as the reader's machine; the theme complains without
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
    app.connect("build-finished", _mend)
    app.connect("html-page-context", _drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
