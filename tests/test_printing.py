"""The book on paper."""

import shutil
from importlib import import_module
from pathlib import Path

import pikepdf
import pytest

ROOT = Path(__file__).parent.parent


PAGE = """<html><body><h1>Noise suppression</h1><p><a href="data.zip">a file beside it</a>
<a href="https://doi.org/10">a paper</a></p><p style="page-break-before: always">Second</p></body></html>"""

# 1,860 of the 1,958 pixels of two pages, if the table begins below the box; what the theme says is said here too.
TABLE = f"""<html><head><style>
body, table {{ margin: 0; border-spacing: 0; font: 10px sans-serif }} td {{ height: 20px; padding: 0 }}
.box {{ height: 200px; box-shadow: 0 3px 8px grey !important }} table {{ break-inside: avoid }}
</style><link rel="stylesheet" href="custom.css"></head><body><div class="bd-content"><div class="box"></div>
<table>{"<tr><td>row</td></tr>" * 83}</table></div></body></html>"""


@pytest.fixture(scope="module")
def printing():
    return import_module("book.builder.printing")


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_it_has_all_pages_and_no_link_into_this_machine(printing, tmp_path):
    (tmp_path / "page.html").write_text(PAGE)
    assert printing.print_book(tmp_path / "page.html", tmp_path / "book.pdf") == 2
    with pikepdf.open(tmp_path / "book.pdf") as document:
        links = [str(one.A.URI) for page in document.pages for one in page.get("/Annots", [])]
    assert links == ["https://doi.org/10"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.pdf", "page.html"]


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
@pytest.mark.parametrize("styled", [True, False])
def test_a_table_goes_on_over_the_page_and_shadows_are_no_pictures(printing, tmp_path, styled):
    """Without the book's own style, the page shows the fault, and the test finds it."""
    (tmp_path / "page.html").write_text(TABLE)
    if styled:
        shutil.copy(ROOT / "book" / "_static" / "custom.css", tmp_path)
    assert printing.print_book(tmp_path / "page.html", tmp_path / "book.pdf") == (2 if styled else 3)
    with pikepdf.open(tmp_path / "book.pdf") as document:
        pictures = [one for one in document.objects if isinstance(one, pikepdf.Stream) and "/Width" in one]
    assert (not pictures) == styled


def test_without_a_browser_the_remedy_is_named(printing, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(printing.shutil, "which", lambda name: None)
    assert printing.main([str(tmp_path / "page.html"), str(tmp_path / "book.pdf")]) == 1
    assert "install it, or leave PDF=yes out" in capsys.readouterr().err
    assert not (tmp_path / "book.pdf").exists()


def test_a_browser_that_prints_nothing_is_an_error(printing, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(printing.shutil, "which", lambda name: "true")
    assert printing.main([str(tmp_path / "page.html"), str(tmp_path / "book.pdf")]) == 1
    assert "true printed nothing" in capsys.readouterr().err
