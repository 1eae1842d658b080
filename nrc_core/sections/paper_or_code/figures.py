"""The same networks measured by each definition of the metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nrc_core.config.base import CONVENTIONS
from nrc_core.results.results import Results
from nrc_core.sections.canvas import FLOOR, NEUTRAL, Picture, canvas, log_axis, picture, unit_axis
from nrc_core.sections.paper_or_code.tables import MEASURES, differences, side_by_side

# Colours that no condition has, since the colour of a condition is the same on every page (Tol's muted palette).
LINES: dict[str, dict[str, Any]] = {
    "careful": {"color": NEUTRAL, "linestyle": "-", "marker": "o", "linewidth": 2.6, "markersize": 6},
    "printed": {"color": "#999933", "linestyle": "--", "marker": "s", "linewidth": 1.7, "markersize": 4},
    "released": {"color": "#aa4499", "linestyle": ":", "marker": "^", "linewidth": 1.7, "markersize": 5},
}
WORDS = {"careful": "careful (this project)", "printed": "printed (the paper's text)", "released": "released code"}


def conventions(results: Results) -> Picture:
    """NRC2, NRC4 per entry and the stable rank of the features by site.

    There is one line for each definition, with a band for the range over the networks.
    """
    table, apart = side_by_side(results), differences(results)
    with canvas(1, 3, size=(8.2, 3.5)) as (figure, axes):
        told = []
        for axis, (column, name) in zip(axes.flat, MEASURES.items(), strict=True):
            for convention in CONVENTIONS:
                _band(axis, table[table["convention"] == convention], column, convention)
            axis.set(xlabel="site (weight layer)", xticks=np.unique(table["site"]))
            short = name.removesuffix(" per entry").removesuffix(" of features")
            everywhere, collapsed = apart[column].max(), apart.loc[apart["collapsed"], column].max()
            where = f"up to {collapsed:.2g} where collapsed" if apart["collapsed"].any() else "no site is collapsed"
            axis.set_title(f"{short[0].upper()}{short[1:]}: up to {everywhere:.2g} apart,\n{where}")
            told.append(f"{name}: at most {everywhere:.3g} apart at any site, {where}")
        left, middle, right = axes.flat
        unit_axis(left)
        left.set_ylabel("CKA, projected or not")
        middle.set(ylabel="mean squared error per entry")
        right.set(ylabel="stable rank")
        log_axis(middle)
        log_axis(right)
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=9)
        return picture(figure, f"Three panels by site, a line a definition. {'; '.join(told)}.")


def _band(axis: Axes, table: pd.DataFrame, column: str, convention: str) -> None:
    style = LINES[convention]
    sites = table.groupby("site")[column].agg(["mean", "min", "max"]).clip(lower=FLOOR)
    axis.fill_between(sites.index, sites["min"], sites["max"], color=style["color"], alpha=0.2, linewidth=0)
    axis.plot(sites.index, sites["mean"], label=WORDS[convention], **style)
