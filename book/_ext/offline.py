"""Make the book work offline, in a folder and on a server: MathJax is from a wheel, and nothing is downloaded."""

import re
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.fileutil import copy_asset_file

MATHJAX = "tex-svg.js"  # a single file, which draws equations as SVG and needs no fonts


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


# Browsers do not preload fonts for a page that is a local file, and show a warning. Fonts load without preloading.
PRELOADED_FONT = re.compile(r'<link rel="preload" as="font"[^>]*>\n?')
# Tables of results and tables in Markdown, which scroll if they are too wide.
WIDE_TABLE = re.compile(r'<table (?=id="T_|class="table")')
CITATIONS = '<div role="list" class="citation-list">'  # this has the role of a list, but contains no list items


def _mend(app: Sphinx, error: Exception | None) -> None:
    """Correct errors of the themes: preloaded fonts, tables that keys cannot scroll, and a list without items."""
    if error is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text()
            mended = WIDE_TABLE.sub('<table tabindex="0" ', PRELOADED_FONT.sub("", text))
            mended = mended.replace(CITATIONS, CITATIONS.replace('role="list" ', ""))
            if mended != text:
                page.write_text(mended)


def _drop_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Remove the script of the live-code button: the button is off, but the script contains an outside address."""
    context.setdefault("default_mode", "auto")  # light or dark as on the reader's machine; the theme needs a value
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if "thebe"
        not in f"{getattr(script, 'filename', '')}{getattr(script, 'attributes', {}).get('body', '')}".lower()
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register this extension with Sphinx."""
    app.config.mathjax_path = f"mathjax/{MATHJAX}"
    app.connect("build-finished", _copy)
    app.connect("build-finished", _mend)
    app.connect("html-page-context", _drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
