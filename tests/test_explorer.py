"""The explorer: the data for its script, its content without scripts, and its reaction to mouse and keys."""

import hashlib
import json
import math
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from nrc_core.results.results import Results
from nrc_core.workflow.profiles import Page, Profile
from tests.chromium import SIZES, Visit
from tests.fakes import network, results
from tests.pictures import check_picture

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "book" / "_static"


@pytest.fixture(scope="module")
def explorer():
    return import_module("book.builder.explorer")


def at_epochs(made: Results, *epochs: int, run: str) -> Results:
    """The run with more measured epochs, at which its noise is higher than at its end by a thousandth of the epoch."""
    m = made.measurements
    own = m[m["key"] == run]
    earlier = [own.assign(epoch=epoch, nrc1=own["nrc1"] + epoch / 1000) for epoch in epochs]
    return replace(made, measurements=pd.concat([m, *earlier], ignore_index=True))


@pytest.fixture
def swimmer() -> Results:
    made = results(
        network("swimmer", 0, nrc1=[0.3, 0.123456, 0.04, 0.01], nrc2=[0.5, float("nan"), 0.9, 0.99]),
        network("swimmer", 1),
        network("swimmer", 0, weight_decay=0.0),
        network("hopper", 0),
    )
    return at_epochs(made, 10, 100, run="0" * 16)


def profile(*names: str) -> Profile:
    pages = tuple(Page(name, name.upper(), "deep_nrc_mlp", {}) for name in names)
    return Profile("toy", "a note", "store", names[-1], pages)


def test_networks_hold_their_runs_by_weight_decay_and_seed(explorer, swimmer):
    data = explorer.collect(profile("none", "swimmer"), {"none": None, "swimmer": swimmer})
    (one,) = data["networks"]  # hopper was measured once only
    assert (one["name"], one["title"]) == ("swimmer", "SWIMMER")
    assert [(run["weight_decay"], run["seed"], run["epochs"]) for run in one["runs"]] == [
        (0.0, 0, [1000]), (0.001, 0, [10, 100, 1000]), (0.001, 1, [1000]),
    ]  # fmt: skip


def test_numbers_are_short_in_the_order_of_epochs_and_sites_without_the_output(explorer, swimmer):
    (one,) = explorer.collect(profile("swimmer"), {"swimmer": swimmer})["networks"]
    run = one["runs"][1]
    assert one["sites"] == [0, 1, 2, 3]
    assert run["nrc1"] == [[0.31, 0.1335, 0.05, 0.02], [0.4, 0.2235, 0.14, 0.11], [0.3, 0.1235, 0.04, 0.01]]
    assert run["nrc2"][0] == [0.5, None, 0.9, 0.99]
    assert run["error_most"] == [pytest.approx(0.03)] * 3  # twice the error, and a hundredth of the variance
    assert run["target_stable_rank"] == [1.5] * 3


def test_metrics_have_words_colours_and_thresholds_of_the_book(explorer):
    metrics = {one["name"]: one for one in explorer.collect(profile("none"), {"none": None})["metrics"]}
    assert list(metrics) == ["nrc1", "nrc2", "nrc3", "nrc4", "feature_stable_rank", "weight_stable_rank"]
    assert metrics["nrc1"]["line"] == {"words": "noise at most 0.05", "value": 0.05, "holds": "below"}
    assert metrics["nrc1"]["colour"] == "#0072b2"
    assert [name for name, one in metrics.items() if one["log"]] == [
        "nrc1", "nrc4", "feature_stable_rank", "weight_stable_rank",
    ]  # fmt: skip


def test_networks_of_one_page_are_told_apart_by_what_they_differ_in(explorer):
    made = results(network("swimmer", width=64), network("swimmer", width=256), network("swimmer", width=256))
    made.runs["dataset_options"] = [{"split": split} for split in ("random", "random", "blocked")]
    for number in range(3):
        made = at_epochs(made, 10, run=f"{number:016x}")
    listed = explorer.collect(profile("both"), {"both": made})["networks"]
    assert [one["title"] for one in listed] == [
        "BOTH, random split, width 64", "BOTH, random split, width 256", "BOTH, blocked split, width 256",
    ]  # fmt: skip
    assert len({one["name"] for one in listed}) == 3


def test_a_run_on_two_pages_is_listed_once_as_it_was_measured_most_often(explorer, swimmer):
    once = replace(swimmer, measurements=swimmer.measurements[swimmer.measurements["epoch"] == 1000])
    (one,) = explorer.collect(profile("once", "often"), {"once": once, "often": swimmer})["networks"]
    assert one["title"] == "OFTEN"
    assert len(one["runs"]) == 3
    assert max(len(run["epochs"]) for run in one["runs"]) == 3


def test_the_page_has_controls_data_and_a_picture_without_scripts(explorer, swimmer, tmp_path):
    explorer.page(profile("swimmer"), {"swimmer": swimmer}, tmp_path)
    controls = (tmp_path / "explorer_controls.html").read_text()
    data = json.loads(re.search(r'id="explorer-data">(.*?)</script>', controls, re.DOTALL)[1])
    assert data["networks"][data["start"]]["name"] == "swimmer"
    assert re.search('id="explorer"[^>]* hidden', controls)
    assert "<noscript>" in controls
    assert not re.search(r"https?://", controls)
    text = (tmp_path / "explorer.md").read_text()
    assert ":alt: The four conditions by site" in text
    assert (tmp_path / "explorer.svg").read_text().startswith("<?xml")


def test_data_do_not_end_their_script_element(explorer):
    assert "</script>" not in explorer.markup({"title": "</script>"}).split("explorer-data")[1].split("\n")[0][:-9]


def test_a_book_without_such_runs_says_so(explorer, tmp_path):
    explorer.page(profile("none"), {"none": None}, tmp_path)
    assert "No network of this book was measured at several epochs" in (tmp_path / "explorer.md").read_text()


def test_the_picture_has_its_message_in_words(explorer, swimmer):
    check_picture(lambda: explorer.over_epochs(swimmer.where(key="0" * 16)))


def test_the_library_is_the_released_one():
    lines = [line.split() for line in (STATIC / "uPlot.sha256").read_text().splitlines()]
    assert {name for _, name in lines} == {"uPlot.LICENSE", "uPlot.min.css", "uPlot.min.js"}
    for checksum, name in lines:
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == checksum, name


@pytest.fixture
def open_page(explorer, swimmer, tmp_path, browser):
    """Open the explorer in Chromium, with or without scripts; it must report no error and load nothing from outside."""
    explorer.page(profile("swimmer"), {"swimmer": swimmer}, tmp_path)
    scripts = "".join(
        f'<script src="{(STATIC / name).as_uri()}"></script>'
        for name in ("explorer.js", "uPlot.min.js", "explorer_drawing.js", "explorer_points.js")
    )
    styles = "".join(
        f'<link rel="stylesheet" href="{(STATIC / name).as_uri()}">'
        for name in ("uPlot.min.css", "controls.css", "explorer.css")
    )
    (tmp_path / "page.html").write_text(
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">{scripts}'
        f"{styles}</head><body>"
        f"{(tmp_path / 'explorer_controls.html').read_text()}"
        '<img class="explorer-picture" src="explorer.svg" alt="a picture"></body></html>'
    )
    visits: list[Visit] = []

    def opened(address: str = "", **options):
        visits.append(Visit(browser, (tmp_path / "page.html").as_uri() + address, **options))
        return visits[-1].page

    yield opened
    for visited in visits:
        assert not visited.complaints + visited.outside()
        visited.close()


def summary(page) -> str:
    return page.inner_text("#explorer-summary")


@pytest.mark.browser
def test_keys_move_the_epoch(open_page):
    page = open_page()
    assert summary(page) == (
        "SWIMMER, weight decay 0.001, seed 0, epoch 1000: Noise suppression (NRC1) from 0.3 at site 0 to 0.01 at "
        "site 3; noise at most 0.05 from site 2 on."
    )
    assert page.locator(".explorer-picture").is_hidden()
    page.focus("input[name=epoch]")
    page.keyboard.press("ArrowLeft")
    assert "epoch 100: Noise suppression (NRC1) from 0.4 at site 0 to 0.11" in summary(page)
    assert "noise at most 0.05 fails at the last site" in summary(page)
    assert page.get_attribute("input[name=epoch]", "aria-valuetext") == "epoch 100"
    page.wait_for_url("**epoch=100*")


@pytest.mark.browser
def test_menus_change_run_and_metric_and_every_control_has_a_label(open_page):
    page = open_page()
    page.get_by_label("Seed").first.select_option("1")
    page.get_by_label("Metric").select_option("nrc2")
    assert "seed 1, epoch 1000 (the only one measured): Signal-target alignment (NRC2) from 0.99" in summary(page)
    unnamed = "[...document.querySelectorAll('select, input')].filter((one) => !one.labels.length).length"
    assert page.evaluate(unnamed) == 0
    page.get_by_text("The numbers").click()
    assert page.locator("tbody tr").count() == 4


@pytest.mark.browser
def test_two_runs_are_compared_in_one_plot_or_two(open_page):
    page = open_page()
    page.get_by_label("Second run").select_option("over")
    assert "Second run: SWIMMER, weight decay 0, seed 0" in summary(page)
    assert page.locator("canvas").count() == 1
    page.get_by_label("Second run").select_option("beside")
    assert page.locator("canvas").count() == 2


@pytest.mark.browser
def test_playing_goes_through_the_epochs_to_the_end(open_page):
    page = open_page()
    page.get_by_role("button", name="Play").click()
    assert "epoch 10:" in summary(page)
    page.get_by_role("button", name="Play").wait_for(timeout=10_000)  # it was "Pause" meanwhile
    assert "epoch 1000:" in summary(page)


@pytest.mark.browser
def test_an_address_names_a_view_and_the_page_fits_a_phone(open_page):
    page = open_page("#metric=nrc3&epoch=10&layout=over&wd2=0.001&seed2=1", size="phone")
    assert "epoch 10: Feature-weight alignment (NRC3)" in summary(page)
    assert "Second run: SWIMMER, weight decay 0.001, seed 1" in summary(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_timeout(100)
    assert page.locator("canvas").count() == 1


@pytest.mark.browser
def test_without_scripts_there_is_the_picture(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator("#explorer").is_hidden()
    assert page.locator(".explorer-picture").is_visible()
    assert "here is a picture instead" in page.inner_text("body")


def place(page, site: int, epoch: int) -> tuple[float, float]:
    """Position on the screen of the first run's noise at a site and an epoch, computed from the axes of the plot."""
    page.locator(".explorer-plots").scroll_into_view_if_needed()
    box = page.locator(".u-over").first.bounding_box()
    noise = {10: [0.31, 0.1335, 0.05, 0.02], 100: [0.4, 0.2235, 0.14, 0.11], 1000: [0.3, 0.1235, 0.04, 0.01]}
    low, high = math.log(0.01 / 1.3), math.log(0.4 * 1.3)  # the range of all epochs, and some room
    up = (math.log(noise[epoch][site]) - low) / (high - low)
    return box["x"] + box["width"] * (site + 0.3) / 3.6, box["y"] + box["height"] * (1 - up)


@pytest.mark.browser
def test_a_point_tells_its_site_epoch_and_value_to_the_mouse(open_page):
    page = open_page()
    told = page.locator(".explorer-point")
    page.mouse.move(*place(page, 2, 1000))
    assert told.inner_text() == "site 2, epoch 1000: noise 0.04"
    page.mouse.move(*place(page, 2, 100))
    assert told.inner_text() == "site 2, epoch 100: noise 0.14"
    x, y = place(page, 2, 100)
    page.mouse.move(x + 40, y - 60)
    assert told.inner_text() == ""


@pytest.mark.browser
def test_a_point_tells_its_value_to_a_finger_and_stays_on_the_screen(open_page):
    page = open_page(size="phone", has_touch=True)
    told = page.locator(".explorer-point")
    for site, value in ((0, "0.3"), (3, "0.01")):
        page.touchscreen.tap(*place(page, site, 1000))
        assert told.inner_text() == f"site {site}, epoch 1000: noise {value}"
        words = told.locator("span").bounding_box()
        assert words["x"] >= 0 and words["x"] + words["width"] <= SIZES["phone"][0]
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"][0]


@pytest.mark.browser
def test_arrow_keys_go_from_point_to_point_of_both_runs(open_page):
    page = open_page("#layout=over")
    told = page.locator(".explorer-point")
    page.focus(".explorer-plots > div")
    page.keyboard.press("ArrowRight")
    assert told.inner_text() == "site 0, epoch 1000: noise 0.3"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert told.inner_text() == "site 1, epoch 1000: noise 0.1235"
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert told.inner_text().startswith("second run, site 3, epoch 1000: noise ")
    page.keyboard.press("Escape")
    assert told.inner_text() == ""


@pytest.mark.browser
@pytest.mark.parametrize("size", SIZES)
def test_the_built_page_answers_to_clicks_and_keys(browser, site, size):
    visited = Visit(browser, (site / "explorer.html").as_uri(), size=size)
    page = visited.page
    before = summary(page)
    assert "HOPPER" in before.upper()  # the network of the landing page
    page.focus("input[name=epoch]")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**epoch=1*")
    assert summary(page) != before
    page.get_by_label("Metric").select_option("nrc4")
    assert "NRC4" in summary(page)
    page.get_by_label("Network").first.select_option("swimmer")
    assert summary(page).startswith("Swimmer")
    page.get_by_label("Second run").select_option("beside")
    assert page.locator("canvas").count() == 2
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Play").wait_for(timeout=10_000)  # it was "Pause" meanwhile
    page.focus(".explorer-plots > div")
    page.keyboard.press("ArrowRight")
    assert re.fullmatch(r"site 0, epoch 2: mean squared error [\d.]+", page.inner_text(".explorer-point"))
    assert not visited.complaints + visited.outside()
    visited.close()
