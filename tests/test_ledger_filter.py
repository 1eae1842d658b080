"""The filter of the ledger, on the built page in a real Chromium."""

import json
import re
from collections import Counter

import pytest

from tests.chromium import SIZES, Visit

pytestmark = pytest.mark.browser


@pytest.fixture
def claims(build) -> list[dict]:
    return json.loads((build / "claims.json").read_text())


@pytest.fixture
def open_ledger(browser, site):
    """Open the ledger at an address; it must report no error and load nothing from outside."""
    visits: list[Visit] = []

    def opened(address: str = "", page: str = "ledger", **options):
        visits.append(Visit(browser, (site / f"{page}.html").as_uri() + address, **options))
        return visits[-1].page

    yield opened
    for visited in visits:
        assert not visited.complaints + visited.outside()
        visited.close()


def shown(page) -> set[str]:
    """The claims whose rows are visible."""
    return {mark.get_attribute("id") for mark in page.locator("tr:visible [data-verdict]").all()}


def count(page) -> str:
    return page.locator("#ledger-filter output").inner_text()


def test_at_first_all_claims_are_shown(open_ledger, claims):
    page = open_ledger()
    assert shown(page) == {one["id"] for one in claims}
    assert count(page) == f"{len(claims)} of {len(claims)} claims"


@pytest.mark.parametrize("size", SIZES)
def test_menus_choose_by_paper_section_and_verdict(open_ledger, claims, size):
    page = open_ledger(size=size)
    page.get_by_label("of paper").select_option("Limitations")
    assert shown(page) == {one["id"] for one in claims if one["id"].startswith("B")}
    page.get_by_label("of section").select_option("transfer")
    transfer = {one["id"] for one in claims if one["section"] == "transfer"}
    assert shown(page) == transfer
    assert count(page) == f"{len(transfer)} of {len(claims)} claims"
    page.get_by_role("button", name="Show all").click()
    (verdict, number), *_ = Counter(one["verdict"] for one in claims).most_common()
    page.get_by_label("with verdict").select_option(verdict)
    assert len(shown(page)) == number < len(claims)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]


def test_sections_without_a_claim_that_is_shown_are_hidden_with_their_heading(open_ledger):
    page = open_ledger()
    page.get_by_label("of section").select_option("low_rank")
    headings = [heading.inner_text() for heading in page.locator("article h2:visible").all()]
    assert [text for text in headings if text.startswith(("Deep NRC", "Train", "Size", "Transfer", "Cascading"))] == [
        "Deep NRC, low-rank targets (section 4.3)"
    ]
    assert any(text.startswith("Thresholds") for text in headings)


def test_paper_and_section_never_contradict_each_other(open_ledger):
    page = open_ledger()
    paper, section = page.get_by_label("of paper"), page.get_by_label("of section")
    section.select_option("dynamics")
    assert paper.input_value() == "Deep NRC"
    paper.select_option("Limitations")
    assert section.input_value() == ""
    assert shown(page)


def test_words_are_found_by_keyboard_alone(open_ledger):
    page = open_ledger()
    page.get_by_label("of paper").focus()
    for _ in range(4):
        page.keyboard.press("Tab")
    page.keyboard.type("b31")
    assert shown(page) == {"B31"}
    assert count(page).startswith("1 of ")
    page.keyboard.press("Enter")
    assert shown(page) == {"B31"}
    page.keyboard.press("Control+A")
    page.keyboard.type("Test collapse SVHN")  # all words, in any order and case
    texts = [row.inner_text().lower() for row in page.locator("tr:visible:has([data-verdict])").all()]
    assert texts
    assert all("svhn" in text and "collapse" in text for text in texts)
    page.keyboard.press("Control+A")
    page.keyboard.type("zebra")
    assert count(page).startswith("0 of ")


def test_an_address_keeps_what_is_chosen(open_ledger):
    page = open_ledger()
    page.get_by_label("of section").select_option("weight_decay")
    page.get_by_label("with these words").fill("swimmer")
    chosen = shown(page)
    page.wait_for_url(lambda url: url.endswith("ledger.html?paper=Deep+NRC&section=weight_decay&words=swimmer"))
    again = open_ledger(page.url.partition("ledger.html")[2])
    assert shown(again) == chosen
    assert again.get_by_label("with these words").input_value() == "swimmer"
    again.get_by_role("button", name="Show all").click()
    again.wait_for_url(lambda url: url.endswith("ledger.html"))


def test_an_address_with_an_unknown_choice_shows_all(open_ledger, claims):
    assert len(shown(open_ledger("?verdict=doubtful&colour=blue"))) == len(claims)


def test_a_number_of_the_landing_page_leads_to_its_claims(open_ledger, claims):
    page = open_ledger(page="index")
    link = page.locator("a[href*='verdict=not+yet+run']")
    waiting = {one["id"] for one in claims if one["verdict"] == "not yet run"}
    assert link.inner_text().endswith(f"not yet run {len(waiting)}")
    link.click()
    page.wait_for_selector("#ledger-filter")
    assert shown(page) == waiting
    assert page.get_by_label("with verdict").input_value() == "not yet run"


def test_a_link_to_a_claim_shows_it_whatever_is_chosen(open_ledger, claims):
    page = open_ledger("?paper=Deep+NRC#B31")
    assert len(shown(page)) == len(claims)
    page.wait_for_url(lambda url: url.endswith("ledger.html#B31"))
    assert page.evaluate("document.getElementById('B31').getBoundingClientRect().top") < SIZES["desktop"][1]
    kept = open_ledger("?paper=Limitations#B31")
    assert shown(kept) == {one["id"] for one in claims if one["id"].startswith("B")}
    kept.get_by_label("of paper").select_option("Deep NRC")
    kept.evaluate("location.hash = 'B31'")  # as a link within the page does
    kept.wait_for_function("!document.querySelector('tr[hidden]')")


def test_on_paper_stands_what_is_chosen(open_ledger):
    page = open_ledger("?words=B31")
    page.emulate_media(media="print")
    assert shown(page) == {"B31"}


def test_without_scripts_the_tables_are_whole(browser, site, claims):
    address = (site / "ledger.html").as_uri() + "?verdict=reproduced#B31"
    visited = Visit(browser, address, java_script_enabled=False)  # the browser reports scripts that it does not run
    assert visited.page.locator("#ledger-filter").is_hidden()
    assert len(shown(visited.page)) == len(claims)
    visited.close()


def test_scripts_are_on_their_pages_only(site):
    for name, script in (("ledger", "ledger.js"), ("explorer", "explorer_points.js")):
        having = [file.stem for file in site.glob("*.html") if f"_static/{script}" in file.read_text()]
        assert having == [name]
        assert "controls.css" in (site / f"{name}.html").read_text()


def test_what_was_rechecked_here_can_be_chosen(browser, site, build, claims, tmp_path):
    """This uses a copy of the page in which one claim has a different outcome from all other claims."""
    text = (site / "ledger.html").read_text()
    assert text.count("data-here=") == len(claims)
    mark = re.search(r'<span id="A01"[^>]*data-here="([^"]+)"', text)
    other = next(outcome for outcome in ("agrees", "differs", "not here") if outcome != mark[1])
    (tmp_path / "_static").symlink_to(site / "_static")
    edited = re.sub(r'data-here="[^"]+"', f'data-here="{mark[1]}"', text)
    changed = edited[: mark.start()] + edited[mark.start() :].replace(
        f'data-here="{mark[1]}"', f'data-here="{other}"', 1
    )
    (tmp_path / "ledger.html").write_text(changed)
    visited = Visit(browser, (tmp_path / "ledger.html").as_uri())
    visited.page.get_by_label("re-checked here").select_option(other)
    assert shown(visited.page) == {"A01"}
    visited.page.wait_for_url(lambda url: url.endswith(f"ledger.html?here={other.replace(' ', '+')}"))
    visited.page.get_by_label("re-checked here").select_option(mark[1])
    assert shown(visited.page) == {one["id"] for one in claims} - {"A01"}
    visited.close()
