"""The figures of the section on ordinal targets: latent variables on the line, and the norm of w at the transition."""

import numpy as np
import pandas as pd

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
    panels,
    picture,
    shades,
)
from nrc_core.sections.ordinal_targets.tables import class_probabilities, descents, latent_path
from nrc_core.sections.slider import Slider

LINK_COLOURS = {"logit": COLOURS["nrc1"], "probit": COLLAPSE, "cloglog": NETWORK}
FEWEST, MOST = 1e-6, 1.3  # the range of c over C that is drawn


def latent_line(results: Results) -> Picture:
    """The latent variable of each class by c over C, with a panel for each link.

    Lines are the equations, dots descents, and dotted lines the thresholds.
    """
    ends, path = descents(results), latent_path(results)
    thresholds = results.runs["thresholds"].iloc[0]
    with panels(path["link"], 3.4, extra=0.5) as (figure, pairs):
        told = []
        for axis, link in pairs:
            curve, points = path[path["link"] == link], ends[ends["link"] == link]
            latent, found = np.array(curve["latent"].tolist()), np.array(points["latent"].tolist())
            for q, colour in shades(range(latent.shape[1]), 0.15, 0.85).items():
                axis.plot(latent[:, q], curve["share"], color=colour, linewidth=2)
                axis.plot(found[:, q], points["share"], **dot(color=colour, markersize=5))
            for threshold in thresholds:
                axis.axvline(threshold, color=NEUTRAL, linestyle=":", linewidth=1)
            limit = np.array(curve["limit"].iloc[0])
            middles = np.array(points["middles"].iloc[0])
            axis.plot(middles, np.full(len(middles), FEWEST), **dot("D", markersize=5), clip_on=False)
            off = np.abs(limit - middles).max()
            axis.set(
                yscale="log",
                ylim=(FEWEST, MOST),
                xlabel="latent variable z",
                title=f"{link}: off by {off:.2f}",
            )
            told.append(f"{link}: without decay, {off:.2g} from the middle of the class")
        pairs[0][0].set_ylabel("c / C")
        legend(figure, {"equation": {"color": NEUTRAL, "linewidth": 2}, "descent": dot(), "middle of a class": dot("D"),
                        "threshold": {"color": NEUTRAL, "linestyle": ":"}})  # fmt: skip
        return picture(
            figure,
            f"Latent variables of the classes from zero at c = C down to small c, in the order of the classes. "
            f"{'; '.join(told)}.",
        )


def norm_at_transition(results: Results) -> Picture:
    """The norm of w by c over C for each link: equations as lines, descents as dots."""
    ends, path = descents(results), latent_path(results)
    with canvas(1, 1, 3.4) as (figure, [[axis]]):
        for link, colour in LINK_COLOURS.items():
            curve, points = path[path["link"] == link], ends[ends["link"] == link]
            if curve.empty:
                continue
            axis.plot(curve["share"], curve["weight_norm"], color=colour, linewidth=2, label=link)
            axis.plot(points["share"], points["weight_norm"], **dot(color=colour, markersize=5))
        axis.axvline(1, color=NEUTRAL, linestyle=":", linewidth=1)
        axis.set(xlim=(0, MOST), xlabel="c / C", ylabel="norm of w")
        beyond = ends.loc[ends["share"] >= 1, "weight_norm"].max()
        axis.set_title(f"Beyond C, the norm of w is at most {beyond:.1g}")
        axis.legend()
        return picture(
            figure,
            f"The norm of w by c over C for each link. It falls to zero at C; beyond C the largest is {beyond:.1g}.",
        )


def latent_by_decay(results: Results) -> Slider:
    """The latent variables among the probabilities of the classes, for each c of the first link on a slider."""
    table, link = descents(results), results.runs["link"].iloc[0]
    probabilities = class_probabilities(results, link)
    pictures = {
        f"{share:.2g}": _latent(rows, probabilities) for share, rows in table[table["link"] == link].groupby("share")
    }
    return Slider("c / C", pictures)


def _latent(rows: pd.DataFrame, probabilities: pd.DataFrame) -> Picture:
    """One picture of `latent_by_decay`: the descents of one decay."""
    first = rows.iloc[0]
    z = probabilities.index.to_numpy()
    with canvas(1, 1, 2.8) as (figure, [[axis]]):
        for q, colour in shades(range(len(first["middles"])), 0.15, 0.85).items():
            axis.plot(z, probabilities[q], color=colour, linewidth=1.5)
            axis.axvline(first["latent_expected"][q], color=colour, linestyle="--", linewidth=1)
            found = np.array([latent[q] for latent in rows["latent"]])
            axis.plot(found, np.interp(found, z, probabilities[q]), **dot(color=colour, markersize=6))
        axis.plot(first["middles"], np.zeros(len(first["middles"])), **dot("D", markersize=5), clip_on=False)
        norm = first["norm_expected"]
        axis.set(xlabel="latent variable z", ylabel="probability of the class", ylim=(0, 1))
        axis.set_title(f"{first['link']}, c / C = {first['share']:.2g}: the norm of w is {norm:.2g}", fontsize=10)
        styles = {"equation": {"color": NEUTRAL, "linestyle": "--"}, "descent": dot(), "middle of a class": dot("D")}
        legend(figure, styles)
        places = ", ".join(f"{value:.2f}" for value in first["latent_expected"])
        return picture(figure, f"At c / C = {first['share']:.2g} the latent variables of the classes are at {places}.")
