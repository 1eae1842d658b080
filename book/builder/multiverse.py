"""The page on the multiverse, as Markdown and a figure for each claim: a specification curve."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from nrc_core.claims.multiverse import choices, combinations, possible, threshold_choice
from nrc_core.claims.multiverse_curves import DATASET, NO_CHOICE, Curve, curves, levels_of
from nrc_core.claims.multiverse_runs import planned
from nrc_core.claims.multiverse_table import Networks
from nrc_core.results.phrases import counted, markdown_table, span
from nrc_core.sections.canvas import COLLAPSE, NETWORK, NEUTRAL, Picture, canvas, picture

Entry = Mapping[str, Any]
NOTHING = "*No network of the multiverse is in the results: `nrc multiverse` trains them.*\n"
ABOVE, ROW = 1.2, 0.17  # height of the upper part, and of a row below, in inches
BINS = 120  # columns of the lower part of a figure
MOST, FEW = 0.8, 0.2  # a claim holds nearly everywhere from the first share on, and nearly nowhere up to the second
WIDE = 50.0  # a value is drawn on a logarithmic axis if its largest is this many times its smallest


def page(networks: Networks, entries: Sequence[Entry], folder: Path) -> str:
    """Finding, index table, a figure for each claim, and the choices.

    Args:
        networks: the table of the multiverse.
        entries: of the ledger.
        folder: where the figures are written.
    """
    found = curves(networks)
    if not found:
        return NOTHING
    known = {entry["id"]: entry for entry in entries}
    return (
        "\n\n".join(
            [
                _finding(found),
                "## All claims\n\n" + _index(found, known),
                "## Claim by claim\n\n" + "\n\n".join(_section(one, known, folder) for one in found.values()),
                "## The choices\n\n" + _choices(found),
                "## What was trained\n\n" + _trained(networks),
            ]
        )
        + "\n"
    )


def figure(one: Curve) -> Picture:
    """The specification curve of a claim: its universes, those that fail first, and the level of each choice below.

    Above, each universe is a dot at its value. Below, a row for each level of a choice is dark where many of the
    universes at this place have the level. Choices are in the order of how much they matter.
    """
    answers = _sorted(one)
    effects = one.effects().set_index("choice")["eta_squared"]
    several = [name for name in effects.index if len(set(answers[name])) > 1]
    rows = [(name, level) for name in several for level in levels_of(name, answers) if level != NO_CHOICE]
    if not rows:
        rows = [(name, answers[name].iloc[0]) for name in effects.index]
    tall = ROW * max(len(rows), 3)
    with canvas(2, 1, ABOVE + tall + 0.5, width=7.6) as (drawing, axes):
        above, below = axes[:, 0]
        above.get_gridspec().set_height_ratios([ABOVE, tall])
        _values(above, one, answers)
        _levels(below, answers, rows, effects)
        return picture(drawing, _alternative(one))


def _sorted(one: Curve) -> pd.DataFrame:
    """The answers, those that fail first, and in either part the worst value first; equal values in random order."""
    answers = one.answers.assign(holds=one.answers["holds"].astype(bool)).sample(frac=1, random_state=0)
    better = answers["value"].astype(float) * (1 if one.at_least else -1)
    return answers.assign(better=better).sort_values(["holds", "better"], kind="stable", ignore_index=True)


def _values(axis: Axes, one: Curve, answers: pd.DataFrame) -> None:
    value = answers["value"].astype(float)
    for holds, colour in ((False, NETWORK), (True, COLLAPSE)):
        own = value[answers["holds"] == holds]
        axis.plot(own.index + 0.5, own, ".", color=colour, markersize=3, rasterized=True)
    for limit in answers["limit"].unique():
        axis.axhline(limit, color=NEUTRAL, linestyle=":", linewidth=0.8)
    pages = answers.index[answers["own"].astype(bool)]
    if len(pages):  # without a point, such a line has no extent, and the layout fails
        ends = axis.get_xaxis_transform()
        axis.plot(pages + 0.5, np.ones(len(pages)), "|", color=NEUTRAL, transform=ends, clip_on=False)
    known = value.dropna()
    if len(known) and known.min() > 0 and known.max() / known.min() > WIDE:
        axis.set_yscale("log")
    axis.set_xlim(0, len(answers))
    axis.set_xticks([])


def _levels(axis: Axes, answers: pd.DataFrame, rows: Sequence[tuple[str, str]], effects: pd.Series) -> None:
    """An image with a row for each level; the opacity is the share of the universes at a place that have the level."""
    bins = np.minimum(np.arange(len(answers)) * BINS // len(answers), BINS - 1)
    columns = np.unique(bins)
    shades = np.zeros((len(rows), len(columns), 4))
    held = answers["holds"].groupby(bins).mean().to_numpy()[:, None]
    shades[..., :3] = held * np.array(to_rgb(COLLAPSE)) + (1 - held) * np.array(to_rgb(NETWORK))
    for place, (name, level) in enumerate(rows):
        shades[place, :, 3] = (answers[name] == level).groupby(bins).mean()
    axis.imshow(shades, aspect="auto", interpolation="nearest", extent=(0, len(answers), len(rows), 0), rasterized=True)
    names = [level if name in choices() or name == DATASET else f"{name} = {level}" for name, level in rows]
    axis.set_yticks(np.arange(len(rows)) + 0.5, names, fontsize=7)
    axis.grid(visible=False)
    starts = [place for place, (name, _) in enumerate(rows) if place == 0 or rows[place - 1][0] != name]
    for place in starts:
        axis.axhline(place, color=NEUTRAL, linewidth=0.6)
        if not pd.isna(effect := effects[rows[place][0]]):
            axis.text(len(answers), place + 0.5, f" {effect:.2f}", va="center", fontsize=7, color=NEUTRAL)
    axis.set_xticks([0, len(answers)], ["0", f"{len(answers)} universes"])


def _alternative(one: Curve) -> str:
    found = one.as_dict()
    text = f"{one.claim} holds in {one.share:.0%} of {counted(found['universes'], 'universe')}."
    if found["matters_most"] is None:
        return text
    levels = ", ".join(f"{level} {value:.0%}" for level, value in found["by_level"].items())
    return f"{text} What matters most is {found['matters_most']}: {levels}."


def _finding(found: Mapping[str, Curve]) -> str:
    shares = [one.share for one in found.values()]
    most, few = sum(value >= MOST for value in shares), sum(value <= FEW for value in shares)
    first = pd.Series([one.as_dict()["matters_most"] for one in found.values()]).value_counts()
    often = ", ".join(f"{_of(name)} ({number})" for name, number in first.items())
    return (
        f"**{most} of {len(found)} claims hold in at least {MOST:.0%} of their universes, {few} in at most {FEW:.0%}; "
        f"for the other {len(found) - most - few} the choices decide.** The choice that matters most, with the number "
        f"of claims: {often}."
    )


def _index(found: Mapping[str, Curve], known: Mapping[str, Entry]) -> str:
    head = ["claim", "verdict", "holds in", "universes (networks)", "matters most", "η²", "holds in, by level"]
    lines = []
    for name, one in found.items():
        told = one.as_dict()
        levels = ", ".join(f"{level}: {value:.0%}" for level, value in told["by_level"].items())
        lines.append(
            [
                f"[{name}](#multiverse-{name.lower()})",
                known.get(name, {}).get("verdict", "-"),
                f"{one.share:.0%}",
                f"{told['universes']} ({told['networks']})",
                _of(told["matters_most"]),
                "-" if told["eta_squared"] is None else f"{told['eta_squared']:.2f}",
                levels or "-",
            ]
        )
    return markdown_table(head, lines)


def _of(choice: str | None) -> str:
    if choice is None:
        return "-"
    return choice if choice in choices() else f"threshold `{choice}`"


def _section(one: Curve, known: Mapping[str, Entry], folder: Path) -> str:
    drawn, name = figure(one), f"multiverse_{one.claim}.svg"
    (folder / name).write_text(drawn.svg)
    entry = known.get(one.claim, {})
    told = one.as_dict()
    silent = f" {counted(told['silent'], 'universe')} more say nothing about it." if told["silent"] else ""
    link = f"<a class='claim' href='ledger.html#{one.claim}'>{one.claim}</a>"
    return (
        f"(multiverse-{one.claim.lower()})=\n### {one.claim}\n\n{link} {entry.get('statement', '')} *Value: "
        f"{one.quantity}.* Holds in {one.share:.0%} of {counted(told['universes'], 'universe')}.{silent}\n\n"
        f"```{{image}} generated/{name}\n:alt: {drawn.alt}\n:width: 100%\n```"
    )


def _choices(found: Mapping[str, Curve]) -> str:
    used = dict.fromkeys(name for one in found.values() for name in one.choices if name != DATASET)
    lines = [
        [_of(name), "; ".join(choice.levels), choice.of, choice.why]
        for name in used
        for choice in [choices().get(name) or threshold_choice(name)]
    ]
    return markdown_table(["choice", "levels, those of the pages first", "of the", "why it is open"], lines)


def _trained(networks: Networks) -> str:
    every = planned()
    there = {key: config.dataset for config in every if (key := networks.key(config)) is not None}
    records = [networks.records[key] for key in there]
    hours = sum(record["seconds"] for record in records) / 3600
    diverged = sum(bool(record.get("failure")) for record in records)
    dates = span([record["date"][:10] for record in records], str)
    machines = ", ".join(sorted({record["device"] for record in records}))
    names, wanted = list(there.values()), [config.dataset for config in every]
    lines = [
        [name, possible(name), len(combinations(name)), wanted.count(name), names.count(name)]
        for name in dict.fromkeys(wanted)
    ]
    return (
        f"{counted(len(there), 'network')} of {len(every)} that are planned, {hours:.1f} hours of one core, {dates}, "
        f"on {machines}; {diverged} diverged, and {'says' if diverged == 1 else 'say'} nothing.\n\n"
        + markdown_table(["data set", "combinations", "drawn", "networks planned", "trained"], lines, right=4)
    )
