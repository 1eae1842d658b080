"""Functions that all figures share: pictures with a text, the style, axes, legends, and curves by site.

A `Picture` is a vector graphic with an alternative text for readers who cannot see it. Backgrounds are transparent
and text is mid-grey, so that the same file can be used on light and on dark pages.
"""

import base64
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from nrc_core.results.criteria import is_inner
from nrc_core.results.phrases import span

NEUTRAL = "#7a7a7a"
# One colour for each condition, the same on every page, from the colour-blind-safe palette of Wong (2011).
COLOURS = {"nrc1": "#0072b2", "nrc2": "#e69f00", "nrc3": "#cc79a7", "nrc4": "#56b4e9"}
COLLAPSE, NETWORK = "#009e73", "#d55e00"
VERDICTS = {"deep": (COLLAPSE, "o"), "last": (COLOURS["nrc2"], "^"), "no": (NETWORK, "X")}
PIXELS_PER_INCH = 120  # resolution of the PNG, for slides
FLOOR = 1e-16  # precision of float64 arithmetic: smaller values are drawn at this value
THRESHOLD: dict[str, Any] = {"color": NEUTRAL, "linestyle": ":"}
AXIS = {"nrc1": "noise", "nrc2": "projected CKA", "nrc3": "mean cosine", "nrc4": "mean squared error"}
STYLE = Path(__file__).with_name("canvas.mplstyle")


@dataclass(frozen=True)
class Picture:
    """A drawn figure as SVG and PNG, with its message as alternative text."""

    svg: str = field(repr=False)
    png: bytes = field(repr=False)
    alt: str

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        content = {"image/svg+xml": self.svg, "image/png": base64.b64encode(self.png).decode()}
        return content, {"image/svg+xml": {"alt": self.alt}}


@contextmanager
def canvas(rows: int, columns: int, height: float, width: float | None = None) -> Iterator[tuple[Figure, Any]]:
    """Make a figure and its grid of axes in the common style; the figure is closed at the end of the block.

    Args:
        height: in inches.
        width: in inches; unless given, close to the width of a page's text.
    """
    size = width or (8.2 if columns > 1 else 7.6), height
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
        try:
            yield figure, axes
        finally:
            plt.close(figure)


@contextmanager
def panels(
    names: Iterable[Any], height: float, columns: int | None = None, extra: float = 0.0
) -> Iterator[tuple[Figure, list[tuple[Axes, Any]]]]:
    """Make a figure with one panel for each different name; give the figure and pairs of an axis and its name.

    Args:
        height: of each row of panels, in inches.
        columns: number of panels in a row; all panels are in one row unless given.
        extra: height of the figure beyond its rows, in inches.
    """
    different = list(dict.fromkeys(names))
    columns = min(columns or len(different), len(different))
    rows = math.ceil(len(different) / columns)
    with canvas(rows, columns, extra + height * rows) as (figure, axes):
        for unused in axes.flat[len(different) :]:
            unused.set_axis_off()
        yield figure, list(zip(axes.flat, different, strict=False))


def picture(figure: Figure, alt: str) -> Picture:
    """Save the figure as a `Picture`; the same drawing gives the same bytes."""
    vectors, pixels = io.StringIO(), io.BytesIO()
    figure.savefig(vectors, format="svg", metadata={"Date": None})
    figure.savefig(pixels, format="png", metadata={"Software": None}, dpi=PIXELS_PER_INCH)
    return Picture(vectors.getvalue(), pixels.getvalue(), alt)


def number(value: float) -> str:
    """The value with two digits; "undefined" if it is NaN, for example for features that vanish."""
    return "undefined" if math.isnan(value) else f"{value:.2g}"


def from_site(firsts: pd.Series, noun: str = "") -> str:
    """Words for the sites from which on a condition holds, one for each network; empty if all of them are missing.

    Example:
        >>> from_site(pd.Series([3, 5, None], dtype="Int64")), from_site(pd.Series([3]), " networks")
        ('from site 3-5 on (2 of 3)', 'from site 3 on')
    """
    held = firsts.dropna()
    if held.empty:
        return ""
    among = "" if len(held) == len(firsts) else f" ({len(held)} of {len(firsts)}{noun})"
    return f"from site {span(held, str, '-')} on{among}"


def log_axis(*axes: Axes) -> None:
    """Make y axes logarithmic with plain numbers, except axes whose data reach 0 or span less than 5 times."""
    for axis in axes:
        low, high = axis.dataLim.intervaly
        if low <= 0 or high / low < 5:
            continue
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(numticks=8) if high / low > 1e3 else LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())


def unit_axis(*axes: Axes) -> None:
    """Set y axes for values between 0 and 1, with a line at 1."""
    for axis in axes:
        axis.axhline(1, color=NEUTRAL, linewidth=0.8)
        axis.set_ylim(-0.03, 1.05)


def time_axis(axis: Axes, name: str) -> None:
    """Set a logarithmic x axis of epochs or iterations, with plain numbers."""
    axis.set(xscale="log", xlabel=name)
    axis.xaxis.set_major_formatter("{x:g}")


def row_axis(axis: Axes, names: Sequence[str], margin: float = 0.5) -> None:
    """Set a y axis with one row for each name, the first name at the top."""
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 1 + margin, -margin)
    axis.grid(axis="y", visible=False)


def spread(count: int, reach: float) -> np.ndarray:
    """Vertical shifts from `-reach` to `reach` that keep several networks of one row apart."""
    return np.linspace(-reach, reach, count) if count > 1 else np.zeros(1)


def marked_line(
    axis: Axes, place: float | int, text: str, shift: tuple[int, int], colour: str, **line_style: Any
) -> None:
    """Draw a vertical line with a text at its foot; the text is moved by a shift in points."""
    axis.axvline(place, color=colour, **line_style)
    axis.annotate(text, (place, 0), shift, ("data", "axes fraction"), textcoords="offset points", color=colour)


def shades(values: Iterable[Any], first: float, last: float) -> dict[Any, Any]:
    """A colour for each value, in rising order, between two places of a colour scale; visible on white and on black."""
    ordered = sorted(set(values))
    return dict(zip(ordered, plt.get_cmap("viridis")(np.linspace(first, last, len(ordered))), strict=True))


def dot(shape: str = "o", **style: Any) -> dict[str, Any]:
    """Style of a marker without a line, for a legend."""
    return {"marker": shape, "linestyle": "", "color": NEUTRAL} | style


def legend(
    figure: Figure, styles: Mapping[str, Mapping[str, Any]], above: bool = True, columns: int | None = None
) -> None:
    """Draw one legend for all panels, above or below them, in one row unless a number of columns is given.

    Args:
        styles: style of each entry, by its text.
    """
    entries = [Line2D([], [], label=label, **style) for label, style in styles.items()]
    loc: Any = f"outside {'upper' if above else 'lower'} center"
    figure.legend(handles=entries, loc=loc, ncols=columns or len(entries), fontsize=9)


def networks_and_mean(
    axis: Axes,
    table: pd.DataFrame,
    column: str,
    colour: str,
    *,
    by: str = "site",
    line: str = "-",
    thin: float = 0.8,
    floor: float = FLOOR,
    **mean_style: Any,
) -> pd.Series:
    """Draw each network as a thin line and the mean of the networks as a thick line; return the mean."""
    for _, network in table.groupby("key", sort=False):
        axis.plot(network[by], network[column].clip(lower=floor), line, color=colour, linewidth=thin, alpha=0.5)
    mean = table.groupby(by)[column].mean().clip(lower=floor)
    axis.plot(mean.index, mean, color=colour, linewidth=2, **{"linestyle": line} | mean_style)
    return mean


def mean_and_range(axis: Axes, table: pd.DataFrame, column: str, shade: float, **mean_style: Any) -> None:
    """Draw the mean of the networks by site, and a band from their smallest to their largest value.

    Args:
        shade: opacity of the band.
        mean_style: style of the mean; the band has its `color` too.
    """
    sites = table.groupby("site")[column].agg(["mean", "min", "max"]).clip(lower=FLOOR)
    axis.fill_between(sites.index, sites["min"], sites["max"], color=mean_style["color"], alpha=shade, linewidth=0)
    axis.plot(sites.index, sites["mean"], **mean_style)


def by_site(axis: Axes, table: pd.DataFrame, column: str, colour: str, **style: Any) -> None:
    """Draw the networks and their mean by site; hollow squares are sites inside residual blocks.

    Args:
        style: options of `networks_and_mean`.
    """
    mean = networks_and_mean(axis, table, column, colour, **style)
    inner = is_inner(table.groupby("site")["name"].first())
    for chosen, marker, face in ((mean[~inner], "o", colour), (mean[inner], "s", "none")):
        axis.plot(chosen.index, chosen, marker, color=colour, markerfacecolor=face, markersize=4)
    site_ticks(axis, mean.index)


def site_ticks(axis: Axes, sites: pd.Index, shift: float = 0.0) -> None:
    """Mark every site on the x axis, or every second, third, ... site if there are many."""
    shown = sites[:: math.ceil(len(sites) / 12)]
    axis.set_xticks(shown + shift, [str(site) for site in shown])
