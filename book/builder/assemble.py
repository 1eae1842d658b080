"""Gather the pages written by hand, and the parts that are made of results, in one folder to build.

python -m book.builder.assemble PROFILE DATA_DIR BUILD CLAIMS.json CHECK.json [pdf]
"""

import io
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml
from PIL import Image

from book.builder import (
    discrepancies,
    evidence,
    explorer,
    ledger,
    machines,
    multiverse,
    published,
    recheck,
    speed,
    status,
    written,
)
from book.builder.pages import PUBLISHED, UNAVAILABLE, publish, state
from nrc_core.claims.multiverse_table import Networks, default_folder
from nrc_core.claims.references import References, read_machines
from nrc_core.data.catalogue import CLASSIFIED, ROLLED_OUT, SIMULATED
from nrc_core.data.prepared import MANIFEST, read_manifest, read_prepared
from nrc_core.errors import ConfigError, DataDamaged, DataUnavailable
from nrc_core.results.criteria import verdicts, weight_sites, words
from nrc_core.results.phrases import markdown_table
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections import canvas
from nrc_core.sections.canvas import COLOURS, Picture
from nrc_core.sections.network_figures import condition_title, mark_collapse
from nrc_core.workflow.profiles import Page, Profile, read_profile

BOOK = Path(__file__).resolve().parent.parent
# Table 2 of the Deep NRC paper: inputs, targets, samples.
PAPER = {
    "swimmer": "8, 2, 1,000",
    "reacher": "11, 2, 1,000",
    "hopper": "11, 3, 5,000",
    "sgemm": "14, 4, 240,000",
    "synthetic": "20, 3, 10,000",
    "utkface": "200 x 200 x 3, 1, 25,000",
    "carla2d": "288 x 200 x 3, 2, 50,000",
    "car_racing": "stands in for carla2d",
    "gaussian_classes": "in no paper",
}
# Hui et al., section 3.2: pixels, classes, rows for training and test.
CLASSES = {
    "mnist": "28 x 28, 10, 60,000 and 10,000",
    "fashion_mnist": "28 x 28, 10, 60,000 and 10,000",
    "digits_and_clothes": "in no paper: both of these, smaller, upright and turned",
    "cifar10": "32 x 32 x 3, 10, 50,000 and 10,000",
    "svhn": "32 x 32 x 3, 10, 46,000 and 15,000",
    "stl10": "96 x 96 x 3, 10, 5,000 and 8,000",
}

# Of data that are made when they are loaded: sizes here, kind, and how they come.
GENERATED = {
    "synthetic": (PAPER["synthetic"], "synthetic", "generated from a random teacher network"),
    "gaussian_classes": ("40, 32 classes, 3,840", "synthetic", "generated from Gaussian distributions"),
}


def headline(page: Page, results: Results | None, origin: str, folder: Path) -> None:
    """The landing page's figure and sentences, from the results of one page.

    Args:
        results: None if the page was never run.
        origin: the profile whose runs these are.
    """
    if results is None:
        (folder / "headline.md").write_text(f"*[{page.title}](pages/{page.name}.ipynb) was never run.*\n")
        (folder / "verdict.md").write_text("")
        return
    drawn = three_curves(results)
    (folder / "headline.svg").write_text(drawn.svg)
    config = results.runs.iloc[0]
    made = f"{config['device']}, {config['date'][:10]}, content key `{config['key']}`, profile *{origin}*"
    (folder / "headline.md").write_text(
        f"```{{image}} generated/headline.svg\n:alt: {drawn.alt}\n:width: 100%\n```\n\n"
        f"*{page.title}: {config['depth']} weight layers, {config['width']} wide, after {config['epochs']} epochs. "
        f"The green line is the first layer from which on noise stays below {thresholds()['noise_most']:g}. {made}; "
        f"[the whole page](pages/{page.name}.ipynb).*\n"
    )
    intro = "What this network says, in numbers taken from its results:"
    (folder / "verdict.md").write_text(f"{intro}\n\n{words(results)}\n")


def three_curves(results: Results) -> Picture:
    """The landing page's figure: noise and both alignments by site in one panel, and the first collapsed layer."""
    table, found = weight_sites(results.final()), verdicts(results.final())
    labels = {"nrc1": "noise (NRC1)", "nrc2": "alignment with targets (NRC2)", "nrc3": "alignment with weights (NRC3)"}
    with canvas.canvas(1, 1, 3.9) as (figure, [[axis]]):
        for name, label in labels.items():
            canvas.by_site(axis, table, name, COLOURS[name], label=label)
        mark_collapse(axis, found)
        axis.set(xlabel="layer, from input to output", ylabel="share, cosine or CKA", ylim=(-0.03, 1.05))
        figure.legend(loc="outside upper center", ncols=3, fontsize=9)
        alt = f"Three curves by layer. {' '.join(f'{condition_title(name, found)}.' for name in labels)}"
        return canvas.picture(figure, alt)


def data_table(data_dir: Path) -> str:
    """Table 2: what the paper used and what is used here."""
    return _data_table("inputs, targets, samples", PAPER, data_dir)


def classes_table(data_dir: Path) -> str:
    """The classified images: what the paper used and what is used here."""
    return _data_table("pixels, classes, rows", {name: CLASSES[name] for name in CLASSIFIED}, data_dir)


def _data_table(sizes: str, paper: Mapping[str, str], data_dir: Path) -> str:
    head = ["data", f"{sizes} in the paper", "here", "kind", "how it comes"]
    return markdown_table(head, [[name, size, *_here(name, data_dir)] for name, size in paper.items()]) + "\n"


def _here(name: str, data_dir: Path) -> tuple[str, str, str]:
    if name in GENERATED:
        return GENERATED[name]
    try:
        manifest = read_manifest(data_dir / name)
    except DataUnavailable as error:
        return "not on this machine", "-", str(error)
    inputs = "images" if manifest.images else len(manifest.inputs)
    classes = manifest.facts.get("classes")
    sizes = f"{inputs}, {f'{len(classes)} classes' if classes else len(manifest.targets)}, {manifest.rows:,}"
    return sizes, manifest.kind, f"{manifest.source} ({manifest.licence})"


def experts_table(data_dir: Path) -> str:
    """The returns of the expert policies, and of the episodes that became data."""
    head, rows = ["data", "environment", "mean return", "spread", "solved at", "trained with"], []
    for name in ROLLED_OUT:
        try:
            facts = read_manifest(data_dir / name).facts
        except DataUnavailable as error:
            rows.append([name, str(error), *["-"] * 4])
            continue
        if (expert := facts.get("expert")) is None:
            rows.append([name, "demonstrations of your own", *["-"] * 4])
            continue
        trained = f"{expert['algorithm']}, {expert['training_steps']:,} steps"
        returns = expert["mean_return"], expert["return_standard_deviation"], facts["reward_threshold"]
        rows.append([name, expert["environment"], *(f"{value:g}" for value in returns), trained])
    return markdown_table(head, rows) + "\n"


def frames(data_dir: Path, folder: Path, count: int = 5) -> str:
    """Pictures of the stand-in for CARLA, from the sharpest left bend to the sharpest right one."""
    try:
        table, _ = read_prepared(data_dir / "car_racing")
    except DataUnavailable as error:
        return f"*No picture: {error}.*\n"
    order = table.sort_values("steering", kind="stable")
    places = [round((len(order) - 1) * share / (count - 1)) for share in range(count)]
    chosen = order.iloc[places]
    pictures = [Image.open(io.BytesIO(content)) for content in chosen["image"]]
    width, height = pictures[0].size
    strip = Image.new("RGB", (count * (width + 4) - 4, height), "white")
    for number, picture in enumerate(pictures):
        strip.paste(picture, (number * (width + 4), 0))
    strip.resize((2 * strip.width, 2 * strip.height), Image.Resampling.NEAREST).save(folder / "frames.png")
    targets = "; ".join(f"{row.steering:+.2f} and {row.speed:.0f}" for row in chosen.itertuples())
    return (
        "```{image} generated/frames.png\n:alt: A car on a track seen from above, from a sharp left bend to a sharp "
        f"right one.\n:width: 100%\n```\n\n*Steering and speed, from left to right: {targets}.*\n"
    )


def tables_here(data_dir: Path) -> dict[str, str]:
    """The checksums of the tables on this machine, by simulated data set; data sets that are not here are left out."""
    folders = [data_dir / name for name in SIMULATED]
    return {folder.name: read_manifest(folder).sha256 for folder in folders if (folder / MANIFEST).is_file()}


def contents(profile: Profile) -> dict[str, Any]:
    """The table of contents, with only the pages that the profile has."""
    there = {f"pages/{page.name}" for page in profile.pages}
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text())
    for part in toc["parts"]:
        files = [chapter["file"] for chapter in part["chapters"]]
        part["chapters"] = [{"file": file} for file in files if file in there or not file.startswith("pages/")]
    return toc | {"parts": [part for part in toc["parts"] if part["chapters"]]}


def only_pages_of(profile: Profile, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of the ledger; of the pages that they name, only those that the profile has are kept."""
    there = {page.name for page in profile.pages}

    def kept(one: dict[str, Any], *names: str) -> dict[str, Any]:
        return one | {name: [page for page in one[name] if page in there] for name in names}

    return [
        kept(entry, "pages", "shown_on")
        | {name: [kept(one, "pages") for one in entry[name]] for name in ("why", "holds_under")}
        for entry in entries
    ]


def box(entries: list[dict[str, Any]], check: recheck.Check, page: Page, what: str) -> str:
    """The box of a page: whether it agrees with the reference runs, and the claims it bears on.

    Args:
        what: the state of the page, as `pages.state` gives it.
    """
    figures = "The figures on this page are of what was trained here, not of these runs."
    if what == UNAVAILABLE:
        figures = ""
    elif what == PUBLISHED or not check["pages"]:
        figures = "The figures on this page are of these runs."
    datasets = (published.page_of(page.name) or page).datasets
    text = ledger.box(entries, page.name, datasets, rechecked=recheck.line(check, page.name), figures=figures)
    return text.replace("LEDGER", "../ledger.html")


def main(arguments: list[str]) -> None:
    """Publish the pages, copy the sources and write the generated parts."""
    profile, data_dir, build = read_profile(Path(arguments[0])), Path(arguments[1]), Path(arguments[2])
    entries = only_pages_of(profile, json.loads(Path(arguments[3]).read_text()))
    executed = {page.name: build / f"pages/{page.name}.ipynb" for page in profile.pages}
    states = {name: state(notebook) for name, notebook in executed.items()}
    check = recheck.without_data(recheck.read(Path(arguments[4])), [name for name, what in states.items() if what])
    output = build / "book"
    shutil.rmtree(output, ignore_errors=True)
    (output / "pages").mkdir(parents=True)
    each = {page.name: evidence.results_of(profile, page, states[page.name]) for page in profile.pages}
    for page in profile.pages:
        dressed = publish(profile, page, executed[page.name], box(entries, check, page, states[page.name]))
        dressed = evidence.attach(dressed, page, executed[page.name], each[page.name], output)
        nbformat.write(dressed, output / f"pages/{page.name}.ipynb")
    written.copy(BOOK, output, list(executed))
    (output / "_toc.yml").write_text(yaml.safe_dump(contents(profile)))
    generated = output / "generated"
    generated.mkdir()
    first = next(page for page in profile.pages if page.name == profile.headline)
    origin = published.profile() if states[first.name] == PUBLISHED else profile
    headline(first, each[first.name], origin.name, generated)
    printed = '<a href="book.pdf">The whole book as one PDF.</a>\n' if arguments[5:] == ["pdf"] else ""
    (generated / "print.md").write_text(printed)
    (generated / "score.md").write_text(ledger.score(entries))
    (generated / "rechecked.md").write_text(recheck.score(check))
    (generated / "recheck.md").write_text(recheck.page(check, {page.name: page.title for page in profile.pages}))
    (generated / "ledger.md").write_text(ledger.page(entries, check, published.shares()).replace("LEDGER", ""))
    shown = [name for name, what in states.items() if what == PUBLISHED]
    (generated / "status.md").write_text(status.page(profile, each, check, shown=shown))
    explorer.page(profile, each, generated)
    references, elsewhere = References.read(), read_machines()
    simulated = machines.data_made_here(tables_here(data_dir), published.tables())
    (generated / "machines.md").write_text(machines.page(references, elsewhere, entries, simulated))
    if elsewhere:
        (generated / "machines.svg").write_text(machines.figure(references, elsewhere).svg)
    (generated / "multiverse.md").write_text(multiverse.page(Networks.read(default_folder()), entries, generated))
    (generated / "data.md").write_text(data_table(data_dir))
    (generated / "classes.md").write_text(classes_table(data_dir))
    (generated / "frames.md").write_text(frames(data_dir, generated))
    (generated / "experts.md").write_text(experts_table(data_dir))
    benchmarks = BOOK.parent / "benchmarks" / "results"
    (generated / "speed.md").write_text(speed.page(benchmarks))
    (generated / "faults.md").write_text(speed.page(BOOK.parent / "benchmarks" / "faults"))
    (generated / "tried.md").write_text(speed.page(BOOK.parent / "benchmarks" / "tried"))
    timed = {path.stem: speed.read(path) for path in benchmarks.glob("*.json")}
    sources = {**each, "ledger": entries, "speed": timed}
    (generated / "discrepancies.md").write_text(discrepancies.page(profile, sources, discrepancies.read()))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ConfigError, DataDamaged) as error:
        sys.exit(str(error))
