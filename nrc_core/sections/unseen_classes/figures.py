"""The figures of the section on unseen classes: targets and sources by the number of source classes, and the bound."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

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
    networks_and_mean,
    picture,
)
from nrc_core.sections.slider import Slider
from nrc_core.sections.unseen_classes.tables import EQUAL_ROWS, EQUAL_TOTAL, means, networks, pairs

TARGET, SOURCE_TRAIN, SOURCE_TEST = NETWORK, COLOURS["nrc1"], COLOURS["nrc4"]
SECOND: dict[str, Any] = {"color": COLOURS["nrc2"], "linewidth": 2, "marker": "s", "markersize": 4}
BASELINES = {"untrained": ("untrained network", "--"), "inputs": ("pixels", ":")}


def targets_by_sources(results: Results) -> Picture:
    """V_f of unseen classes and few-shot accuracy by the number of source classes, with both baselines.

    Thin lines are seeds, thick lines means over them.
    """
    table, total = networks(results), means(results, EQUAL_TOTAL)
    with canvas(1, 2, 3.8) as (figure, [axes]):
        for axis, column, name in zip(
            axes, ("v_target", "few_shot"), ("V_f of unseen classes", "few-shot accuracy"), strict=True
        ):
            _seeds_and_mean(axis, table[table["comparison"] == EQUAL_ROWS], column, TARGET)
            axis.plot(total.index, total[column], **SECOND)
            for prefix, (_, line) in BASELINES.items():
                level = table.drop_duplicates("seed")[f"{prefix}_{column}"].mean()
                axis.axhline(level, color=NEUTRAL, linestyle=line, linewidth=1.5)
            _class_axis(axis, table["classes"])
            axis.set_ylabel(name)
        log_axis(axes[0])
        mean = means(results)
        axes[0].set_title(_ends("V_f", mean["v_target"], ".2g"), fontsize=10)
        axes[1].set_title(_ends("accuracy", mean["few_shot"], ".2f"), fontsize=10)
        styles: dict[str, dict[str, Any]] = {
            EQUAL_ROWS: {"color": TARGET, "linewidth": 2},
            **({} if total.empty else {EQUAL_TOTAL: SECOND}),
            **{words: {"color": NEUTRAL, "linestyle": line} for words, line in BASELINES.values()},
        }
        legend(figure, styles)
        told = "; ".join(
            f"{count} source classes: V_f {row['v_target']:.2g}, accuracy {row['few_shot']:.3f}"
            for count, row in mean.iterrows()
        )
        first = mean.iloc[0]
        return picture(
            figure,
            f"V_f of unseen classes and few-shot accuracy by the number of source classes. {told}. Without training: "
            f"V_f {first['untrained_v_target']:.2g} and accuracy {first['untrained_few_shot']:.3f} with an untrained "
            f"network, {first['inputs_v_target']:.2g} and {first['inputs_few_shot']:.3f} with the pixels.",
        )


def sources_and_targets(results: Results) -> Picture:
    """V_f of the source classes beside mean and median V_f of unseen classes, by the number of source classes."""
    table = networks(results)
    table = table[table["comparison"] == EQUAL_ROWS]
    styles = {
        "sources, training rows": ("v_train", SOURCE_TRAIN, "-"),
        "sources, test rows": ("v_test", SOURCE_TEST, "-"),
        "unseen, mean of pairs": ("v_target", TARGET, "-"),
        "unseen, median of pairs": ("v_target_median", COLLAPSE, "--"),
    }
    with canvas(1, 1, 3.8) as (figure, [[axis]]):
        for column, colour, line in styles.values():
            _seeds_and_mean(axis, table, column, colour, line)
        log_axis(axis)
        _class_axis(axis, table["classes"])
        axis.set_ylabel("V_f")
        mean = means(results)
        axis.set_title(_ends("V_f of the sources' training rows", mean["v_train"], ".2g"), fontsize=10)
        legend(figure, {name: {"color": c, "linestyle": line, "linewidth": 2} for name, (_, c, line) in styles.items()},
               columns=2)  # fmt: skip
        told = "; ".join(
            f"{name}: {mean[column].iloc[0]:.2g} to {mean[column].iloc[-1]:.2g}"
            for name, (column, _, _) in styles.items()
        )
        return picture(
            figure,
            f"V_f with {mean.index[0]} to {mean.index[-1]} source classes, equal rows per class. {told}.",
        )


def bound_by_sources(results: Results) -> Slider:
    """V_f of test rows over its bound for all pairs of source classes, for each number of them on a slider."""
    table = pairs(results)
    reach = table["test"].min(), table["bound"].max()
    return Slider("source classes", {str(count): _bound(rows, reach) for count, rows in table.groupby("classes")})


def _bound(rows: pd.DataFrame, reach: tuple[float, float]) -> Picture:
    """One picture of `bound_by_sources`, with axes that are the same in all of them."""
    ratio = rows["bound"] / rows["test"]
    held = int((rows["test"] <= rows["bound"]).sum())
    with canvas(1, 1, 3.4) as (figure, [[axis]]):
        axis.plot(rows["bound"], rows["test"], **dot(color=SOURCE_TRAIN, markersize=3, alpha=0.5))
        axis.plot(reach, reach, color=NEUTRAL, linestyle=":")
        axis.annotate("V_f = bound", (reach[0], reach[0]), (24, 40), textcoords="offset points", color=NEUTRAL)
        axis.set(xscale="log", yscale="log", xlim=reach, ylim=reach, xlabel="bound", ylabel="V_f of test rows")
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_formatter("{x:g}")
        title = f"{held:,} of {len(rows):,} pairs within the bound, median {ratio.median():.2g} times V_f"
        axis.set_title(title, fontsize=10)
        return picture(
            figure,
            f"V_f of test rows and its bound: {held} of {len(rows)} pairs are within it. The bound is "
            f"{ratio.min():.2g} to {ratio.max():.2g} times V_f, the median is {ratio.median():.2g} times.",
        )


def _seeds_and_mean(axis: Axes, table: pd.DataFrame, column: str, colour: str, line: str = "-") -> None:
    """Draw each seed as a thin line, and the mean of the seeds as a thick one."""
    seeds = table.assign(key=table["seed"]).sort_values("classes")
    networks_and_mean(axis, seeds, column, colour, by="classes", line=line, marker="o", markersize=4)


def _class_axis(axis: Axes, counts: pd.Series) -> None:
    ticks = np.unique(counts)
    axis.set_xticks(ticks, [str(count) for count in ticks])
    axis.set_xlabel("source classes")


def _ends(name: str, mean: pd.Series, digits: str) -> str:
    """The values with the fewest and with the most source classes, for a title."""
    return f"{name}: {mean.iloc[0]:{digits}} with {mean.index[0]}, {mean.iloc[-1]:{digits}} with {mean.index[-1]}"
