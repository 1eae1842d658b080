"""The figures of the same network at several weight decays: a map, lines by site, and errors."""

from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm, Normalize

from nrc_core.results.criteria import holds, over_collapsed, weight_sites
from nrc_core.results.phrases import span
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections import canvas
from nrc_core.sections.canvas import COLOURS, FLOOR, NETWORK, NEUTRAL, Picture, number, picture
from nrc_core.sections.sweeps import by_network

METRICS = {"nrc1": "Noise (NRC1)", "nrc2": "Targets (NRC2)", "nrc3": "Weights (NRC3)"}
LEAST_SHOWN = 1e-4  # least noise that has its own colour
# Markers that are visible on the darkest and on the brightest cell.
MARK: dict[str, Any] = {"linestyle": "none", "markerfacecolor": "white", "markeredgecolor": "black", "color": "white"}
SINGLE, ALL_FOUR = MARK | {"marker": "o", "markersize": 4}, MARK | {"marker": "*", "markersize": 11}


def weight_decay_map(results: Results) -> Picture:
    """Maps of site by weight decay, one panel for each condition: means over the networks.

    A mark means that a condition holds in at least half of the networks. Over-collapsed networks do not count for the
    mark of all four conditions. Brighter cells are more collapsed.
    """
    sites = _sites(results)
    flags = holds(sites)
    lost = sites["key"].map(over_collapsed(results.final())).astype(bool)
    together = _half(sites, flags.all(axis=1) & ~lost)
    rows = len(together)
    with canvas.canvas(1, len(METRICS), 2.1 + 0.3 * rows) as (figure, axes):
        for axis, (name, title) in zip(axes.flat, METRICS.items(), strict=True):
            noise = name == "nrc1"
            mesh = axis.pcolormesh(
                np.ma.masked_invalid(_grid(sites, sites[name])),
                cmap="cividis_r" if noise else "cividis",
                norm=LogNorm(LEAST_SHOWN, 1) if noise else Normalize(0, 1),
            )
            limit = thresholds()["noise_most" if noise else "alignment_least"]
            ticks = [LEAST_SHOWN, limit, 1] if noise else [0, 0.5, limit]
            bar = figure.colorbar(mesh, ax=axis, location="bottom", extend="min" if noise else "neither", aspect=30)
            bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
            bar.minorticks_off()
            bar.ax.axvline(limit, color="black")
            for cells, style in ((_half(sites, flags[name]) & ~together, SINGLE), (together, ALL_FOUR)):
                row, column = np.nonzero(cells.to_numpy())
                axis.plot(column + 0.5, row + 0.5, **style)
            axis.set(title=title, xlabel="site (weight layer)", ylabel="weight decay (exposure)" if noise else "")
            canvas.site_ticks(axis, together.columns, shift=0.5)
            axis.set_yticks(np.arange(rows) + 0.5, _with_exposure(results, together.index) if noise else [""] * rows)
            axis.tick_params(length=0)
            axis.invert_yaxis()  # 0 comes first
            axis.grid(False)
            axis.spines[:].set_visible(False)
        somewhere, last = together.any(axis=1), together.iloc[:, -1]
        message = f"All four conditions hold together {_where(somewhere)}"
        message += ", never at the last site" if somewhere.any() and not last.any() else ""
        figure.suptitle(message, x=0.01, ha="left", fontsize=11)
        styles = {"the panel's condition holds": SINGLE, "all four hold (in at least half of the networks)": ALL_FOUR}
        canvas.legend(figure, styles, above=False)
        end = "" if last.equals(somewhere) or not last.any() else f" At the last site they do {_where(last)}."
        return picture(figure, f"Heat maps of site by weight decay. {message}.{end} {_ends(sites)}")


def weight_decay_lines(results: Results) -> Picture:
    """Noise, alignment with the weights and stable rank of the weights by site, one line for each weight decay."""
    sites = _sites(results)
    panels = {"nrc1": "Noise (NRC1)", "nrc3": "Alignment (NRC3)", "weight_stable_rank": "Stable rank of weights"}
    # Networks without weight decay are grey.
    colours = {0.0: NEUTRAL} | canvas.shades(sites.loc[sites["weight_decay"] > 0, "weight_decay"], 0.3, 0.8)
    flags = holds(sites)
    noise, aligned = (_where(_half(sites, flags[name]).any(axis=1)) for name in ("nrc1", "nrc3"))
    with canvas.canvas(1, 3, 3.5) as (figure, axes):
        for axis, (name, title) in zip(axes.flat, panels.items(), strict=True):
            for (value, rows), marker in zip(sites.groupby("weight_decay"), cycle("so^Dv"), strict=False):
                style: dict[str, Any] = {"color": colours[value], "marker": marker, "linestyle": "-" if value else "--"}
                canvas.mean_and_range(axis, rows, name, 0.18, label=f"{value:g}", linewidth=1.8, markersize=4, **style)
            axis.set(title=title, xlabel="site (weight layer)")
            canvas.site_ticks(axis, pd.Index(np.unique(sites["site"])))
        canvas.log_axis(axes[0, 0], axes[0, 2])
        canvas.unit_axis(axes[0, 1])
        message = f"NRC1 holds somewhere {noise}, NRC3 {aligned}"
        figure.suptitle(message.replace(", NRC3", ",\nNRC3"), x=0.01, ha="left", fontsize=11)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        labels[0] = f"weight decay {labels[0]}"
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
        ranks = by_network(results).groupby("weight_decay")["weight_stable_rank"].mean()
        listed = ", ".join(f"{number(rank)} at {value:g}" for value, rank in ranks.items())
        return picture(figure, f"Lines by site. {message}. Mean stable rank of the hidden weights: {listed}.")


def weight_decay_errors(results: Results) -> Picture:
    """Training and test error by weight decay, and the noise by weight decay.

    Dots are networks. In the panel of the noise, the shape of a dot shows over-collapse.
    """
    networks = by_network(results)
    tried = sorted(networks["weight_decay"].unique())
    networks["place"] = networks["weight_decay"].map(tried.index)
    errors = networks.groupby("weight_decay")[["train", "test"]].mean()
    limits = thresholds()
    over = int(networks["over_collapsed"].sum())
    with canvas.canvas(1, 2, 3.6) as (figure, [[left, right]]):
        for column, colour, label, shift in (
            ("train", COLOURS["nrc1"], "training", -0.07),
            ("test", NETWORK, "test", 0.07),
        ):
            left.scatter(networks["place"] + shift, networks[column], s=22, alpha=0.8, color=colour, linewidths=0)
            left.plot(np.arange(len(tried)) + shift, errors[column], color=colour, linewidth=1.8, label=label)
        left.axhline(1, color=NEUTRAL, linestyle="--", label="predicting the mean")
        learned = errors["test"].min() < limits["nothing_learned_least"]
        best = f"Test error is lowest at weight decay {errors['test'].idxmin():g}"
        left.set_title(best if learned else "Nothing is learned at any weight decay")
        left.set(xlabel="weight decay", ylabel="unexplained share of variance")
        left.set_xticks(range(len(tried)), [f"{value:g}" for value in tried])

        for flag, colour, shape, label in (
            (False, COLOURS["nrc1"], "o", "all target directions"),
            (True, NETWORK, "X", "over-collapsed"),
        ):
            some = networks[networks["over_collapsed"] == flag]
            right.scatter(some["place"], some["noise"].clip(lower=FLOOR), s=38, alpha=0.8, color=colour, marker=shape,
                          linewidths=0, label=label)  # fmt: skip
        right.axhline(limits["noise_most"], label=f"threshold, {limits['noise_most']:g}", **canvas.THRESHOLD)
        right.set_title(f"Over-collapsed: {over} of {len(networks)} networks")
        targets = networks["target_rank"].iloc[0]
        right.set(xlabel=f"weight decay, output directions (targets: {targets})", ylabel="noise at the last site")
        ranks = networks.groupby("weight_decay")["output_rank"].agg(lambda of_one: span(of_one, str, "-"))
        right.set_xticks(range(len(tried)), [f"{value:g}\n{rank}" for value, rank in ranks.items()])
        for axis in (left, right):
            axis.set_xlim(-0.4, len(tried) - 0.6)
            axis.legend(fontsize=9)
        canvas.log_axis(left, right)
        listed = ", ".join(f"{row.train:.3g} and {row.test:.3g} at {row.Index:g}" for row in errors.itertuples())
        return picture(
            figure,
            f"By weight decay. {left.get_title('left')}. Unexplained shares in training and test: {listed}. "
            f"{right.get_title('left')}.",
        )


def _with_exposure(results: Results, decays: pd.Index) -> list[str]:
    """Weight decays as text, each with the exposure of its networks in brackets."""
    exposures = results.runs.groupby("weight_decay")["exposure"].median()
    return [f"{value:g} ({exposures[value]:.2g})" for value in decays]


def _sites(results: Results) -> pd.DataFrame:
    return weight_sites(results.label(results.final(), "weight_decay"))


def _grid(sites: pd.DataFrame, values: pd.Series) -> pd.DataFrame:
    """Means over the networks, one row for each weight decay and one column for each site."""
    return values.groupby([sites["weight_decay"], sites["site"]]).mean().unstack()


def _half(sites: pd.DataFrame, flags: pd.Series) -> pd.DataFrame:
    return _grid(sites, flags.astype(float)) >= 0.5


def _where(held: pd.Series) -> str:
    """Weight decays at which a condition holds, in few words."""
    tried, found = list(held.index), [f"{value:g}" for value in held.index[held]]
    if not found or len(found) == len(tried):
        return "at every weight decay" if found else "at none of the weight decays"
    if len(found) == 1:
        return f"only at weight decay {found[0]}"
    places = np.flatnonzero(held)
    unbroken = len(found) > 2 and places[-1] - places[0] == len(found) - 1
    listed = f"{found[0]} to {found[-1]}" if unbroken else f"{', '.join(found[:-1])} and {found[-1]}"
    return f"only at weight decays {listed}"


def _ends(sites: pd.DataFrame) -> str:
    """The three metrics at the last site, in words."""
    last = sites[sites["site"] == sites["site"].max()].groupby("weight_decay")[list(METRICS)].mean()
    each = [
        f"{row.Index:g} (noise {number(row.nrc1)}, NRC2 {number(row.nrc2)}, NRC3 {number(row.nrc3)})"
        for row in last.itertuples()
    ]
    return f"Means at the last site, by weight decay: {', '.join(each)}."
