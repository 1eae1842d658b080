"""The figures of networks that differ from the recipe in one respect each, and of their noise at the activation."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from nrc_core.results.criteria import holds, target_dimensions, weight_sites
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections import canvas
from nrc_core.sections.canvas import COLOURS, FLOOR, NEUTRAL, Picture, number, picture
from nrc_core.sections.what_decides_collapse.tables import RECIPE, at_last_site, variant_names
from nrc_core.theory.bounds import cone_noise

# Column of `at_last_site` and name of its axis.
PANELS = {
    "nrc1": ("nrc1", "noise"),
    "nrc2": ("nrc2", "projected CKA"),
    "nrc3": ("nrc3", "mean cosine"),
    "nrc4": ("error_share", "error over its limit"),
}
THRESHOLD = canvas.THRESHOLD | {"linewidth": 1.4}
CONE: dict[str, Any] = {"color": NEUTRAL, "linestyle": "--", "linewidth": 1.4}
NOISE_FLOOR = 1e-8  # least noise shown in curves by rank, which are stored in single precision


def variants(results: Results) -> Picture:
    """The four conditions at the last site: one row for each variant, one dot for each network, dotted thresholds."""
    table = at_last_site(results)
    flags, limits = holds(table), thresholds()
    limits_of = dict(zip(PANELS, (limits["noise_most"], *[limits["alignment_least"]] * 2, 1.0), strict=True))
    names = list(dict.fromkeys(table["variant"]))
    with canvas.canvas(1, 4, 1.7 + 0.32 * len(names)) as (figure, axes):
        counts = []
        for axis, (condition, (column, label)) in zip(axes.flat, PANELS.items(), strict=True):
            for (variant, over), runs in table.groupby(["variant", "over_collapsed"], sort=False):
                heights = names.index(variant) + _spread(runs["seed"], table["seed"])
                marker = "X" if over else "o"
                axis.scatter(runs[column].clip(lower=FLOOR), heights, s=34, color=COLOURS[condition], marker=marker)
            axis.axvline(limits_of[condition], **THRESHOLD)
            axis.set_title(f"{condition.upper()}: {flags[condition].sum()} of {len(table)}")
            axis.set_xlabel(label)
            canvas.row_axis(axis, names if condition == "nrc1" else [""] * len(names))
            if column in ("nrc2", "nrc3"):
                axis.set(xlim=(-0.03, 1.05), xticks=[0, 0.5, 1])
            else:
                _log(axis)
            counts.append(f"{condition.upper()} holds in {flags[condition].sum()} of {len(table)}")
        over = int(table["over_collapsed"].sum())
        dots = {"a network": canvas.dot(), "over-collapsed": canvas.dot("X")}
        canvas.legend(figure, dots | {"threshold": THRESHOLD})
        told = "; ".join(
            f"{variant}, median noise {number(runs['nrc1'].median())}"
            for variant, runs in table.groupby("variant", sort=False)
        )
        return picture(
            figure,
            f"The four conditions at the last site, a row a variant. {', '.join(counts)}; over-collapsed: {over}. "
            f"{told[0].upper()}{told[1:]}.",
        )


def noise_before_and_after(results: Results) -> Picture:
    """NRC1 at the last site before and after the activation: one row for each variant, one bar for each network."""
    table = at_last_site(results)
    names = list(dict.fromkeys(table["variant"]))
    with canvas.canvas(1, 1, 1.6 + 0.36 * len(names)) as (figure, [[axis]]):
        after, before = (table[name].clip(lower=FLOOR) for name in ("nrc1", "before"))
        heights = table["variant"].map(names.index) + _spread(table["seed"], table["seed"])
        axis.hlines(heights, before, after, color=COLOURS["nrc1"], alpha=0.5)
        ends = {"facecolors": "none", "label": "before the activation"}, {"label": "after the activation"}
        for values, style in zip((before, after), ends, strict=True):
            axis.scatter(values, heights, s=34, edgecolors=COLOURS["nrc1"], **{"facecolors": COLOURS["nrc1"]} | style)
        axis.axvline(cone_noise(), label=_pairs(), **CONE)
        axis.axvline(thresholds()["noise_most"], label="threshold", **THRESHOLD)
        canvas.row_axis(axis, names)
        _log(axis)
        axis.set_xlabel("noise (NRC1) at the last site")
        more = int((table["nrc1"] > table["before"]).sum())
        message = f"The activation adds noise in {more} of {len(table)} networks"
        axis.set_title(message)
        figure.legend(loc="outside lower center", ncols=4, fontsize=9)
        told = "; ".join(
            f"{variant}: {number(runs['before'].median())} before, {number(runs['nrc1'].median())} after"
            for variant, runs in table.groupby("variant", sort=False)
        )
        return picture(figure, f"Noise before and after the activation. {message}. Medians: {told}.")


def cone(results: Results) -> Picture:
    """NRC1 at the last site by rank, before and after the activation, without and with biases."""
    names = variant_names(results)
    keys = {words: list(names.index[names == words]) for words in (RECIPE, "with a bias", "without a bias")}
    shown = {words: chosen for words, chosen in keys.items() if chosen}
    t = int(target_dimensions(results.final()).iloc[0])
    most = 2 * t + 4
    with canvas.panels(shown, 3.7) as (figure, panels):
        titles = []
        for axis, words in panels:
            ends = {}
            for features, line in (("post", "-"), ("pre", "--")):
                curves = _last_curves(results, shown[words], features, most)
                style: dict[str, Any] = {"line": line, "marker": "o", "markersize": 4}
                ends[features] = canvas.networks_and_mean(axis, curves, "nrc1", COLOURS["nrc1"], by="k", **style)
            for rank, text in ((t, "t"), (2 * t, "2t")):
                canvas.marked_line(axis, rank, text, (3, 4), NEUTRAL, linewidth=0.9)
            axis.axhline(thresholds()["noise_most"], **THRESHOLD)
            axis.axhline(cone_noise(), **CONE)
            axis.set(xlabel="rank k", ylabel="noise outside the top k", yscale="log", xticks=range(1, most + 1))
            noise = ends["post"]
            title = f"{words[0].upper()}{words[1:]}: {noise.get(t):.2g} at t, {noise.get(2 * t, 0):.2g} at 2t"
            axis.set_title(title)
            titles.append(f"{title}; before the activation {ends['pre'].get(t):.2g} at t")
        low = min(axis.get_ylim()[0] for axis in figure.axes)
        for axis in figure.axes:
            axis.set_ylim(low, 1.5)
        kinds = {"after the activation": "-", "before it": "--"}
        lines = {name: {"color": COLOURS["nrc1"], "linestyle": line} for name, line in kinds.items()}
        canvas.legend(figure, lines | {_pairs(): CONE, "threshold": THRESHOLD}, above=False)
        return picture(figure, f"Noise at the last site by rank, t = {t}. {'. '.join(titles)}.")


def _pairs() -> str:
    return f"balanced pairs, {cone_noise():.3f}"


def _last_curves(results: Results, keys: list[str], features: str, most: int) -> pd.DataFrame:
    """NRC1 by rank, up to the rank `most`, at the last site that feeds a weight, for the runs with the given keys."""
    last = weight_sites(results.final()).groupby("key")["site"].max()
    curves = results.final_spectra(features=features)
    chosen = curves["key"].isin(keys) & (curves["site"] == curves["key"].map(last)) & (curves["k"] <= most)
    return curves[chosen].assign(nrc1=lambda rows: rows["nrc1"].clip(lower=NOISE_FLOOR))


def _spread(seeds: pd.Series, among: pd.Series) -> np.ndarray:
    """Vertical shifts within a row; a seed has the same shift in every row."""
    order = sorted(set(among))
    return canvas.spread(len(order), 0.2)[[order.index(seed) for seed in seeds]]


def _log(axis: Axes) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(numticks=3))
    axis.xaxis.set_minor_formatter(NullFormatter())
