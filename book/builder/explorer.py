"""The page with the explorer: the data that its script draws, as JSON, and a picture for readers without scripts."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from nrc_core.config.regression import RunConfig
from nrc_core.results.criteria import CONDITIONS, error_most, is_inner, rules, weight_sites
from nrc_core.results.results import Results
from nrc_core.results.runs import REGRESSION
from nrc_core.results.thresholds import thresholds
from nrc_core.sections import canvas
from nrc_core.sections.canvas import AXIS, COLOURS, FLOOR, Picture, number, picture
from nrc_core.workflow.profiles import Profile

TEMPLATE = Path(__file__).with_name("explorer.html")
NOTHING = "*No network of this book was measured at several epochs, so there is nothing to slide through.*\n"
DIGITS = 4
RANKS = {
    "feature_stable_rank": ("Stable rank of the features", COLOURS["nrc1"]),
    "weight_stable_rank": ("Stable rank of the weights", COLOURS["nrc3"]),
}
# Runs of one network may differ in these fields, which the menus offer side by side.
CHOSEN = ("weight_decay", "seed")
FIRST = ("dataset", "split", "shuffled")  # come first in a title, where they tell networks apart
DECIDES = [one.name for one in fields(RunConfig) if one.name not in (*CHOSEN, *RunConfig.MEASURED, "dataset_options")]


@dataclass
class Network:
    """Runs that differ in their weight decay and seed only; `page` is the first that shows them over the epochs."""

    page: str
    decided: dict[str, Any]
    sites: pd.DataFrame
    slides: bool = False
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)


def collect(profile: Profile, each: Mapping[str, Results | None]) -> dict[str, Any]:
    """All that the script needs: metrics, and networks with their runs, in the order of the book.

    A network is listed if one of its runs was measured more than once. Its runs of another weight decay or seed are
    then listed too, even if they were measured at the end only.

    Args:
        each: the results of each page, by its name; None for a page that trains nothing or was not run.
    """
    networks: dict[str, Network] = {}
    for page in profile.pages:
        if (results := each.get(page.name)) is not None:
            _add(networks, page.name, results)
    kept = [one for one in networks.values() if any(len(run["epochs"]) > 1 for run in one.runs.values())]
    titles = {page.name: page.title for page in profile.pages}
    listed = [_network(one, titles, [other for other in kept if other.page == one.page]) for one in kept]
    start = next((place for place, one in enumerate(kept) if one.page == profile.headline), 0)
    return {"floor": FLOOR, "metrics": _metrics(), "start": start, "networks": listed}


def page(profile: Profile, each: Mapping[str, Results | None], folder: Path) -> None:
    """Write what the page includes: the picture for readers without scripts, the controls and the data."""
    data = collect(profile, each)
    if not data["networks"]:
        (folder / "explorer.md").write_text(NOTHING)
        return
    shown = data["networks"][data["start"]]
    key = next(run["key"] for run in shown["runs"] if len(run["epochs"]) > 1)
    results = next(one for one in each.values() if one is not None and key in set(one.runs["key"]))
    drawn = over_epochs(results.where(key=key))
    (folder / "explorer.svg").write_text(drawn.svg)
    (folder / "explorer_controls.html").write_text(markup(data))
    (folder / "explorer.md").write_text(
        "```{raw} html\n:file: generated/explorer_controls.html\n```\n\n"
        f"```{{image}} generated/explorer.svg\n:alt: {drawn.alt}\n:class: explorer-picture\n```\n\n"
        f"{{.explorer-picture}}\n*{shown['title']}. The stronger the line, the later the epoch.*\n"
    )


def over_epochs(results: Results) -> Picture:
    """The picture: NRC1 to NRC4 by site at every measured epoch of one network; later epochs have stronger colours."""
    m = weight_sites(results.history())
    epochs = sorted(m["epoch"].unique())
    with canvas.canvas(2, 2, 6.2) as (figure, axes):
        told = []
        for axis, name in zip(axes.flat, CONDITIONS, strict=True):
            for place, epoch in enumerate(epochs, 1):
                here = m[m["epoch"] == epoch]
                shade = place / len(epochs)
                axis.plot(here["site"], here[name].clip(lower=FLOOR), color=COLOURS[name], alpha=shade, lw=0.8 + shade)
            first, last = (m.loc[m["epoch"] == epoch, name].iloc[-1] for epoch in (epochs[0], epochs[-1]))
            axis.set(xlabel="site (weight layer)", ylabel=AXIS[name])
            axis.set_title(f"{name.upper()} at the last site: {number(first)}, then {number(last)}")
            canvas.site_ticks(axis, pd.Index(m["site"].unique()))
            told.append(f"{name.upper()} from {number(first)} to {number(last)}")
        canvas.log_axis(axes[0, 0], axes[1, 1])
        return picture(
            figure,
            f"The four conditions by site, a line a measured epoch from {epochs[0]} to {epochs[-1]}; at the last site, "
            f"{', '.join(told)}.",
        )


def markup(data: Mapping[str, Any]) -> str:
    """The controls and the data. The data hold no `<`, which could end the script element early."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return TEMPLATE.read_text().replace("DATA", text)


def _metrics() -> list[dict[str, Any]]:
    """The metrics that a reader can choose: words, colour, kind of axis, and the line to compare with."""
    limits, asked = thresholds(), rules()
    lines: dict[str, dict[str, Any]] = {
        "nrc1": {"value": limits["noise_most"], "holds": "below"},
        "nrc2": {"value": limits["alignment_least"], "holds": "above"},
        "nrc3": {"value": limits["alignment_least"], "holds": "above"},
        "nrc4": {"of": "error_most", "holds": "below"},
    }
    conditions = [
        {
            "name": name,
            "title": title,
            "axis": AXIS[name],
            "colour": COLOURS[name],
            "log": name in ("nrc1", "nrc4"),
            "line": {"words": asked[name], **lines[name]},
        }
        for name, title in CONDITIONS.items()
    ]
    ranks = [
        {"name": name, "title": title, "axis": "stable rank", "colour": colour, "log": True}
        for name, (title, colour) in RANKS.items()
    ]
    ranks[0]["line"] = {"words": "stable rank of the targets", "of": "target_stable_rank"}
    return conditions + ranks


def _add(networks: dict[str, Network], page: str, results: Results) -> None:
    """Add the regression networks of a page. A run on several pages is kept as measured most often."""
    rows = results.runs[results.runs["task"] == REGRESSION].drop_duplicates("key")
    if rows.empty:
        return
    history = weight_sites(results.history())
    for row in rows.to_dict("records"):
        table = history[history["key"] == row["key"]]
        decided = _decided(row)
        one = networks.setdefault(json.dumps(decided, sort_keys=True), Network(page, decided, table))
        run = _run(row, table)
        known = one.runs.get(row["key"])
        if known is None or len(known["epochs"]) < len(run["epochs"]):
            one.runs[row["key"]] = run
        if len(run["epochs"]) > 1 and not one.slides:
            one.page, one.slides = page, True


def _decided(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a network that have a value. Whole numbers are written as such, also from a column with gaps."""
    given = {name: row[name] for name in DECIDES if name in row} | row["dataset_options"]
    return {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in given.items()
        if value is not None and value == value
    }


def _run(row: Mapping[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """One run: for each epoch, a list of values in the order of the sites."""
    table = table.assign(error_most=error_most(table, thresholds())).sort_values(["epoch", "site"])
    by_epoch = [rows for _, rows in table.groupby("epoch")]
    return {
        "key": row["key"],
        "weight_decay": float(row["weight_decay"]),
        "seed": int(row["seed"]),
        "epochs": [int(rows["epoch"].iloc[0]) for rows in by_epoch],
        **{name: [[_short(value) for value in rows[name]] for rows in by_epoch] for name in (*CONDITIONS, *RANKS)},
        **{name: [_short(rows[name].iloc[0]) for rows in by_epoch] for name in ("error_most", "target_stable_rank")},
    }


def _network(one: Network, titles: Mapping[str, str], beside: list[Network]) -> dict[str, Any]:
    """A network as the script takes it; its title tells it from the others of its page."""
    told = _told(beside)
    words = [_words(name, one.decided[name]) for name in told if name in one.decided]
    if "split" not in told and one.decided.get("split") == "blocked":
        words.append(_words("split", "blocked"))
    first = one.sites[one.sites["epoch"] == one.sites["epoch"].iloc[0]].sort_values("site")
    return {
        "name": "-".join([one.page, *(one.decided.get(name, "") for name in told)]),
        "title": ", ".join([titles[one.page], *words]),
        "sites": [int(site) for site in first["site"]],
        "inner": [bool(inner) for inner in is_inner(first["name"])],
        "runs": sorted(one.runs.values(), key=lambda run: (run["weight_decay"], run["seed"])),
    }


def _told(networks: list[Network]) -> list[str]:
    """The first fields, in order, that tell the networks apart."""
    told: list[str] = []

    def kinds(names: list[str]) -> int:
        return len({tuple(one.decided.get(name) for name in names) for one in networks})

    for name in dict.fromkeys([*FIRST, *DECIDES, *(name for one in networks for name in one.decided)]):
        if kinds([*told, name]) > kinds(told):
            told.append(name)
    return told


def _words(name: str, value: str) -> str:
    if name == "dataset":
        return Path(value).stem
    if name == "split":
        return f"{value} split"
    if name == "shuffled":
        return "shuffled targets"
    return f"{name.replace('_', ' ')} {value}"


def _short(value: float) -> float | None:
    """A number of few digits; None where there is none.

    Example:
        >>> _short(0.123456), _short(float("nan"))
        (0.1235, None)
    """
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
