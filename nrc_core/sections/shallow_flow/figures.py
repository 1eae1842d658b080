"""The figures of the section on two-layer ReLU networks: neurons in a plane, geometry by time, directions by loss."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nrc_core.results.phrases import span
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.canvas import (
    COLLAPSE,
    COLOURS,
    NETWORK,
    NEUTRAL,
    THRESHOLD,
    Picture,
    canvas,
    dot,
    legend,
    panels,
    picture,
    shades,
)
from nrc_core.sections.shallow_flow.tables import (
    COLLAPSED,
    KINDS,
    REALISTIC,
    class_places,
    ends,
    first_at,
    flows,
    in_plane,
    power,
    turning_points,
)
from nrc_core.sections.slider import Slider

SMALL = "small start"
LINES = {SMALL: COLOURS["nrc1"], "large": NETWORK, "overlapping": COLLAPSE, "digits": COLOURS["nrc3"]}
SMALLEST = 1e-12  # smaller numbers are drawn here
LEARNT = 0.5  # flows are drawn by their loss from here on
FRAMES = 7  # the most pictures on a slider
DOUBLE = 308  # the smallest normal number in double precision is 1e-308


def geometry_by_time(results: Results) -> Picture:
    """The distance from rays, from orthogonality and from the last weight of the theory, by the number of steps."""
    table = flows(results)
    table["line"] = table["kind"].replace({"covered": SMALL, "random": SMALL})
    table["off_rays"] = 1 - table["within"]
    limits = thresholds()
    columns = {
        "off_rays": ("1 - cosine in a class", 1 - limits["ray_cosine_least"]),
        "between": ("cosine of two class means", limits["orthogonal_cosine_most"]),
        "duality": ("last weight off by", limits["duality_error_most"]),
    }
    small = table[table["line"] == SMALL]
    reached = first_at(small, COLLAPSED)["iteration"].median()
    with canvas(1, 3, 3.6) as (figure, [axes]):
        for axis, (column, (name, limit)) in zip(axes, columns.items(), strict=True):
            for line, rows in table.groupby("line", sort=False):
                for _, one in rows.groupby(["key", "seed"]):
                    axis.plot(one["iteration"] + 1, one[column].clip(lower=SMALLEST), color=LINES[line], linewidth=0.8,
                              alpha=0.6)  # fmt: skip
            axis.axhline(limit, **THRESHOLD)
            axis.axvline(reached, color=NEUTRAL, linewidth=0.8)
            axis.set(xscale="log", yscale="log", xlabel="steps + 1", title=name)
        names = {SMALL: SMALL} | {line: KINDS[line] for line in LINES if line in KINDS}
        shown = set(table["line"])
        styles = {names[line]: {"color": colour} for line, colour in LINES.items() if line in shown}
        legend(figure, styles | {"threshold": THRESHOLD, f"loss {COLLAPSED:g}": {"color": NEUTRAL, "linewidth": 0.8}})
        at = first_at(small, COLLAPSED)
        ended = ends(results)
        told = "; ".join(
            f"{KINDS[kind]}: {span(rows['duality'], '{:.2g}'.format)}"
            for kind, rows in ended.groupby("kind", sort=False)
        )
        return picture(
            figure,
            f"Three distances by steps. From small starts, at a loss of {COLLAPSED:g}, cosines in a class are within "
            f"{at['off_rays'].max():.1g} of 1, and those of two class means are at most {at['between'].max():.1g}. At "
            f"the end the last weight is off by: {told}.",
        )


def directions_by_loss(results: Results) -> Picture:
    """The distance of the neurons from the max-margin directions and from the class averages, by the loss."""
    table = flows(results)
    table = table[table["kind"].isin(["covered", "random", "digits"])]
    turns = turning_points(results).set_index(["key", "seed"])["digits_of_loss"]
    with panels(table["group"], 2.7, columns=2, extra=0.4) as (figure, pairs):
        told = []
        for axis, group in pairs:
            rows = table[table["group"] == group]
            for _, one in rows.groupby(["key", "seed"]):
                low = one[one["log_loss"] < math.log(LEARNT)]
                places = -low["log_loss"] / math.log(10)
                axis.plot(places, 1 - low["to_average"], color=NETWORK, linewidth=1, alpha=0.7)
                axis.plot(places, 1 - low["to_margin"], color=COLOURS["nrc1"], linewidth=1, alpha=0.7)
            axis.axvline(-math.log10(REALISTIC), **THRESHOLD)
            if rows["log_loss"].min() < -DOUBLE * math.log(10):
                axis.axvline(DOUBLE, color=NEUTRAL, linestyle="--", linewidth=1)
            own = turns[[pair in set(zip(rows["key"], rows["seed"], strict=True)) for pair in turns.index]]
            turned = "never" if own.eq(math.inf).all() else f"at {power(own.median())}"
            axis.set(xscale="log", yscale="log", ylim=(1e-5, 1), xlim=(0.2, 1000), xlabel="-log10 of the loss")
            axis.set_title(f"{group}: turn {turned}", fontsize=10)
            axis.set_ylabel("1 - cosine of the neurons")
            axis.xaxis.set_major_formatter("{x:g}")
            told.append(
                f"{group}: nearer to the max-margin direction from a loss of {power(own.median(), 'no loss')} on "
                "(median)"
            )
        legend(
            figure,
            {
                "with the class average": {"color": NETWORK},
                "with the max-margin direction": {"color": COLOURS["nrc1"]},
                f"loss {REALISTIC:g}": THRESHOLD,
                "smallest double": {"color": NEUTRAL, "linestyle": "--"},
            },
        )
        return picture(figure, f"One minus the cosine of neurons with two directions, by the loss. {'; '.join(told)}.")


def neurons_by_time(results: Results) -> Slider:
    """The neurons in a plane of the data, on synthetic classes and on digits, with the number of steps on a slider."""
    synthetic, digits = in_plane(results), in_plane(results, digits=True)
    common = sorted(set(synthetic["iteration"]) & set(digits["iteration"]))
    chosen = [common[place] for place in np.unique(np.linspace(0, len(common) - 1, FRAMES).astype(int))]
    pictures = {
        f"{step:.0f}": _neurons(
            results, synthetic[synthetic["iteration"] == step], digits[digits["iteration"] == step], int(step)
        )
        for step in chosen
    }
    return Slider("steps", pictures, first=len(pictures) // 2)


def _neurons(results: Results, synthetic: pd.DataFrame, digits: pd.DataFrame, step: int) -> Picture:
    """One picture of `neurons_by_time`."""
    with canvas(1, 2, 4.2) as (figure, [axes]):
        told = []
        for axis, rows, real in zip(axes, (synthetic, digits), (False, True), strict=True):
            _draw_neurons(axis, rows, class_places(results, real))
            loss = f"loss {_scientific(rows['log_loss'].iloc[0])}"
            name = "digits" if real else f"{rows['own'].nunique()} synthetic classes"
            axis.set_title(f"{name}, {loss}", fontsize=10)
            share = np.hypot(rows["first"], rows["second"]).median()
            told.append(f"{name}: {loss}, the median neuron has {share:.2f} of its length in the plane")
        styles = {"neuron": dot(), "class average": {"color": NEUTRAL}}
        legend(figure, styles | {"max-margin direction": {"color": NEUTRAL, "linestyle": ":"}})
        return picture(figure, f"Directions of the neurons after {step} steps. {'; '.join(told)}.")


def _draw_neurons(axis: Axes, rows: pd.DataFrame, places: pd.DataFrame) -> None:
    """Draw the directions of neurons in the plane, with lines to the averages and max-margin directions."""
    around = np.linspace(0, 2 * np.pi, 200)
    axis.plot(np.cos(around), np.sin(around), color=NEUTRAL, linewidth=0.8)
    for k, colour in shades(places.index, 0.15, 0.85).items():
        for kind, style in (("average", "-"), ("margin", ":")):
            end = places.loc[k, [f"{kind}_first", f"{kind}_second"]]
            axis.plot([0, end.iloc[0]], [0, end.iloc[1]], style, color=colour, linewidth=1.5)
        own = rows[rows["own"] == k]
        axis.plot(own["first"], own["second"], **dot(color=colour, markersize=5, alpha=0.8))
    axis.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
    axis.grid(visible=False)
    axis.set_axis_off()


def _scientific(log_loss: float) -> str:
    """A loss from its logarithm, which may be too small for a number."""
    digits = math.floor(log_loss / math.log(10))
    return f"{math.exp(log_loss):.2g}" if digits >= -4 else f"1e{digits + 1}"
