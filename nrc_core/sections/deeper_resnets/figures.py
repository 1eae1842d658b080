"""The figures of the section on deeper residual networks: collapse, objective and its parts by depth."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nrc_core.results.phrases import counted
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
    log_axis,
    number,
    picture,
)
from nrc_core.sections.deeper_resnets.tables import (
    LESS,
    MEASURES,
    ONE,
    TRANSFORMER,
    TWO,
    networks,
    shortest,
    slopes,
)
from nrc_core.sections.slider import Slider

CASE_COLOURS = {ONE: COLLAPSE, TWO: NETWORK, LESS: COLOURS["nrc2"], TRANSFORMER: COLOURS["nrc1"]}
# The parts of an objective, with the opacity of their bars.
PARTS = {
    "cross_entropy": ("cross entropy", 1.0),
    "head_decay": ("decay of the head", 0.6),
    "block_decay": ("decay of the blocks", 0.3),
}


def collapse_by_depth(results: Results) -> Picture:
    """NC1, NC2 and NC3 by depth for each case: networks as dots, means as lines."""
    table = shortest(results)
    shown = ("variance_ratio", "nc2_angles", "nc3")
    fitted = slopes(results)
    with canvas(1, len(shown), 3.6) as (figure, [axes]):
        for axis, quantity in zip(axes, shown, strict=True):
            _draw(axis, table, quantity)
            name = MEASURES[quantity]
            axis.set_title(f"{name}\none map: power {number(fitted.loc[ONE, name])}")
        log_axis(*axes)
        _case_legend(figure, table)
        told = "; ".join(f"{case} {number(value)}" for case, value in fitted[MEASURES["variance_ratio"]].items())
        return picture(
            figure,
            f"NC1, NC2 and NC3 by the number of blocks. Slopes of NC1 in logarithms, from two blocks on: {told}.",
        )


def gap_by_depth(results: Results) -> Picture:
    """The objective with the minimum of the features model, their difference, and the decay of the blocks, by depth."""
    table = shortest(results)
    with canvas(1, 3, 3.6) as (figure, [axes]):
        for axis, quantity, title in zip(
            axes,
            ("loss", "excess", "block_decay"),
            ("objective, and its lower bound", "objective minus bound", "part paid for the blocks"),
            strict=True,
        ):
            _draw(axis, table, quantity)
            axis.set_title(title)
        for case, colour in CASE_COLOURS.items():
            if case not in (ONE, LESS):
                continue  # the others have the bound of the first case
            floor = table[table["case"] == case].groupby("depth")["floor"].first()
            axes[0].plot(floor.index, floor, color=colour, linestyle=":", linewidth=2)
        axes[0].set_ylim(bottom=0)
        log_axis(axes[1])
        axes[2].set_ylim(bottom=0)
        _case_legend(figure, table, **{"lower bound": {"color": NEUTRAL, "linestyle": ":", "linewidth": 2}})
        deepest = table[table["case"] == ONE].groupby("depth")[["loss", "floor"]].mean().iloc[-1]
        least = networks(results)["excess"].min()
        return picture(
            figure,
            f"Objective, its difference from the features model, and the decay of the blocks, by the number of blocks. "
            f"With one map the deepest have {deepest['loss']:.3g}, and their lower bound is {deepest['floor']:.3g}. Of "
            f"all networks the closest is {least:.2g} above its bound.",
        )


def longer_training(results: Results) -> Picture:
    """NC1 and NC3 by depth of the networks that were trained for longer (hollow), beside the others (full)."""
    table = networks(results)
    few, many = table["iterations"].min(), table["iterations"].max()
    mean = table.groupby(["iterations", "case", "depth"], sort=False)[["variance_ratio", "nc3"]].mean()
    drawn = {many: {"marker": "s", "linestyle": "--", "markerfacecolor": "none"}, few: {"marker": "o"}}
    with canvas(1, 2, 3.4) as (figure, [axes]):
        for axis, quantity in zip(axes, ("variance_ratio", "nc3"), strict=True):
            for (steps, case), own in mean[quantity].groupby(["iterations", "case"]):
                axis.plot(own.index.get_level_values("depth"), own, color=CASE_COLOURS[case], **drawn[steps])
            _depths(axis, table)
            axis.set_title(f"{MEASURES[quantity]}\nfull: {few}, hollow: {many} iterations")
        log_axis(*axes)
        _case_legend(figure, table)
        told = "No network was trained for longer."
        if many > few:
            ends = mean.loc[many].groupby("case", sort=False).tail(1).itertuples()
            told = "; ".join(f"{one.Index[0]} {one.variance_ratio:.2g} and {one.nc3:.2g}" for one in ends)
            told = f"With {many}, in the deepest: {told}."
        return picture(figure, f"Mean NC1 and NC3 by the number of blocks, with {few} iterations. {told}")


def objective_by_depth(results: Results) -> Slider:
    """The parts of the objective beside those of the features model, for each depth on a slider."""
    table = shortest(results)
    reach = 1.15 * table["loss"].max()
    pictures = {str(depth): _parts(rows, int(depth), reach) for depth, rows in table.groupby("depth")}
    return Slider("blocks L", pictures, first=len(pictures) - 1)


def _parts(rows: pd.DataFrame, depth: int, reach: float) -> Picture:
    """One picture of `objective_by_depth`, with objectives up to `reach`."""
    mean = rows.groupby("case", sort=False)[[*PARTS, "loss", "floor", "floor_head", "paid"]].mean()
    with canvas(1, 1, 2.8) as (figure, [[axis]]):
        for place, (case, row) in enumerate(mean.iterrows()):
            head = row["paid"] / 2 * row["floor_head"] ** 2
            ideal = {"cross_entropy": row["floor"] - head, "head_decay": head, "block_decay": 0.0}
            for shift, values in ((-0.2, row), (0.2, ideal)):
                left = 0.0
                for name, (_, opacity) in PARTS.items():
                    colour = CASE_COLOURS[str(case)] if shift < 0 else NEUTRAL
                    axis.barh(place + shift, values[name], 0.34, left=left, color=colour, alpha=opacity)
                    left += values[name]
                axis.annotate(f"{left:.3g}", (left, place + shift), (4, 0), textcoords="offset points", va="center",
                              fontsize=9, color=NEUTRAL)  # fmt: skip
        axis.set_yticks(range(len(mean)), [str(case) for case in mean.index])
        axis.invert_yaxis()
        axis.grid(axis="y", visible=False)
        axis.set(xlabel="objective", xlim=(0, reach), title=f"L = {depth}: networks in colour, features model in grey")
        legend(figure, {name: {"color": NEUTRAL, "alpha": opacity, "linewidth": 7} for name, opacity in PARTS.values()})
        told = "; ".join(f"{case} {row['loss']:.3g} over {row['floor']:.3g}" for case, row in mean.iterrows())
        return picture(figure, f"With {counted(depth, 'block')}, objective and that of the features model: {told}.")


def _draw(axis: Axes, table: pd.DataFrame, quantity: str) -> None:
    """Networks of every case as dots, and their mean as a line."""
    for case, rows in table.groupby("case", sort=False):
        colour = CASE_COLOURS[str(case)]
        axis.plot(rows["depth"], rows[quantity], **dot(color=colour, markersize=3, alpha=0.6))
        axis.plot(rows.groupby("depth")[quantity].mean(), color=colour, linewidth=2)
    _depths(axis, table)


def _depths(axis: Axes, table: pd.DataFrame) -> None:
    depths = sorted(set(table["depth"]))
    axis.set_xscale("log")
    axis.set_xticks(depths, [str(depth) for depth in depths])
    axis.set_xticks([], minor=True)
    axis.set_xlabel("blocks L")


def _case_legend(figure: Figure, table: pd.DataFrame, **more: dict[str, Any]) -> None:
    present = set(table["case"])
    styles = {case: {"color": colour, "linewidth": 2} for case, colour in CASE_COLOURS.items() if case in present}
    legend(figure, styles | more)
