"""The figures of collapse on training and on test data: variances and margins over training."""

from __future__ import annotations

from itertools import product
from typing import Any

import pandas as pd

from nrc_core.config.classification import MARGIN_QUANTILES
from nrc_core.results.results import Results
from nrc_core.sections import canvas
from nrc_core.sections.canvas import COLOURS, FLOOR, NETWORK, NEUTRAL, Picture, number, picture
from nrc_core.sections.class_report import architecture_name
from nrc_core.sections.collapse import final_variances, last_hidden

TRAIN: dict[str, Any] = {"color": COLOURS["nrc1"], "linestyle": "-"}
STRONG: dict[str, Any] = {"color": NETWORK, "linestyle": "-"}
WEAK: dict[str, Any] = {"color": NETWORK, "linestyle": ":"}
# Column of `last_hidden`, split, style and name of the three variances.
VARIANCES = (
    ("variance", "train", TRAIN, "training"),
    ("variance", "test", STRONG, "test, strong"),
    ("weak_variance", "test", WEAK, "test, weak"),
)


def train_and_test_variances(results: Results) -> Picture:
    """TrainVariance and both test variances over training.

    There is one row for each architecture and one column for each weight decay.
    """
    tables = {split: last_hidden(results, split) for split in ("train", "test")}
    names = [tables["train"][name].drop_duplicates().tolist() for name in ("architecture", "weight_decay")]
    ends = final_variances(results)
    with canvas.canvas(len(names[0]), len(names[1]), size=(8.2, 0.7 + 2.5 * len(names[0]))) as (figure, axes):
        for axis, (architecture, weight_decay) in zip(axes.flat, product(*names), strict=True):
            for column, split, style, _ in VARIANCES:
                here = _of(tables[split], architecture, weight_decay)
                for _, run in here.groupby("key", sort=False):
                    axis.plot(run["iteration"], run[column].clip(lower=FLOOR), **style, linewidth=1.4, alpha=0.9)
            canvas.time_axis(axis, "iteration")
            canvas.log_axis(axis)
            axis.set_ylabel("variance" if weight_decay == names[1][0] else "")
            gap = _gap(_of(ends, architecture, weight_decay))
            axis.set_title(f"{architecture_name(architecture)}, weight decay {weight_decay:g}: {gap}")
        canvas.legend(figure, [canvas.entry(name, **style, linewidth=1.6) for _, _, style, name in VARIANCES])
        return picture(figure, f"Variances by iteration. {_told(ends)}")


def margins_over_training(results: Results) -> Picture:
    """Quantiles of the normalised margins of training and test samples over training, one panel for each split."""
    levels = [f"{100 * level:.0f}" for level in MARGIN_QUANTILES]
    with canvas.canvas(1, 2, size=(8.2, 3.3)) as (figure, axes):
        told = []
        for axis, split in zip(axes.flat, ("train", "test"), strict=True):
            table = last_hidden(results, split)
            table = table[table["key"] == table["key"].iloc[0]]
            columns = [f"normalised_margin_{level}" for level in levels]
            colour = (TRAIN if split == "train" else STRONG)["color"]
            axis.fill_between(table["iteration"], table[columns[0]], table[columns[-1]], color=colour, alpha=0.15, lw=0)
            axis.fill_between(table["iteration"], table[columns[1]], table[columns[-2]], color=colour, alpha=0.25, lw=0)
            axis.plot(table["iteration"], table[columns[2]], color=colour, linewidth=2)
            axis.axhline(0, color=NEUTRAL, linewidth=0.8)
            end = table.iloc[-1]
            canvas.time_axis(axis, "iteration")
            axis.set_ylabel("normalised margin" if split == "train" else "")
            name = "training" if split == "train" else "test"
            axis.set_title(f"{name.capitalize()}: least {number(end[columns[0]])}, median {number(end[columns[2]])}")
            told.append(
                f"{name}: " + ", ".join(f"{level} % {number(end[c])}" for level, c in zip(levels, columns, strict=True))
            )
        return picture(figure, f"Quantiles of normalised margins over training; at its end, {'; '.join(told)}.")


def _of(table: pd.DataFrame, architecture: str, weight_decay: float) -> pd.DataFrame:
    return table[(table["architecture"] == architecture) & (table["weight_decay"] == weight_decay)]


def _gap(ends: pd.DataFrame) -> str:
    ratio = ends["strong"] / ends["train"]
    low, high = number(ratio.min()), number(ratio.max())
    return f"test / training {low if low == high else f'{low} to {high}'}"


def _told(ends: pd.DataFrame) -> str:
    return "; ".join(
        f"{architecture_name(row.architecture)}, weight decay {row.weight_decay:g}, seed {row.seed}: "
        f"training {number(row.train)}, strong test {number(row.strong)}, weak test {number(row.weak)}"
        for row in ends.itertuples()
    ) + "."  # fmt: skip
