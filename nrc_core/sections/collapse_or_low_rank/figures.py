"""The figures of the section on collapse against low rank."""

from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm

from nrc_core.results.results import Results
from nrc_core.sections.canvas import COLLAPSE, NETWORK, NEUTRAL, Picture, canvas, dot, legend, picture, shades, spread
from nrc_core.sections.collapse_or_low_rank.tables import by_scale, by_width, full_rank
from nrc_core.theory.deep_features import triangular_factors

LINES = {"collapse": COLLAPSE, "triangular": NETWORK}


def map_of_norms(norms: pd.DataFrame) -> Picture:
    """Kappa by classes and weights: below 1 a structure of low rank has a lower loss than collapse."""
    with canvas(1, 1, 2.6) as (figure, [[axis]]):
        scale = TwoSlopeNorm(1.0, vmin=float(norms.min().min()), vmax=max(1.001, float(norms.max().max())))
        grid = axis.pcolormesh(norms.columns, norms.index, norms.to_numpy(), cmap="PuOr_r", norm=scale)
        for depth, row in norms.iterrows():
            for classes, value in row.items():
                if value < 1:
                    axis.plot(classes, depth, **dot(".", color="black", markersize=3))
        first = {depth: int(row[row < 1].index.min()) for depth, row in norms.iterrows() if (row < 1).any()}
        axis.set(xlabel="classes K", ylabel="weights L", yticks=norms.index)
        axis.set_title("Low rank wins from " + ", ".join(f"K = {k} at L = {depth}" for depth, k in first.items()))
        figure.colorbar(grid, ax=axis, label="kappa")
        told = "; ".join(f"{depth} weights: from {k} classes on" for depth, k in first.items())
        return picture(figure, f"Kappa by classes and weights; dots mark where it is below 1. {told}.")


def graph_structure(vertices: int = 5, sets: int = 3) -> Picture:
    """The matrices of the structure on the complete graph: features, after the last weight but one, after its ReLU."""
    plain = triangular_factors(list(combinations(range(vertices), 2)), 3, {sets: 1.0})
    signal = plain[1] @ plain[0]
    before = plain[2] @ signal
    shown = {"features": signal, "before ReLU": before, "after it": np.maximum(before, 0),
             "output": plain[3] @ np.maximum(before, 0)}  # fmt: skip
    with canvas(1, len(shown), 3.0) as (figure, axes):
        for axis, (name, matrix) in zip(axes.flat, shown.items(), strict=True):
            axis.imshow(matrix, cmap="PuOr", vmin=-1, vmax=1)
            axis.set(xticks=[], yticks=[], xlabel="classes", title=f"{name}: rank {np.linalg.matrix_rank(matrix)}")
            axis.title.set_fontsize(9)
        told = ", ".join(f"{name} rank {np.linalg.matrix_rank(matrix)}" for name, matrix in shown.items())
        return picture(figure, f"Matrices of the structure on a graph of {vertices} vertices: {told}.")


def losses_by_start(results: Results) -> Picture:
    """The losses of the descents by the size of the start, coloured by rank, against two structures."""
    table = by_scale(results)
    scales = list(table["init_scale"].unique())
    colours = shades(table["rank"], 0.15, 0.85)
    with canvas(1, 1, 3.4) as (figure, [[axis]]):
        for place, (_, own) in enumerate(table.groupby("init_scale", sort=False)):
            for shift, row in zip(spread(len(own), 0.3), own.sort_values("loss").to_dict("records"), strict=True):
                axis.plot(place + shift, row["loss"], **dot(color=colours[row["rank"]], markersize=6))
        for structure, colour in LINES.items():
            axis.axhline(table[structure].iloc[0], color=colour, linewidth=1.5, linestyle="--")
        axis.set_xticks(range(len(scales)), [f"{scale:g}" for scale in scales])
        below = (table["loss"] < table["collapse"]).groupby(table["init_scale"], sort=False).agg(["sum", "size"])
        told = ", ".join(f"{row['sum']} of {row['size']} at {scale:g}" for scale, row in below.iterrows())
        axis.set(xlabel="size of the start", ylabel="loss at the end", title=f"Below collapse: {told}")
        styles = {name: {"color": colour, "linestyle": "--"} for name, colour in LINES.items()}
        styles |= {f"rank {rank}": dot(color=colour, markersize=6) for rank, colour in colours.items()}
        legend(figure, styles, above=False, columns=6)
        return picture(figure, f"Losses at the end of descent by the size of the start. Below collapse: {told}.")


def ranks_by_width(results: Results) -> Picture:
    """The rank of the last hidden features before the last ReLU, by width."""
    table = by_width(results)
    widths = list(table["width"].unique())
    with canvas(1, 1, 3.0) as (figure, [[axis]]):
        for place, (_, own) in enumerate(table.groupby("width", sort=False)):
            axis.plot(place + spread(len(own), 0.3), own["rank"].sort_values(), **dot(color=NEUTRAL, markersize=6))
        axis.axhline(table["classes"].iloc[0], color=COLLAPSE, linestyle="--", label="collapse")
        share = full_rank(table).groupby(table["width"]).mean()
        told = ", ".join(f"{value:.0%} at {width}" for width, value in share.items())
        axis.set_xticks(range(len(widths)), [str(width) for width in widths])
        axis.set(xlabel="width", ylabel="rank before the last ReLU", title=f"As many directions as classes: {told}")
        axis.legend()
        return picture(figure, f"Ranks of the last hidden features by width. As many directions as classes: {told}.")
