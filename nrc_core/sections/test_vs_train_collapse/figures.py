"""The figures of collapse on training and on test data: variances and margins over training."""

from itertools import product
from typing import Any

import pandas as pd

from nrc_core.config.classification import MARGIN_QUANTILES
from nrc_core.results.phrases import span
from nrc_core.results.results import Results
from nrc_core.sections import canvas
from nrc_core.sections.canvas import COLOURS, FLOOR, NETWORK, NEUTRAL, Picture, number, picture
from nrc_core.sections.class_report import architecture_name
from nrc_core.sections.collapse import final_variances, last_hidden

# The variances: name, column of `last_hidden`, split and style.
VARIANCES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "training": ("variance", "train", {"color": COLOURS["nrc1"], "linestyle": "-"}),
    "training, means of the moment": ("variance_current", "train", {"color": COLOURS["nrc1"], "linestyle": "--"}),
    "test, strong": ("variance", "test", {"color": NETWORK, "linestyle": "-"}),
    "test, weak": ("weak_variance", "test", {"color": NETWORK, "linestyle": ":"}),
}
LIGHT_TO_DARK = (0.9, 0.3)  # from light green for the smallest batches to blue for the largest


def train_and_test_variances(results: Results) -> Picture:
    """TrainVariance and both test variances over training; TrainVariance also around the class means of the moment.

    There is one row for each architecture and one column for each weight decay.
    """
    tables = {split: last_hidden(results, split) for split in ("train", "test")}
    architectures, decays = (tables["train"][name].unique() for name in ("architecture", "weight_decay"))
    ends = final_variances(results)
    with canvas.canvas(len(architectures), len(decays), 0.7 + 2.5 * len(architectures), width=8.2) as (figure, axes):
        for axis, (architecture, weight_decay) in zip(axes.flat, product(architectures, decays), strict=True):
            for column, split, style in VARIANCES.values():
                here = _of(tables[split], architecture, weight_decay)
                for _, run in here.groupby("key", sort=False):
                    axis.plot(run["iteration"], run[column].clip(lower=FLOOR), **style, linewidth=1.4, alpha=0.9)
            canvas.time_axis(axis, "iteration")
            canvas.log_axis(axis)
            axis.set_ylabel("variance" if weight_decay == decays[0] else "")
            gap = _gap(_of(ends, architecture, weight_decay))
            axis.set_title(f"{architecture_name(architecture)}, weight decay {weight_decay:g}: {gap}")
        canvas.legend(figure, {name: style | {"linewidth": 1.6} for name, (_, _, style) in VARIANCES.items()})
        return picture(figure, f"Variances by iteration. {_told(ends)}")


def variances_by_batch_size(results: Results) -> Picture:
    """TrainVariance around the class means of the moment, over training, in one colour for each size of the batches."""
    table = results.label(last_hidden(results), "batch_size")
    colours = canvas.shades(table["batch_size"], *LIGHT_TO_DARK)
    with canvas.canvas(1, 1, 3.3) as (figure, axes):
        (axis,) = axes.flat
        for (_, size), run in table.groupby(["key", "batch_size"], sort=False):
            axis.plot(run["iteration"], run["variance_current"].clip(lower=FLOOR), color=colours[size], linewidth=1.4)
        canvas.time_axis(axis, "iteration")
        canvas.log_axis(axis)
        axis.set_ylabel("variance, means of the moment")
        canvas.legend(
            figure, {f"batches of {size:g}": {"color": colour, "linewidth": 2} for size, colour in colours.items()}
        )
        ends = table[table["iteration"] == table.groupby("key")["iteration"].transform("max")]
        told = "; ".join(
            f"batches of {size:g}: {span(own, number)}" for size, own in ends.groupby("batch_size")["variance_current"]
        )
        return picture(figure, f"Train variance by iteration and size of the batches; at the end, {told}.")


def margins_over_training(results: Results) -> Picture:
    """Quantiles of the normalised margins of training and test samples over training, one panel for each split."""
    columns = {f"{100 * level:.0f} %": f"normalised_margin_{100 * level:.0f}" for level in MARGIN_QUANTILES}
    lowest, low, middle, high, highest = columns.values()
    with canvas.canvas(1, 2, 3.3) as (figure, axes):
        told = []
        kinds = ("train", "training", COLOURS["nrc1"]), ("test", "test", NETWORK)
        for axis, (split, name, colour) in zip(axes.flat, kinds, strict=True):
            table = last_hidden(results, split)
            table = table[table["key"] == table["key"].iloc[0]]
            axis.fill_between(table["iteration"], table[lowest], table[highest], color=colour, alpha=0.15, lw=0)
            axis.fill_between(table["iteration"], table[low], table[high], color=colour, alpha=0.25, lw=0)
            axis.plot(table["iteration"], table[middle], color=colour, linewidth=2)
            axis.axhline(0, color=NEUTRAL, linewidth=0.8)
            end = table.iloc[-1]
            canvas.time_axis(axis, "iteration")
            axis.set_title(f"{name.capitalize()}: least {number(end[lowest])}, median {number(end[middle])}")
            told.append(f"{name}: " + ", ".join(f"{level} {number(end[c])}" for level, c in columns.items()))
        figure.axes[0].set_ylabel("normalised margin")
        return picture(figure, f"Quantiles of normalised margins over training; at its end, {'; '.join(told)}.")


def _of(table: pd.DataFrame, architecture: str, weight_decay: float) -> pd.DataFrame:
    return table[(table["architecture"] == architecture) & (table["weight_decay"] == weight_decay)]


def _gap(ends: pd.DataFrame) -> str:
    return f"test / training {span(ends['strong'] / ends['train'], number)}"


def _told(ends: pd.DataFrame) -> str:
    return "; ".join(
        f"{architecture_name(row.architecture)}, weight decay {row.weight_decay:g}, seed {row.seed}: "
        f"training {number(row.train)}, strong test {number(row.strong)}, weak test {number(row.weak)}"
        for row in ends.itertuples()
    ) + "."  # fmt: skip
