"""The figures of Proposition 1: the unpredicted share of the targets against the bound of the theory."""

import pandas as pd

from nrc_core.results.results import Results
from nrc_core.sections.canvas import COLLAPSE, COLOURS, FLOOR, NETWORK, NEUTRAL, Picture, canvas, picture
from nrc_core.sections.proposition_1.tables import site_bounds

CURVES = {
    "residual": ("features outside the targets' span", COLOURS["nrc1"], "-"),
    "printed_bound": ("bound as printed", NETWORK, "--"),
    "flat_bound": ("repaired bound", COLLAPSE, "-."),
}


def counter_example_curve(table: pd.DataFrame) -> Picture:
    """Residual, printed bound and repaired bound of the counter-example, by delta.

    Args:
        table: one row for each delta, with the columns of `Proposition1`.
    """
    broken = table.index[table["residual"] > table["printed_bound"] * (1 + 1e-9)]  # they are equal at delta = 1
    with canvas(1, 1, 3.6) as (figure, [[axis]]):
        for name, (label, colour, line) in CURVES.items():
            axis.plot(table.index, table[name], line, color=colour, linewidth=2, label=label)
        message = f"The printed bound fails for {len(broken)} of {len(table)} values of delta"
        axis.set(xlabel="delta, the strength of the second target", ylabel="share of the norm")
        axis.set_title(message)
        axis.legend()
        first = table.iloc[0]
        return picture(
            figure,
            f"Three curves by delta. {message}. At delta {table.index[0]:.3g} the residual is {first['residual']:.3f}, "
            f"the printed bound {first['printed_bound']:.3f}, the repaired one {first['flat_bound']:.3f}.",
        )


def proposition_bounds(results: Results) -> Picture:
    """Unpredicted share of the target variance against its bound, one point for each weight site of every network."""
    sites = site_bounds(results.final())
    broken = int((sites["nrc4_unexplained"] > sites["bound"]).sum())
    vacuous = int((sites["bound"] >= 1).sum())
    message = f"The repaired bound {f'fails at {broken} of' if broken else 'holds at all'} {len(sites)} sites"
    with canvas(1, 1, height=4.6, width=6.2) as (figure, [[axis]]):
        unexplained = sites["nrc4_unexplained"].clip(lower=FLOOR)
        points = axis.scatter(sites["bound"], unexplained, c=sites["site"], cmap="cividis", s=28, edgecolors=NEUTRAL)
        figure.colorbar(points, ax=axis, label="site (weight layer)")
        axis.axline((1, 1), (0.1, 0.1), color=NETWORK, linestyle="--", label="equal: above this line it fails")
        axis.axvline(1, color=NEUTRAL, linewidth=0.8, label="from here on it says nothing")
        axis.set(xscale="log", yscale="log", xlabel="bound from NRC2", ylabel="unpredicted target variance")
        axis.set_title(message)
        axis.legend(fontsize=9)
        ratio = (sites["nrc4_unexplained"] / sites["bound"]).median()
        return picture(
            figure,
            f"One point a site, unpredicted share of the target variance against its bound. {message}. At the median "
            f"site the share is {ratio:.2g} of the bound; at {vacuous} sites the bound is 1 or more and says nothing.",
        )
