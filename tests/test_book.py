"""The whole book at toy size, from data to pages."""

import html
import html.parser
import json
import re
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml

from nrc_core import ConfigError
from nrc_core.results.store import read_configuration
from nrc_core.sections.departures import shortfalls
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.workflow.profiles import Page, read_profile
from tests.toy_book import ROOT, TOY, snakemake
from tests.toy_project import ToyProject

PROFILES = sorted((ROOT / "book" / "profiles").glob("*.yml"))


class Tags(html.parser.HTMLParser):
    """Addresses in script, link, img and iframe tags, and pictures without alternative text."""

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
    written = (
        "index",
        "ledger",
        "recheck",
        "status",
        "explorer",
        "data",
        "rerun",
        "own_data",
        "own_network",
        "speed",
        "api",
    )
    assert expected | {f"{name}.html" for name in (*written, "references", "discrepancies", "faults")} <= names


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


def test_under_every_figure_stand_its_runs_and_the_files_behind_it(site):
    page = site / "pages" / "swimmer.html"
    lines = re.findall(r'<p class="evidence">(.*?)</p>', page.read_text(), re.DOTALL)
    assert len(lines) == len(re.findall(r"<img[^>]*_images/[0-9a-f]{64}\.svg", page.read_text())) > 5
    for line in lines:
        words = re.sub(r"<[^>]+>", "", line)
        assert re.search(r"swimmer · runs [0-9a-f]{16}, [0-9a-f]{16} · commit .* · CPU .* · 20\d\d-", words)
        files = [page.parent / file for file in re.findall(r'href="([^"]+)"', line)]
        assert [file.suffixes[-1] for file in files] == [".svg", ".png", ".zip", ".ipynb"]
        assert all(file.is_file() for file in files)
    assert len(pd.read_csv(files[2])["key"].unique()) == 2
    bare = nbformat.read(files[3], 4)
    assert "# Parameters" in "".join(cell.source for cell in bare.cells)
    assert not any(cell.get("outputs") for cell in bare.cells)


def test_a_page_without_its_data_shows_the_published_runs_and_says_so(site):
    page = site / "pages" / "sgemm.html"
    text = re.sub(r"<[^>]+>", "", page.read_text())
    assert re.search(r"These are the published runs\s+Nothing was trained here", text)
    assert "nrc data sgemm" in text
    assert "Profile paper" in text
    assert re.search(r"Re-checked here: · not compared: its data are not here", text)
    assert "nrc run notebooks/deep_nrc_mlp.ipynb dataset=sgemm samples=200 width=8" in text
    published = published_page("sgemm")
    (file,) = set(re.findall(r'href="([^"]+\.csv\.zip)"', page.read_text()))
    shown = set(pd.read_csv(page.parent / file)["key"])
    configs = EXPERIMENTS[published.notebook](**published.parameters)
    recorded = [json.loads(path.read_text()) for path in (ROOT / "results").glob("*/provenance.json")]
    identities = [config.identity() for config in configs]
    assert len(shown) == len(configs)
    assert all(read_configuration(one["config"]).identity() in identities for one in recorded if one["key"] in shown)
    assert shown <= {one["key"] for one in recorded}


def published_page(name: str) -> Page:
    return next(page for page in read_profile(ROOT / "book" / "profiles" / "paper.yml").pages if page.name == name)


def test_a_page_that_was_never_run_says_so_and_the_rest_is_built(site):
    text = re.sub(r"<[^>]+>", "", (site / "pages" / "carla2d.html").read_text())
    assert "Never run: this page has no published runs" in text
    assert "nrc data carla2d" in text


def test_the_verdicts_are_those_of_the_published_runs(build):
    recorded = json.loads((ROOT / "book" / "profiles" / "paper.verdicts.json").read_text())
    said = {one["id"]: [one["verdict"], one["reduced"]] for one in json.loads((build / "claims.json").read_text())}
    assert {name: ": ".join(filter(None, words)) for name, words in said.items()} == recorded


def test_every_page_that_trains_is_rechecked_or_has_a_reason(build, site):
    pages = json.loads((build / "check.json").read_text())["pages"]
    assert [page["page"] for page in pages] == [page.name for page in read_profile(TOY).pages if page.experiment]
    text = (site / "recheck.html").read_text()
    counted = dict.fromkeys(("agrees", "differs", "not compared"), 0)
    for page in pages:
        (row,) = re.findall(rf"<tr[^>]*>(?:(?!</tr>).)*pages/{page['page']}\.html.*?</tr>", text, re.DOTALL)
        (outcome,) = re.findall(r'class="verdict [^"]*">. ([^<]+)</span>', row)
        without = page["page"] in ("sgemm", "carla2d")
        assert outcome == ("not compared" if without else page["outcome"])
        assert ("its data are not here" in row) == without
        counted[outcome] += 1
    landing = re.findall(
        r'href="recheck\.html#([a-z-]+)"><span[^>]*>. ([^<]+)</span> (\d+)</a>', (site / "index.html").read_text()
    )
    assert {outcome: int(number) for _, outcome, number in landing} == {k: v for k, v in counted.items() if v}
    assert all(f'id="{anchor}"' in text for anchor, *_ in landing)


def test_a_box_says_whose_the_verdicts_are_and_whose_the_figures(site):
    for name, figures in (("hopper", "of what was trained here, not of these runs"), ("sgemm", "of these runs")):
        text = re.sub(r"<[^>]+>", "", (site / "pages" / f"{name}.html").read_text())
        assert re.search(
            r"On the published runs: [^.]+\.( How sure: [^.]+\.)? The figures on this page are " + figures, text
        )
        assert "published, 5 networks:" in text


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
        assert not shortfalls(runs, page.notebook), name
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
        ("{title: SGEMM,", "{title: SGEMM, gpus: true,", "page sgemm has no entry 'gpus': did you mean 'gpu'"),
        ("{title: SGEMM,", "{title: SGEMM, gpu: 1,", "page sgemm: gpu must be true or false: got 1"),
        ("pages:", "gpu: often\npages:", "page four_conditions: gpu must be true or false: got 'often'"),
        ("pages:", "gpus: true\npages:", "bad.yml has no entry 'gpus': did you mean 'gpu'"),
    ],
)
def test_bad_profiles_are_refused(tmp_path, old, new, message):
    (tmp_path / "bad.yml").write_text(TOY.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=message):
        read_profile(tmp_path / "bad.yml")


def test_a_profile_says_which_pages_want_a_gpu(tmp_path):
    (tmp_path / "all.yml").write_text(
        TOY.read_text().replace("pages:", "gpu: true\npages:").replace("{title: SGEMM,", "{title: SGEMM, gpu: false,")
    )
    without = [page.name for page in read_profile(tmp_path / "all.yml").pages if not page.gpu]
    assert without == ["sgemm"]
    assert not any(page.gpu for page in read_profile(TOY).pages)
    assert all(page.gpu for page in read_profile(ROOT / "book" / "profiles" / "paper_gpu.yml").pages)


def test_published_notebooks_hide_their_parameter_cells(build):
    cells = nbformat.read(build / "book" / "pages" / "swimmer.ipynb", 4).cells
    assert not any("parameters" in tag for cell in cells for tag in cell.metadata.get("tags", []))
    assert cells[0].source.startswith("# Swimmer\n")


def test_the_folder_that_slurm_is_tested_in_lacks_no_input(tmp_path):
    """The Slurm test is run by hand only; this test fails if a rule needs a new file."""
    project = ToyProject(tmp_path, tmp_path)
    assert project.snakemake("--dry-run", "--cores", "1") == 0, project.log
