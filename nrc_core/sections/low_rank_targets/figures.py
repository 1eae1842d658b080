"""The figures of targets of lower rank than their number: the rank that the features keep, and a control."""

from collections.abc import Iterable
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nrc_core.results.criteria import first_site, over_collapsed, target_dimensions, weight_sites
from nrc_core.results.phrases import counted
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections import canvas
from nrc_core.sections.canvas import COLLAPSE, COLOURS, NETWORK, NEUTRAL, THRESHOLD, Picture, picture
from nrc_core.sections.low_rank_targets.tables import at_rank, curves_in_rank
from nrc_core.sections.sweeps import by_network, kinds

# One line style for each width. Dashes are for the rank of the targets, dots are for the threshold.
LINES = ("-", "-.", (0, (5, 1, 1, 1, 1, 1)))
MOST = 12  # largest rank that is shown
# Colour and marker. The colour of sines is near that of NRC3, which uses the same angles.
ANGLES = {"cosine": (COLOURS["nrc3"], "o"), "sine": ("#8e44ad", "s")}


def low_rank(results: Results, rank: int) -> Picture:
    """Noise outside the top `rank` directions, stable rank and alignment by site, as in the paper's figure 3."""
    top = at_rank(results, rank).query("not shuffled")
    sites = weight_sites(results.final()).drop(columns="width").merge(kinds(results), on="key").query("not shuffled")
    target = sites["target_stable_rank"].mean()
    limit = thresholds()["noise_most"]
    lines = _lines(top["width"])
    with canvas.canvas(1, 3, 3.5) as (figure, [[noise, ranks, angles]]):
        _curves(noise, top, "noise_at_rank", COLOURS["nrc1"], lines)
        noise.axhline(limit, **THRESHOLD)
        noise.set_title(f"Noise outside the top {rank}")
        _curves(ranks, sites, "feature_stable_rank", COLOURS["nrc1"], lines)
        ranks.axhline(target, color=NETWORK, linestyle="--")
        ranks.set_title("Stable rank of features")
        for name, (colour, marker) in ANGLES.items():
            _curves(angles, top, name, colour, lines, marker=marker)
        canvas.unit_axis(angles)
        angles.set_title(f"Angles of the top {rank}")
        for axis in (noise, ranks, angles):
            axis.set(xlabel="site (weight layer)", xticks=np.unique(top["site"]))
        canvas.log_axis(noise, ranks)
        styles = _widths(lines) | {f"targets, {target:.3g}": {"color": NETWORK, "linestyle": "--"}} | _threshold(limit)
        for name, (colour, marker) in ANGLES.items():
            styles[f"mean {name}"] = {"color": colour, "marker": marker, "linewidth": 2, "markersize": 4}
        canvas.legend(figure, styles, above=False)
        message = _message(top.assign(lost=top["key"].map(over_collapsed(results.final()))), rank)
        figure.suptitle(message, x=0.01, ha="left", fontsize=11)
        last = top[top["site"] == top["site"].max()]
        end = sites.loc[sites["site"] == sites["site"].max(), "feature_stable_rank"].mean()
        return picture(
            figure,
            f"Three panels by site. {message}. At the last site the features have stable rank {end:.3g}, the targets "
            f"{target:.3g}; the mean cosine is {last['cosine'].mean():.2g}, the mean sine {last['sine'].mean():.2g}.",
        )


def low_rank_control(results: Results, rank: int) -> Picture:
    """Comparison of true and shuffled targets: noise at the last site by rank, and errors.

    Raises:
        ValueError: there is no network on shuffled targets.
    """
    networks = by_network(results)
    if not networks["shuffled"].any():
        raise ValueError("no network on shuffled targets: run the experiment with control=True")
    last = _last(curves_in_rank(results))
    last = last[last["k"] <= min(2 * _targets(results), MOST)]
    limit = thresholds()["noise_most"]
    ends = _last(at_rank(results, rank))
    at, lost = ends.groupby("shuffled")["noise_at_rank"], ends["key"].map(over_collapsed(results.final())).astype(bool)
    held = ((ends["noise_at_rank"] <= limit) & ~lost).groupby(ends["shuffled"]).mean() >= 0.5
    lines = _lines(networks["width"])
    kind = {False: ("true targets", COLOURS["nrc1"], "o"), True: ("shuffled targets", NEUTRAL, "s")}
    with canvas.canvas(1, 2, 3.7) as (figure, [[curve, errors]]):
        for shuffled, (_, colour, shape) in kind.items():
            _curves(curve, last[last["shuffled"] == shuffled], "nrc1", colour, lines, by="k", marker=shape)
            some = networks[networks["shuffled"] == shuffled]
            for place, column in enumerate(("train", "test")):
                x = place + (0.12 if shuffled else -0.12)
                errors.scatter([x] * len(some), some[column], s=30, alpha=0.8, color=colour, marker=shape, linewidths=0)
                errors.plot([x - 0.09, x + 0.09], [some[column].mean()] * 2, color=colour, linewidth=2.5)
        curve.axhline(limit, **THRESHOLD)
        _mark(curve, {rank: "r"})
        curve.set(xlabel="rank k", ylabel="noise", title="Noise outside the top k, last site")
        curve.set_xticks(np.unique(last["k"]))
        errors.axhline(1, color=NEUTRAL, linestyle="--", linewidth=0.8)
        errors.set(xlim=(-0.5, 1.5), ylabel="unexplained share of variance")
        errors.set_xticks([0, 1], ["training", "test"])
        errors.set_title("Error; dashed: predicting the mean")
        canvas.log_axis(curve, errors)
        message = f"Noise outside the top {_directions(rank)} is at most {limit:g} {_which(held)}"
        figure.suptitle(message, x=0.01, ha="left", fontsize=11)
        thick = {"linewidth": 2, "markersize": 5}
        both = {label: {"color": colour, "marker": shape, **thick} for label, colour, shape in kind.values()}
        canvas.legend(figure, both | _widths(lines) | _threshold(limit), above=False)
        means = networks.groupby("shuffled")[["train", "test"]].mean().assign(noise=at.mean())
        listed = "; ".join(
            f"{kind[bool(row.Index)][0]}: noise {row.noise:.2g}, unexplained {row.train:.3g} in training "
            f"and {row.test:.3g} in test"
            for row in means.itertuples()
        )
        return picture(figure, f"Two panels. {message}, at the last site. Means of {listed}.")


def noise_by_rank(results: Results, rank: int) -> Picture:
    """Noise at the last site by rank, with marks at r = `rank` and at the number of targets t."""
    last = _last(curves_in_rank(results)).query("not shuffled and k <= @MOST")
    targets = _targets(results)
    mean = last.groupby("k")["nrc1"].mean()
    limit = thresholds()["noise_most"]
    lines = _lines(last["width"])
    with canvas.canvas(1, 1, 3.6) as (figure, [[axis]]):
        _curves(axis, last, "nrc1", COLOURS["nrc1"], lines, by="k")
        axis.axhline(limit, **THRESHOLD)
        _mark(axis, {rank: "r = t"} if rank == targets else {rank: "r", targets: "t"})
        axis.set(xlabel="rank k", ylabel="noise outside the top k directions", xticks=mean.index)
        canvas.log_axis(axis)
        canvas.legend(figure, _widths(lines) | _threshold(limit), above=False)
        enough = mean.index[mean <= limit]
        count = counted(int(enough[0]), "direction") if len(enough) else f"more than {mean.index[-1]} directions"
        message = f"{100 * (1 - limit):g} % of the variance lies in {count} (r = {rank}, t = {targets})"
        axis.set_title(message)
        return picture(
            figure,
            f"Noise by rank at the last site. {message}. The mean noise is {mean[rank]:.2g} at rank {rank}.",
        )


def _last(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["site"] == table.groupby("key")["site"].transform("max")]


def _targets(results: Results) -> int:
    return int(target_dimensions(results.final()).iloc[0])


def _lines(widths: Iterable[int]) -> dict[int, Any]:
    """A line style for each width, from the narrowest width; after three widths the styles repeat."""
    return dict(zip(sorted(set(widths)), cycle(LINES), strict=False))


def _widths(lines: dict[int, Any]) -> dict[str, dict[str, Any]]:
    return {f"width {width}": {"color": NEUTRAL, "linestyle": line, "linewidth": 2} for width, line in lines.items()}


def _threshold(limit: float) -> dict[str, dict[str, Any]]:
    return {f"threshold, {limit:g}": THRESHOLD}


def _curves(axis: Axes, table: pd.DataFrame, column: str, colour: str, lines: dict[int, Any], **style: Any) -> None:
    """Draw networks as thin lines and the mean of each width as a thick line."""
    for width, same in table.groupby("width"):
        mean_style = {"marker": "o", "markersize": 4, "linestyle": lines[width]}
        canvas.networks_and_mean(axis, same, column, colour, **mean_style | style)


def _mark(axis: Axes, places: dict[int, str]) -> None:
    """Draw vertical lines with a letter at the foot of each."""
    for place, letter in places.items():
        canvas.marked_line(axis, place, letter, (4, 4), COLLAPSE, linewidth=1.4, alpha=0.8)


def _message(top: pd.DataFrame, rank: int) -> str:
    """Words for the sites with little noise; networks that are over-collapsed (column `lost`) do not count."""
    if top["lost"].all():
        return "All networks are over-collapsed"
    limit, each = thresholds()["noise_most"], top.groupby("key", sort=False)
    firsts = [first_site((rows["noise_at_rank"] <= limit) & ~rows["lost"], rows["site"]) for _, rows in each]
    where = canvas.from_site(pd.Series(firsts, dtype="Int64"), " networks")
    outside = f"Noise outside the top {_directions(rank)}"
    if not where:
        return f"{outside} is not suppressed: {_last(top)['noise_at_rank'].mean():.2g} at the last site"
    return f"{outside} is at most {limit:g} {where}"


def _which(held: pd.Series) -> str:
    """Words for the targets with which a condition holds; `held` has a flag for each value of `shuffled`."""
    if held[False] and held[True]:
        return "with shuffled targets too"
    if not held.any():
        return "neither with true nor with shuffled targets"
    return f"with {'shuffled' if held[True] else 'true'} targets only"


def _directions(number: int) -> str:
    return "direction" if number == 1 else f"{number} directions"
