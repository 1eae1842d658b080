"""The figures of exposure: alignment against exposure, directions against targets, conditions at t and at k*.

All take the table `by_site`.
"""

from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from nrc_core.results.exposure import ALIGNED
from nrc_core.results.phrases import counted
from nrc_core.results.thresholds import thresholds
from nrc_core.sections import canvas
from nrc_core.sections.canvas import COLLAPSE, COLOURS, NETWORK, NEUTRAL, Picture, number, picture
from nrc_core.sections.exposure.tables import correlation, penultimate

PLACES = {0: "last site", 1: "penultimate site", 2: "the site before"}
CONDITIONS = {"nrc1": "noise (NRC1)", "nrc2": "targets (NRC2)", "nrc3": "weights (NRC3)"}
LINEAR = 0.01  # exposures below this have a linear scale, which can show 0
SIZE = 30
NOISE_FLOOR = 1e-8  # least noise shown: curves by rank are stored in single precision


def alignment(sites: pd.DataFrame) -> Picture:
    """NRC3 at rank k* against exposure, a panel for each of the last three weight sites, a mark for each network.

    Networks that learned nothing are left out. The band is where nothing is predicted.
    """
    shown = sites[sites["learned"] & sites["from_last"].isin(PLACES)]
    places = [place for place in PLACES if (sites["from_last"] == place).any()]
    blind = sites.loc[~sites["learned"], "key"].nunique()
    limits, told = thresholds(), []
    with canvas.panels(places, 4.1) as (figure, panels):
        for axis, place in panels:
            rows = shown[shown["from_last"] == place]
            _marks(axis, rows, rows["exposure"], rows["nrc3_k"], _colours(sites))
            axis.axvspan(limits["exposure_too_little"], limits["exposure_enough"], color=NEUTRAL, alpha=0.25, lw=0)
            axis.axhline(limits["alignment_least"], **canvas.THRESHOLD)
            axis.set_xscale("symlog", linthresh=LINEAR, linscale=0.6)
            axis.set_xticks([0, 0.01, 0.1, 1, 10, 100, 1000], ["0", ".01", ".1", "1", "10", "100", "1000"])
            axis.set_xlim(-LINEAR / 2, 2 * max([50.0, *shown["exposure"]]))
            axis.xaxis.set_minor_formatter(NullFormatter())
            canvas.unit_axis(axis)
            axis.set(xlabel="exposure E", ylabel="NRC3 at rank k*" if place == places[0] else "")
            name, counts = PLACES[place], _counts(rows)
            axis.set_title(f"{name[0].upper()}{name[1:]}:\n{counts}".replace(", ", ",\n"), fontsize=10)
            told.append(f"{name}: {counts}")
        _legend(figure, sites, shown)
        left = f" Left out: {counted(blind, 'network')} that learned nothing." if blind else ""
        return picture(
            figure,
            "Alignment of features and weights at rank k* against exposure to weight decay, a mark a network, by site. "
            f"{'; '.join(told)}.{left}",
        )


def _counts(rows: pd.DataFrame) -> str:
    """The networks for which the rule is right, and the rank correlation if it is defined."""
    told = rows["right"].dropna()
    rank = correlation(rows)
    text = f"rule right for {int(told.sum())} of {len(told)}"
    return text if np.isnan(rank) else f"{text}, rank correlation {rank:.2f}"


def directions(sites: pd.DataFrame) -> Picture:
    """k* at the penultimate site against the rank of the targets, without and with biases, a mark for each network.

    Networks without enough exposure are pale. The lines are as many directions as the targets have, and twice as many.
    """
    rows = penultimate(sites)
    rows = rows[rows["k_star"].notna()]
    kinds = [bias for bias in (False, True) if (sites["bias"] == bias).any()]
    ranks = np.arange(1, sites["target_rank"].max() + 1)
    told = []
    with canvas.panels(kinds, 4.1) as (figure, panels):
        for axis, bias in panels:
            some = rows[rows["bias"] == bias]
            shifts = _shifts(some, sites)
            for enough, alpha in ((False, 0.2), (True, 0.9)):
                part = some[(some["predicted"] == ALIGNED) == enough]
                places = part["target_rank"] + shifts[part.index]
                _marks(axis, part, places, part["k_star"].astype(float), _colours(sites), alpha=alpha)
            for factor, line in ((1, "-"), (2, "--")):
                axis.hlines(factor * ranks, ranks - 0.4, ranks + 0.4, color=NEUTRAL, linestyle=line, zorder=0)
            axis.set(xlabel="rank of the targets", ylabel="directions k*" if bias == kinds[0] else "", yscale="log")
            axis.set_xticks(ranks)
            axis.set_yticks([1, 2, 3, 4, 6, 10, 20, 40], ["1", "2", "3", "4", "6", "10", "20", "40"])
            axis.yaxis.set_minor_formatter(NullFormatter())
            axis.set_xlim(0.5, ranks[-1] + 0.5)
            message = _more(some, "With biases" if bias else "Without biases")
            axis.set_title(message, fontsize=10)
            told.append(message.replace("\n", " "))
        _legend(
            figure,
            sites,
            rows,
            {"k* = rank": {"color": NEUTRAL}, "k* = 2 x rank": {"color": NEUTRAL, "linestyle": "--"}},
        )
        return picture(
            figure,
            f"Number of directions k* against the rank of the targets, a mark a network; networks without enough "
            f"exposure are pale. {'. '.join(told)}.",
        )


def _more(rows: pd.DataFrame, name: str) -> str:
    """The number of networks with more directions than targets, where exposure is enough and none was lost."""
    held = rows[(rows["predicted"] == ALIGNED) & ~rows["over_collapsed"]]
    more = int((held["k_star"] > held["target_rank"]).sum())
    return f"{name}: k* above the rank in {more} of {len(held)}\nwith enough exposure, none over-collapsed"


def conditions(sites: pd.DataFrame) -> Picture:
    """NRC1 to NRC3 at rank t and at rank k*, at the penultimate site of the page's own networks: medians by setting."""
    rows = penultimate(sites[sites["own"]])
    table = rows.assign(name=[_name(row) for row in rows.to_dict("records")]).sort_values(
        ["dataset", "exposure", "bias"], kind="stable"
    )
    values = [f"{name}_{rank}" for name in CONDITIONS for rank in ("t", "k")]
    medians = table.groupby("name", sort=False)[values].median()
    heights = np.arange(len(medians))
    limits, told = thresholds(), []
    with canvas.canvas(1, 3, 1.9 + 0.27 * len(medians)) as (figure, axes):
        for axis, (name, title) in zip(axes.flat, CONDITIONS.items(), strict=True):
            at_t, at_k = (medians[f"{name}_{rank}"].clip(lower=NOISE_FLOOR) for rank in ("t", "k"))
            axis.hlines(heights, at_t, at_k, color=COLOURS[name], alpha=0.5)
            axis.scatter(at_t, heights, s=SIZE, facecolors="none", edgecolors=COLOURS[name])
            axis.scatter(at_k, heights, s=SIZE, color=COLOURS[name])
            noise = name == "nrc1"
            limit = limits["noise_most" if noise else "alignment_least"]
            held = [int((one <= limit if noise else one >= limit).sum()) for one in (at_t, at_k)]
            # By the definition of k*, the noise there is small; so NRC1 at k* says nothing.
            at_k_star = "" if noise else f", {held[1]} at k*"
            axis.set_title(f"{title}: of {len(medians)},\n{held[0]} hold at t{at_k_star}", fontsize=10)
            told.append(f"{title} holds in {held[0]} at t{at_k_star}")
            axis.axvline(limit, **canvas.THRESHOLD)
            if len(medians):
                canvas.row_axis(axis, list(medians.index) if noise else [""] * len(medians))
            axis.set(xscale="log") if noise else axis.set(xlim=(-0.03, 1.05), xticks=[0, 0.5, 1])
        styles = {"at rank t": canvas.dot(markerfacecolor="none"), "at rank k*": canvas.dot()}
        canvas.legend(figure, styles | {"threshold": canvas.THRESHOLD}, above=False)
        listed = "; ".join(
            f"{name}: {number(row['nrc3_t'])} and {number(row['nrc3_k'])}" for name, row in _each(medians)
        )
        return picture(
            figure,
            f"The conditions at rank t and at rank k*, medians by setting at the penultimate site. Of "
            f"{counted(len(medians), 'setting')}, {'; '.join(told)}. "
            f"NRC3 at t and at k*: {listed}.",
        )


def _each(table: pd.DataFrame) -> list[tuple[Any, Any]]:
    return list(table.iterrows())


def _name(row: dict[str, Any]) -> str:
    bias = ", biases" if row["bias"] else ""
    return f"{row['dataset']}, E = {row['exposure']:.2g}{bias}"


def _colours(sites: pd.DataFrame) -> dict[str, str]:
    """A colour for each data set; the same for all figures of a page."""
    palette = cycle([*COLOURS.values(), COLLAPSE, NETWORK])
    return dict(zip(sorted(sites["dataset"].unique()), palette, strict=False))


def _marks(
    axis: Axes, rows: pd.DataFrame, x: pd.Series, y: pd.Series, colours: dict[str, str], alpha: float | None = None
) -> None:
    """One mark for each network: squares have biases, hollow crossed ones over-collapsed, pale ones are not the page's.

    Args:
        alpha: opacity of all marks; by whether they are the page's own unless given.
    """
    for (dataset, bias, over, own), some in rows.groupby(["dataset", "bias", "over_collapsed", "own"]):
        colour, opacity = colours[dataset], alpha or (0.9 if own else 0.4)
        face = "none" if over else colour
        places = x[some.index], y[some.index]
        shape = "s" if bias else "o"
        axis.scatter(*places, s=SIZE, marker=shape, facecolors=face, edgecolors=colour, alpha=opacity)
        if over:
            axis.scatter(*places, s=SIZE, marker="x", color=colour, alpha=opacity, linewidths=1)


def _shifts(some: pd.DataFrame, sites: pd.DataFrame) -> pd.Series:
    """Horizontal shifts that keep data sets apart, and the networks of one data set a little."""
    names = sorted(sites["dataset"].unique())
    columns = some["dataset"].map(dict(zip(names, canvas.spread(len(names), 0.3), strict=True))).astype(float)
    return columns + (some.groupby("dataset").cumcount() % 5 - 2) * 0.03


def _legend(
    figure: Any, sites: pd.DataFrame, rows: pd.DataFrame, lines: dict[str, dict[str, Any]] | None = None
) -> None:
    """Colours of the data sets of all sites, and the shapes that occur in the rows."""
    colours = {name: canvas.dot(color=colour) for name, colour in _colours(sites).items()}
    shapes = {"with biases": canvas.dot("s")} if rows["bias"].any() else {}
    shapes |= {"over-collapsed": canvas.dot("x")} if rows["over_collapsed"].any() else {}
    shapes |= {"published": canvas.dot(alpha=0.4)} if not rows["own"].all() else {}
    entries = colours | shapes | (lines or {})
    canvas.legend(figure, entries, above=False, columns=min(len(entries), 6))
