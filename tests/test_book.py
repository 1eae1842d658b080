"""The whole book at toy size, from data to pages, and the pages in a real browser."""

import html
import html.parser
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml

from nrc_core import ConfigError, Results
from nrc_core.claims import is_smaller
from nrc_core.experiments import EXPERIMENTS
from nrc_core.profiles import read_profile
from tests.fakes import prepare_images
from tests.fakes_images import prepare_classes

ROOT = Path(__file__).parent.parent
TOY = ROOT / "tests" / "toy.yml"
PROFILES = sorted((ROOT / "book" / "profiles").glob("*.yml"))
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def snakemake(build: Path, profile: Path, *more: str, environment: dict[str, str]) -> subprocess.CompletedProcess:
    command = [
        sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "rules", "--show-failed-logs", "--nolock", *more,
        "--config", f"profile={profile}", f"build={build}", f"html={build}",
    ]  # fmt: skip
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PATH": path} | environment, capture_output=True, text=True, timeout=1800
    )


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    """Own data and store; SGEMM and CARLA are deliberately not there, CarRacing is noise."""
    folder = tmp_path_factory.mktemp("environment")
    prepare_images(folder / "data")
    prepare_classes(folder / "data", per_class=24, test_per_class=10)
    return {"NRC_DATA_DIR": str(folder / "data"), "NRC_STORE": str(folder / "store"), "NRC_DATA_MIRROR": ""}


@pytest.fixture(scope="session")
def build(tmp_path_factory, environment) -> Path:
    folder = tmp_path_factory.mktemp("build")
    command = [sys.executable, "-m", "nrc_core.cli", "data", "swimmer", "reacher", "hopper"]
    subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)
    result = snakemake(folder, TOY, environment=environment)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return folder


@pytest.fixture(scope="session")
def site(build) -> Path:
    return build / "_build" / "html"


class Tags(html.parser.HTMLParser):
    """Addresses in script, link, img and iframe tags, and pictures without words."""

    def __init__(self):
        super().__init__()
        self.addresses: list[str] = []
        self.without_words: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag in ("script", "link", "img", "iframe"):
            self.addresses += [values[name] for name in ("src", "href") if values.get(name)]
        if tag == "img" and not values.get("alt"):
            self.without_words.append(str(values.get("src")))


def pages(site: Path) -> list[Path]:
    return [path for path in site.rglob("*.html") if "_static" not in path.parts]


def test_every_page_is_there(site):
    names = {path.relative_to(site).as_posix() for path in pages(site)}
    expected = {f"pages/{name}.html" for name in yaml.safe_load(TOY.read_text())["pages"]}
    written = ("index", "ledger", "data", "rerun", "own_data", "own_network", "api", "references")
    assert expected | {f"{name}.html" for name in written} <= names


def test_no_page_asks_another_machine_for_anything(site):
    for page in pages(site):
        tags = Tags()
        tags.feed(page.read_text())
        outside = [address for address in tags.addresses if re.match(r"(https?:)?//", address)]
        assert not outside, f"{page.name}: {outside}"
        assert not re.search(r"unpkg|jsdelivr|cdnjs", page.read_text()), page.name


def test_every_picture_has_words(site):
    for page in pages(site):
        tags = Tags()
        tags.feed(page.read_text())
        assert not tags.without_words, f"{page.name}: {tags.without_words}"


def test_pages_say_what_made_them_and_how_to_make_them_again(site):
    text = (site / "pages" / "swimmer.html").read_text()
    assert re.search(r"content key.*?<code[^>]*>.*?[0-9a-f]{16}", text, re.DOTALL)
    assert "nrc run notebooks/deep_nrc_mlp.ipynb" in re.sub(r"<[^>]+>", "", text)
    assert "Appendix A: width 8, there 256" in re.sub(r"<[^>]+>", "", text)


def test_a_page_without_its_data_says_so_and_the_rest_is_built(site):
    text = re.sub(r"<[^>]+>", "", (site / "pages" / "sgemm.html").read_text())
    assert "This page was not run" in text
    assert "nrc data sgemm" in text


def test_a_page_of_images_says_what_stands_in_and_which_layers_are_which(site):
    text = re.sub(r"<[^>]+>", "", (site / "pages" / "car_racing.html").read_text())
    assert "CarRacing stands in for CARLA" in text
    assert re.search("networks smaller than the paper.s on a stand-in for its data", html.unescape(text))
    assert "layer4.1.conv2" in text
    assert "residual stream" in text


def test_no_path_of_this_machine_is_published(site):
    for page in pages(site):
        assert str(ROOT) not in page.read_text(), page.name


def test_the_book_is_small(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 25e6


def test_numbers_on_the_landing_page_come_from_results(build):
    text = (build / "book" / "generated" / "verdict.md").read_text()
    assert "Noise suppression (NRC1)" in text
    assert (build / "book" / "generated" / "headline.svg").read_text().startswith("<?xml")


def test_nothing_is_done_twice(build, environment):
    result = snakemake(build, TOY, "--dry-run", environment=environment)
    assert "Nothing to be done" in result.stdout + result.stderr


def test_editing_one_page_runs_that_page_only(build, environment, tmp_path):
    edited = tmp_path / "toy.yml"
    edited.write_text(
        TOY.read_text().replace(
            "hopper, width: 8, epochs: 2, measurements", "hopper, width: 9, epochs: 2, measurements"
        )
    )
    shutil.copystat(TOY, edited)
    result = snakemake(build, edited, "--dry-run", "--verbose", environment=environment)
    output = result.stdout + result.stderr
    assert re.search(r"^run\s+1$", output, re.MULTILINE), output


@pytest.mark.parametrize("profile", [*PROFILES, TOY], ids=lambda path: path.stem)
def test_profiles_are_valid_and_have_pages_of_the_book(profile):
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    listed = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    names = [f"pages/{page.name}" for page in read_profile(profile).pages]
    assert set(names) <= set(listed)
    if profile.stem in ("quick", "paper"):
        assert sorted(names) == sorted(name for name in listed if name.startswith("pages/"))


def test_the_toy_book_has_a_page_of_every_notebook():
    notebooks = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {page.notebook for page in read_profile(TOY).pages} == notebooks


def test_what_waits_for_a_gpu_is_what_is_published_smaller_at_the_papers_size():
    waiting, published = (
        {page.name: page for page in read_profile(ROOT / "book" / "profiles" / f"{name}.yml").pages}
        for name in ("paper_gpu", "paper")
    )
    for name, page in waiting.items():
        configs = EXPERIMENTS[page.notebook](**page.parameters)
        runs = pd.DataFrame([{"task": "regression"} | config.as_dict() for config in configs])
        runs = runs.assign(key=[str(i) for i in range(len(runs))])
        results = Results(runs, *[pd.DataFrame()] * 3, provenance={})
        assert not is_smaller(results, page.notebook), name
        assert runs["seed"].nunique() == (5 if set(runs["task"]) == {"regression"} else 3), name
        assert (published[name].title, published[name].notebook) == (page.title, page.notebook)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("headline: hopper", "headline: walker", "headline must be one of its pages: got 'walker'"),
        ("epochs: 2", "epoch: 2", "has no parameter 'epoch': did you mean 'epochs'"),
        ("epochs: 2", "epochs: ten", "epochs must be of type int: got 'ten'"),
        ("name: toy\n", "", "is not a profile"),
        ("pages:", "pages: [", "is not a profile"),
    ],
)
def test_bad_profiles_are_refused(tmp_path, old, new, message):
    (tmp_path / "bad.yml").write_text(TOY.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=message):
        read_profile(tmp_path / "bad.yml")


def test_published_notebooks_hide_their_parameter_cells(build):
    cells = nbformat.read(build / "book" / "pages" / "swimmer.ipynb", 4).cells
    assert not any("parameters" in tag for cell in cells for tag in cell.metadata.get("tags", []))
    assert cells[0].source.startswith("# Swimmer\n")


def browse(page: Path, *options: str) -> str:
    """What headless Chromium prints; a start that hangs, as happens now and then, is tried once more."""
    for patience in (60, 120):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            command = [
                str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                "--disable-sync", "--disable-component-update", "--no-first-run", f"--user-data-dir={profile}",
                "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=10000", *options, page.as_uri(),
            ]  # fmt: skip
            try:
                return subprocess.run(command, capture_output=True, text=True, timeout=patience).stdout
            except subprocess.TimeoutExpired:
                continue
    raise AssertionError(f"chromium hung twice on {page}")


@needs_browser
@pytest.mark.browser
def test_equations_are_drawn_in_a_real_browser(site):
    page = browse(site / "pages" / "four_conditions.html", "--dump-dom")
    assert page.count("<mjx-container") >= 10
    assert "mjx-merror" not in page


# What Chromium itself asks for at every start, whatever the page.
BROWSERS_OWN = re.compile(r"https?://(clients2\.google\.com|update\.googleapis\.com|accounts\.google\.com)/")


def asked_for(page: Path, tmp_path: Path, *options: str) -> tuple[str, set[str]]:
    """The rendered page, and the addresses of other machines it asked for."""
    log = tmp_path / "net.json"
    rendered = browse(page, "--dump-dom", f"--log-net-log={log}", *options)
    urls = set(re.findall(r'"url":"(https?://[^"]+)"', log.read_text()))
    return rendered, {url for url in urls if not BROWSERS_OWN.match(url)}


@needs_browser
@pytest.mark.browser
def test_a_planted_request_is_seen(tmp_path):
    (tmp_path / "page.html").write_text('<html><script src="https://example.org/x.js"></script></html>')
    assert asked_for(tmp_path / "page.html", tmp_path)[1] == {"https://example.org/x.js"}


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("name", ["index.html", "pages/hopper.html", "pages/four_conditions.html", "data.html"])
@pytest.mark.parametrize("width", [1300, 500])
def test_pages_fit_their_window_and_ask_for_nothing(site, name, width, tmp_path):
    probe = (site / name).with_name("probe.html")
    script = "document.documentElement.dataset.width = document.documentElement.scrollWidth"
    page = (site / name).read_text().replace("</body>", f"<script>onload = () => {{ {script} }}</script></body>")
    probe.write_text(page)
    try:
        rendered, asked = asked_for(probe, tmp_path, f"--window-size={width},900")
    finally:
        probe.unlink()
    assert not asked
    assert int(re.search(r'data-width="(\d+)"', rendered)[1]) <= width
