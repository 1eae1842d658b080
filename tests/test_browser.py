"""The built pages in a real Chromium: wide and narrow, light and dark, searched, and checked for all readers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
SIZES = {"desktop": (1300, 900), "phone": (390, 800)}
# One page of a kind: text, ledger, data, runs of MLPs, of ResNets, of classifiers, and one without its data.
KINDS = (
    "index",
    "ledger",
    "status",
    "data",
    "pages/swimmer",
    "pages/car_racing",
    "pages/collapse_mnist",
    "pages/sgemm",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Visit:
    """A page that is open, and what it complained of and asked for."""

    def __init__(self, page: Page):
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("request", lambda request: self.requests.append(request.url))

    def outside(self) -> list[str]:
        """Addresses that are not on this machine."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]


def visit(browser: Browser, file: Path, *, size: str = "desktop", scheme: str = "light") -> Visit:
    width, height = SIZES[size]
    visited = Visit(browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme))  # type: ignore[arg-type]
    visited.page.goto(file.as_uri())
    return visited


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_renders_fits_and_asks_for_nothing(browser, site, size, scheme):
    problems = {}
    for file in sorted(file for file in site.rglob("*.html") if "_static" not in file.parts):
        visited = visit(browser, file, size=size, scheme=scheme)
        page = visited.page
        page.wait_for_function("document.readyState === 'complete'")
        found = visited.complaints + visited.outside()
        if page.locator("html").get_attribute("data-theme") != scheme:
            found.append("wrong theme")
        if (width := page.evaluate("document.documentElement.scrollWidth")) > SIZES[size][0]:
            found.append(f"{width} wide")
        found += page.evaluate("[...document.images].filter(one => !one.naturalWidth).map(one => one.src)")
        if found:
            problems[file.relative_to(site).as_posix()] = found
        page.close()
    assert not problems


def test_equations_are_drawn(browser, site):
    page = visit(browser, site / "pages" / "four_conditions.html").page
    page.wait_for_selector("mjx-container svg")
    assert page.locator("mjx-container").count() >= 10
    assert page.locator("mjx-merror").count() == 0


def test_a_planted_request_and_a_planted_error_are_seen(browser, tmp_path):
    (tmp_path / "page.html").write_text(
        '<html><script src="https://example.invalid/x.js"></script><script>throw Error("planted")</script></html>'
    )
    visited = visit(browser, tmp_path / "page.html")
    assert visited.outside() == ["https://example.invalid/x.js"]
    assert any("planted" in one for one in visited.complaints)


def test_the_search_finds_what_the_papers_call_it(browser, site):
    page = visit(browser, site / "search.html").page
    page.goto((site / "search.html").as_uri() + "?q=noise+suppression")
    page.wait_for_selector("#search-results li a")
    assert re.search("conditions|Swimmer|claims", page.locator("#search-results").inner_text())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", KINDS)
def test_no_page_keeps_anything_from_a_reader(browser, site, name, scheme):
    """axe-core finds no serious or critical violation."""
    page = visit(browser, site / f"{name}.html", scheme=scheme).page
    violations = Axe().run(page).response["violations"]
    grave = {
        one["id"]: [node["html"][:120] for node in one["nodes"][:3]]
        for one in violations
        if one["impact"] in ("serious", "critical")
    }
    page.close()
    assert not grave


def test_what_axe_ought_to_find_is_found(browser, tmp_path):
    (tmp_path / "page.html").write_text('<html><body><img src="x.png"><button></button></body></html>')
    page = visit(browser, tmp_path / "page.html").page
    assert {"image-alt", "button-name"} <= {one["id"] for one in Axe().run(page).response["violations"]}
