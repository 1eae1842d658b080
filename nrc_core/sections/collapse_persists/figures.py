"""The figures of the section on collapse despite low-rank bias."""

import numpy as np
import pandas as pd

from nrc_core.results.results import Results
from nrc_core.sections import canvas
from nrc_core.sections.canvas import COLLAPSE, COLOURS, NETWORK, NEUTRAL, Picture, dot, picture
from nrc_core.sections.class_descents import full_rank_by
from nrc_core.sections.collapse_persists.tables import by_depth, by_width
from nrc_core.sections.slider import Slider
from nrc_core.theory.cross_entropy import STRUCTURES, cross_entropy_ufm_loss

LINES = dict(zip(STRUCTURES, (COLLAPSE, COLOURS["nrc1"], NETWORK), strict=True))


def ranks_by_width(results: Results) -> Picture:
    """The share of the random starts that ends at each rank, by width, as stacked bars."""
    table = by_width(results)
    parts = pd.crosstab(table["width"], table["rank"], normalize="index")
    full, depth = int(table["classes"].iloc[0]) - 1, int(table["depth"].iloc[0])
    told = ", ".join(f"{share:.0%} at {width}" for width, share in full_rank_by(table, "width").items())
    with canvas.canvas(1, 1, 3.2) as (figure, [[axis]]):
        places, below = np.arange(len(parts)), np.zeros(len(parts))
        for rank, colour in canvas.shades(parts.columns, 0.25, 0.8).items():
            name = f"rank {rank}" + (" (collapse)" if rank == full else "")
            axis.bar(places, parts[rank], bottom=below, color=colour, label=name, width=0.6)
            below += parts[rank].to_numpy()
        axis.set_xticks(places, [str(width) for width in parts.index])
        axis.set(xlabel=f"width, with {depth} weights", ylabel="share of the random starts", title=f"Collapse: {told}")
        figure.legend(loc="outside right center", fontsize=9)
        return picture(figure, f"Ranks of the logits at the end of descent, by width. Starts that collapse: {told}.")


def losses_by_depth(results: Results) -> Picture:
    """The losses of three structures by depth as lines, over that of collapse, and the descents as dots."""
    table = by_depth(results)
    depths = np.arange(1, int(table["depth"].max()) + 3)
    classes, decay = int(table["classes"].iloc[0]), float((table["decay"] * table["depth"] ** 1.5).iloc[0])
    losses = pd.DataFrame(
        {
            name: [cross_entropy_ufm_loss(name, classes=classes, depth=int(d), decay=decay / d**1.5) for d in depths]
            for name in STRUCTURES
        },
        index=depths,
    )
    best = losses.idxmin(axis=1)
    told = "; ".join(
        f"{name} at L = {', '.join(map(str, best.index[best == name]))}" for name in STRUCTURES if (best == name).any()
    )
    with canvas.canvas(1, 1, 3.4) as (figure, [[axis]]):
        for name, colour in LINES.items():
            axis.plot(losses[name] / losses["collapse"], color=colour, linewidth=2)
        for depth, own in table.groupby("depth"):
            shifts = canvas.spread(len(own), 0.15)
            axis.plot(depth + shifts, (own["end"] / own["collapse"]).sort_values(), **dot(markersize=4, alpha=0.7))
        axis.set(xlabel="number of weights L", ylabel="loss over that of collapse", ylim=(0.5, 1.7))
        axis.set_title(f"Best: {told}", fontsize=10)
        styles = {name: {"color": colour, "linewidth": 2} for name, colour in LINES.items()}
        canvas.legend(figure, styles | {"descent": dot(color=NEUTRAL, markersize=4)})
        return picture(
            figure, f"Losses of three structures by the number of weights, over that of collapse. Best: {told}."
        )


def losses_by_decay(results: Results) -> Slider:
    """The losses of three structures by decay over that of collapse, for each number of weights on a slider."""
    table = by_depth(results)
    depths = sorted(set(table["depth"]))
    pictures = {f"{depth}": _losses(int(table["classes"].iloc[0]), int(depth), table) for depth in depths}
    return Slider("weights L", pictures, first=min(1, len(pictures) - 1))


def _losses(classes: int, depth: int, table: pd.DataFrame) -> Picture:
    """One picture of `losses_by_decay`, with the descents that have this number of weights."""
    own = table[table["depth"] == depth]
    decays = np.geomspace(1e-5, table["decay"].max(), 12)
    losses = pd.DataFrame(
        {name: [cross_entropy_ufm_loss(name, classes=classes, depth=depth, decay=d) for d in decays] for name in LINES}
    )
    small, large = losses.iloc[0].idxmin(), losses.iloc[-1].idxmin()
    best = small if small == large else f"{small} at small decays, {large} at large ones"
    with canvas.canvas(1, 1, 2.8) as (figure, [[axis]]):
        for name, colour in LINES.items():
            axis.plot(decays, losses[name] / losses["collapse"], color=colour, linewidth=2, label=name)
        axis.plot(own["decay"], own["end"] / own["collapse"], **dot(markersize=4, alpha=0.7), label="descent")
        axis.set(xscale="log", xlabel="decay", ylabel="loss over that of collapse", ylim=(0.3, 1.7))
        axis.set_title(f"L = {depth}. Best: {best}", fontsize=10)
        axis.legend(fontsize=8, loc="upper left", ncols=4)
        return picture(figure, f"Losses of three structures by decay with {depth} weights. Best: {best}.")
