"""The page that says where each statement of the literature is tested."""

import re
from pathlib import Path

from nrc_core.workflow.profiles import read_profile

BOOK = Path(__file__).parent.parent / "book"
TEXT = (BOOK / "literature.md").read_text()
ROWS = [line for line in TEXT.splitlines() if line.startswith("|")][2:]


def test_every_row_names_a_page_of_the_published_book():
    pages = {page.name for page in read_profile(BOOK / "profiles" / "paper.yml").pages}
    for row in ROWS:
        named = re.findall(r"\(pages/(\w+)\.ipynb\)", row)
        assert named, row
        assert set(named) <= pages, row


def test_every_source_is_in_the_references():
    known = re.findall(r"^@\w+\{(\w+),", (BOOK / "references.bib").read_text(), re.MULTILINE)
    cited = re.findall(r"\{cite:t\}`(\w+)`", TEXT)
    assert len(cited) == len(set(cited)) == 10
    assert set(cited) <= set(known)


def test_every_page_of_the_theory_has_a_row():
    toc = (BOOK / "_toc.yml").read_text()
    part = toc.split("caption: Theory")[1].split("caption:")[0]
    assert set(re.findall(r"pages/(\w+)", part)) <= set(re.findall(r"pages/(\w+)\.ipynb", TEXT))
