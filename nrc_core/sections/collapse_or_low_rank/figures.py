"""The figures of the section on collapse against low rank."""

from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm

from nrc_core.results.results import Results
from nrc_core.sections import canvas
from nrc_core.sections.canvas import COLLAPSE, NETWORK, NEUTRAL, Picture, dot, picture
from nrc_core.sections.class_descents import full_rank_by
from nrc_core.sections.collapse_or_low_rank.tables import by_scale, by_width
from nrc_core.sections.slider import Slider
from nrc_core.theory.deep_features import deep_ufm_loss, triangular_factors

VERTICES, SETS = 5, 3  # of the graph that is drawn
LINES = {"collapse": COLLAPSE, "triangular": NETWORK}
VERTEX_COUNTS = range(4, 9)  # of the complete graphs on the slider
FACTORS = (0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)  # decays on the slider, over that of the descents


def map_of_norms(norms: pd.DataFrame) -> Picture:
    """Kappa by classes and weights: below 1 a structure of low rank has a lower loss than collapse."""
    better = norms < 1
    first = {depth: int(row.idxmax()) for depth, row in better.iterrows() if row.any()}
    told = ", ".join(f"K = {classes} at L = {depth}" for depth, classes in first.items())
    scale = TwoSlopeNorm(1.0, vmin=float(norms.min(axis=None)), vmax=max(1.001, float(norms.max(axis=None))))
    with canvas.canvas(1, 1, 2.6) as (figure, [[axis]]):
        grid = axis.pcolormesh(norms.columns, norms.index, norms.to_numpy(), cmap="PuOr_r", norm=scale)
        rows, columns = np.nonzero(better.to_numpy())
        axis.plot(norms.columns[columns], norms.index[rows], **dot(".", color="black", markersize=3))
        axis.set(xlabel="classes K", ylabel="weights L", yticks=norms.index, title=f"Low rank wins from {told}")
        figure.colorbar(grid, ax=axis, label="kappa")
        return picture(figure, f"Kappa by classes and weights; dots mark where it is below 1, from {told}.")


def graph_structure() -> Picture:
    """The matrices of the structure on a complete graph: features, the last hidden ones around ReLU, output."""
    edges = list(combinations(range(VERTICES), 2))
    features, first, second, last = triangular_factors(edges, 3, {SETS: 1.0})
    before = second @ first @ features
    after = np.maximum(before, 0)
    shown = {"features": first @ features, "before ReLU": before, "after it": after, "output": last @ after}
    ranks = {name: int(np.linalg.matrix_rank(matrix)) for name, matrix in shown.items()}
    with canvas.canvas(1, len(shown), 3.0) as (figure, axes):
        for axis, (name, matrix) in zip(axes.flat, shown.items(), strict=True):
            axis.imshow(matrix, cmap="PuOr", vmin=-1, vmax=1)
            axis.set(xticks=[], yticks=[], xlabel="classes")
            axis.set_title(f"{name}: rank {ranks[name]}", fontsize=9)
        told = ", ".join(f"{name} rank {rank}" for name, rank in ranks.items())
        return picture(figure, f"Matrices of the structure on a graph of {VERTICES} vertices: {told}.")


def losses_by_start(results: Results) -> Picture:
    """The losses of the descents by the size of the start, coloured by rank, against two structures."""
    table = by_scale(results)
    scales = list(table["init_scale"].unique())
    colours = canvas.shades(table["rank"], 0.15, 0.85)
    with canvas.canvas(1, 1, 3.4) as (figure, [[axis]]):
        for place, (_, own) in enumerate(table.groupby("init_scale", sort=False)):
            for shift, row in zip(canvas.spread(len(own), 0.3), own.sort_values("end").to_dict("records"), strict=True):
                axis.plot(place + shift, row["end"], **dot(color=colours[row["rank"]], markersize=6))
        for structure, colour in LINES.items():
            axis.axhline(table[structure].iloc[0], color=colour, linewidth=1.5, linestyle="--")
        axis.set_xticks(range(len(scales)), [f"{scale:g}" for scale in scales])
        below = (table["end"] < table["collapse"]).groupby(table["init_scale"], sort=False).agg(["sum", "size"])
        told = ", ".join(f"{row['sum']} of {row['size']} at {scale:g}" for scale, row in below.iterrows())
        axis.set(xlabel="size of the start", ylabel="loss at the end", title=f"Below collapse: {told}")
        styles = {name: {"color": colour, "linestyle": "--"} for name, colour in LINES.items()}
        styles |= {f"rank {rank}": dot(color=colour, markersize=6) for rank, colour in colours.items()}
        canvas.legend(figure, styles, above=False, columns=6)
        return picture(figure, f"Losses at the end of descent by the size of the start. Below collapse: {told}.")


def losses_by_decay(results: Results) -> Slider:
    """The losses of two structures by the number of classes over that of zero, for each decay on a slider."""
    table = by_scale(results)
    decay, depth = float(results.runs["decay"].iloc[0]), int(results.runs["depth"].iloc[0])
    pictures = {
        f"{factor * decay:.3g}": _losses(factor * decay, depth, table if factor == 1 else table.iloc[:0])
        for factor in FACTORS
    }
    return Slider("decay", pictures, first=FACTORS.index(1.0))


def _losses(decay: float, depth: int, descents: pd.DataFrame) -> Picture:
    """One picture of `losses_by_decay`, with descents of this decay."""
    classes = [vertices * (vertices - 1) // 2 for vertices in VERTEX_COUNTS]
    losses = pd.DataFrame(
        {
            name: [deep_ufm_loss(name, classes=k, depth=depth, decay=decay) for k in classes]
            for name in (*LINES, "zero")
        },
        index=classes,
    )
    shares = losses.div(losses["zero"], axis=0)
    best = losses.idxmin(axis=1)
    told = "; ".join(f"{name} for K = {', '.join(map(str, best.index[best == name]))}" for name in best.unique())
    with canvas.canvas(1, 1, 2.8) as (figure, [[axis]]):
        for name, colour in LINES.items():
            axis.plot(classes, shares[name], "o-", color=colour, label=name, markersize=4)
        axis.axhline(1, color=NEUTRAL, linestyle="--", label="zero")
        if not descents.empty:
            count = int(descents["classes"].iloc[0])
            zero = deep_ufm_loss("zero", classes=count, depth=depth, decay=decay)
            shifts = canvas.spread(len(descents), 0.4)
            axis.plot(count + shifts, descents["end"] / zero, **dot(markersize=3, alpha=0.7), label="descent")
        axis.set(xlabel="classes K", ylabel="loss over that of zero", ylim=(0, 1.6), title=f"Best: {told}")
        axis.legend(fontsize=8, ncols=2)
        return picture(figure, f"Losses by the number of classes, with a decay of {decay:.3g}. Best: {told}.")


def ranks_by_width(results: Results) -> Picture:
    """The rank of the last hidden features before the last ReLU, by width."""
    table = by_width(results)
    widths = list(table["width"].unique())
    with canvas.canvas(1, 1, 3.0) as (figure, [[axis]]):
        for place, (_, own) in enumerate(table.groupby("width", sort=False)):
            axis.plot(
                place + canvas.spread(len(own), 0.3), own["rank"].sort_values(), **dot(color=NEUTRAL, markersize=6)
            )
        axis.axhline(table["classes"].iloc[0], color=COLLAPSE, linestyle="--", label="collapse")
        told = ", ".join(f"{share:.0%} at {width}" for width, share in full_rank_by(table, "width").items())
        axis.set_xticks(range(len(widths)), [str(width) for width in widths])
        axis.set(xlabel="width", ylabel="rank before the last ReLU", title=f"As many directions as classes: {told}")
        axis.legend()
        return picture(figure, f"Ranks of the last hidden features by width. As many directions as classes: {told}.")
