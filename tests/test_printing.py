"""The book on paper."""

import shutil

import pikepdf
import pytest

from tests.scripts import script

PAGE = """<html><body><h1>Noise suppression</h1><p><a href="data.zip">a file beside it</a>
<a href="https://doi.org/10">a paper</a></p><p style="page-break-before: always">Second</p></body></html>"""


@pytest.fixture(scope="module")
def printing():
    return script("book/printing.py")


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_it_has_all_pages_and_no_link_into_this_machine(printing, tmp_path):
    (tmp_path / "page.html").write_text(PAGE)
    assert printing.print_book(tmp_path / "page.html", tmp_path / "book.pdf") == 2
    with pikepdf.open(tmp_path / "book.pdf") as document:
        links = [str(one.A.URI) for page in document.pages for one in page.get("/Annots", [])]
    assert links == ["https://doi.org/10"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.pdf", "page.html"]


def test_without_a_browser_the_remedy_is_named(printing, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(printing.shutil, "which", lambda name: None)
    assert printing.main([str(tmp_path / "page.html"), str(tmp_path / "book.pdf")]) == 1
    assert "install it, or leave PDF=yes out" in capsys.readouterr().err
    assert not (tmp_path / "book.pdf").exists()


def test_a_browser_that_prints_nothing_is_an_error(printing, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(printing.shutil, "which", lambda name: "true")
    assert printing.main([str(tmp_path / "page.html"), str(tmp_path / "book.pdf")]) == 1
    assert "true printed nothing" in capsys.readouterr().err
