"""The same networks measured by each definition of the metrics."""

from typing import Any

import numpy as np

from nrc_core.config.base import CONVENTIONS
from nrc_core.results.results import Results
from nrc_core.sections import canvas
from nrc_core.sections.canvas import NEUTRAL, Picture, picture
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
    with canvas.canvas(1, 3, 3.5) as (figure, [[left, middle, right]]):
        told = []
        for axis, (column, name) in zip((left, middle, right), MEASURES.items(), strict=True):
            for convention in CONVENTIONS:
                of_one = table[table["convention"] == convention]
                canvas.mean_and_range(axis, of_one, column, 0.2, label=WORDS[convention], **LINES[convention])
            axis.set(xlabel="site (weight layer)", xticks=np.unique(table["site"]))
            short = name.removesuffix(" per entry").removesuffix(" of features")
            everywhere, collapsed = apart[column].max(), apart.loc[apart["collapsed"], column].max()
            where = f"up to {collapsed:.2g} where collapsed" if apart["collapsed"].any() else "no site is collapsed"
            axis.set_title(f"{short[0].upper()}{short[1:]}: up to {everywhere:.2g} apart,\n{where}")
            told.append(f"{name}: at most {everywhere:.3g} apart at any site, {where}")
        canvas.unit_axis(left)
        left.set_ylabel("CKA, projected or not")
        middle.set_ylabel("mean squared error per entry")
        right.set_ylabel("stable rank")
        canvas.log_axis(middle, right)
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=9)
        return picture(figure, f"Three panels by site, a line a definition. {'; '.join(told)}.")
