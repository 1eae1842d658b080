"""What all figures share: a `Picture` with its message in words, the style, and the ways of drawing by site.

A `Picture` is vector graphics with a text for those who cannot see it. Backgrounds are transparent
and text is mid-grey, so that one file serves light and dark pages.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from nrc_core.results.criteria import is_inner

NEUTRAL = "#7a7a7a"
# One colour a condition on every page, from the colour-blind-safe palette of Wong (2011).
COLOURS = {"nrc1": "#0072b2", "nrc2": "#e69f00", "nrc3": "#cc79a7", "nrc4": "#56b4e9"}
COLLAPSE, NETWORK = "#009e73", "#d55e00"
VERDICTS = {"deep": (COLLAPSE, "o"), "last": (COLOURS["nrc2"], "^"), "no": (NETWORK, "X")}
PIXELS_PER_INCH = 120  # of the PNG, for slides
FLOOR = 1e-16  # of float64 arithmetic: nothing smaller is drawn
AXIS = {"nrc1": "noise", "nrc2": "projected CKA", "nrc3": "mean cosine", "nrc4": "mean squared error"}
STYLE: dict[Any, Any] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": NEUTRAL,
    "axes.labelcolor": NEUTRAL,
    "axes.edgecolor": NEUTRAL,
    "axes.titlecolor": NEUTRAL,
    "xtick.color": NEUTRAL,
    "ytick.color": NEUTRAL,
    "grid.color": NEUTRAL,
    "grid.alpha": 0.25,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "font.size": 10.5,
    "legend.frameon": False,
    "svg.hashsalt": "nrc",
}


@dataclass(frozen=True)
class Picture:
    """A drawn figure: SVG and PNG, and its message as alternative text."""

    svg: str = field(repr=False)
    png: bytes = field(repr=False)
    alt: str

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        content = {"image/svg+xml": self.svg, "image/png": base64.b64encode(self.png).decode()}
        return content, {"image/svg+xml": {"alt": self.alt}}


@contextmanager
def canvas(*shape: int, size: tuple[float, float]) -> Iterator[tuple[Figure, Any]]:
    """A figure and its grid of axes in the common style, closed at the end of the block."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(*shape, figsize=size, layout="constrained", squeeze=False)
        try:
            yield figure, axes
        finally:
            plt.close(figure)


def picture(figure: Figure, alt: str) -> Picture:
    """The figure as it stands; the same drawing gives the same bytes."""
    vectors, pixels = io.StringIO(), io.BytesIO()
    figure.savefig(vectors, format="svg", metadata={"Date": None})
    figure.savefig(pixels, format="png", metadata={"Software": None}, dpi=PIXELS_PER_INCH)
    return Picture(vectors.getvalue(), pixels.getvalue(), alt)


def number(value: float) -> str:
    """Two digits, in words where there is no number, as of features that vanish."""
    return "undefined" if math.isnan(value) else f"{value:.2g}"


def log_axis(axis: Axes) -> None:
    """A logarithmic y axis with plain numbers; what spans less than half a decade stays linear."""
    low, high = axis.dataLim.intervaly
    if low <= 0 or high / low < 5:
        return
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(numticks=8) if high / low > 1e3 else LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())


def by_site(
    axis: Axes, table: pd.DataFrame, column: str, colour: str, label: str | None = None, line: str = "-"
) -> None:
    """Seeds as thin lines, their mean as a thick one; hollow squares are sites inside residual blocks."""
    for _, run in table.groupby("key", sort=False):
        axis.plot(run["site"], run[column].clip(lower=FLOOR), line, color=colour, linewidth=0.8, alpha=0.5)
    mean = table.groupby("site")[column].mean().clip(lower=FLOOR)
    axis.plot(mean.index, mean, line, color=colour, linewidth=2, label=label)
    inner = is_inner(table.groupby("site")["name"].first())
    for chosen, marker, face in ((mean[~inner], "o", colour), (mean[inner], "s", "none")):
        axis.plot(chosen.index, chosen, marker, color=colour, markerfacecolor=face, markersize=4)
    site_ticks(axis, mean.index)


def site_ticks(axis: Axes, sites: pd.Index, shift: float = 0.0) -> None:
    """Every site on the x axis, or every second, third, ... where there are many."""
    shown = sites[:: math.ceil(len(sites) / 12)]
    axis.set_xticks(shown + shift, [str(site) for site in shown])
