"""The figures of the section on collapse despite low-rank bias."""

import numpy as np

from nrc_core.results.results import Results
from nrc_core.sections.canvas import (
    COLLAPSE,
    COLOURS,
    NETWORK,
    NEUTRAL,
    Picture,
    canvas,
    dot,
    legend,
    picture,
    shades,
    spread,
)
from nrc_core.sections.collapse_persists.tables import by_depth, by_width, collapsed, shares
from nrc_core.theory.cross_entropy import STRUCTURES, cross_entropy_ufm_loss

LINES = dict(zip(STRUCTURES, (COLLAPSE, COLOURS["nrc1"], NETWORK), strict=True))


def ranks_by_width(results: Results) -> Picture:
    """The share of the random starts that ends at each rank, by width, as stacked bars."""
    counts = shares(results)
    parts = counts.div(counts.sum(axis=1), axis=0)
    full = int(by_width(results)["classes"].iloc[0]) - 1
    with canvas(1, 1, 3.2) as (figure, [[axis]]):
        places, below = np.arange(len(parts)), np.zeros(len(parts))
        for rank, colour in shades(parts.columns, 0.25, 0.8).items():
            name = f"rank {rank}" + (" (collapse)" if rank == full else "")
            axis.bar(places, parts[rank], bottom=below, color=colour, label=name, width=0.6)
            below += parts[rank].to_numpy()
        axis.set_xticks(places, [f"{width}" for width in parts.index])
        table = by_width(results)
        found = collapsed(table).groupby(table["width"]).mean()
        axis.set(xlabel="width", ylabel="share of the random starts")
        axis.set_title(f"Collapse: {', '.join(f'{share:.0%} at {width}' for width, share in found.items())}")
        figure.legend(loc="outside right center", fontsize=9)
        return picture(
            figure,
            "Ranks of the logits at the end of descent, by width. Collapse is reached from "
            + ", ".join(f"{share:.0%} of the starts at width {width}" for width, share in found.items())
            + ".",
        )


def losses_by_depth(results: Results) -> Picture:
    """The losses of three structures by depth as lines, over that of collapse, and the descents as dots."""
    table = by_depth(results)
    depths = np.arange(1, int(table["depth"].max()) + 3)
    classes, rate = int(table["classes"].iloc[0]), float((table["decay"] * table["depth"] ** 1.5).iloc[0])
    losses = {
        name: np.array(
            [cross_entropy_ufm_loss(name, classes=classes, depth=int(d), decay=rate / d**1.5) for d in depths]
        )
        for name in STRUCTURES
    }
    with canvas(1, 1, 3.4) as (figure, [[axis]]):
        for name, colour in LINES.items():
            axis.plot(depths, losses[name] / losses["collapse"], color=colour, linewidth=2)
        for depth, own in table.groupby("depth"):
            axis.plot(depth + spread(len(own), 0.12), own["loss"] / own["collapse"], **dot(markersize=4, alpha=0.7))
        lowest = {name: [int(d) for d, *values in zip(depths, *losses.values(), strict=True)
                         if np.argmin(values) == place] for place, name in enumerate(STRUCTURES)}  # fmt: skip
        axis.set(xlabel="number of weights L", ylabel="loss over that of collapse", ylim=(0.5, 1.7))
        told = "; ".join(f"{name} at L = {', '.join(map(str, where))}" for name, where in lowest.items() if where)
        axis.set_title(f"Best: {told}", fontsize=10)
        styles = {name: {"color": colour, "linewidth": 2} for name, colour in LINES.items()}
        legend(figure, styles | {"descent": dot(color=NEUTRAL, markersize=4)})
        return picture(
            figure, f"Losses of three structures by the number of weights, over that of collapse. Best: {told}."
        )
