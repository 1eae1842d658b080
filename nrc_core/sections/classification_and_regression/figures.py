"""The figures that compare the two papers: classification beside regression, and regression on test data."""

from __future__ import annotations

import math
from typing import Any

from nrc_core.results.criteria import CONDITIONS, weight_sites
from nrc_core.results.results import Results
from nrc_core.sections import canvas
from nrc_core.sections.canvas import COLOURS, NEUTRAL, Picture, number, picture

# Table 1 of the Deep NRC paper: condition, column for classification, column for regression, name of the axis.
PAIRS = {
    "NC1 and NRC1": ("nc1_share", "nrc1", "noise"),
    "NC2 and NRC2": ("nc2_cka", "nrc2", "CKA"),
    "NC3 and NRC3": ("nc3_cosine", "nrc3", "mean cosine"),
    "NC4 and NRC4": ("nc4_error", "nrc4", "error"),
}
SPLITS = {"train": "-", "test": "--"}


def classification_beside_regression(results: Results) -> Picture:
    """The four conditions of classification and of regression at every site of networks with one-hot targets."""
    table = weight_sites(results.final("train"))
    with canvas.canvas(2, 2, size=(8.2, 5.6)) as (figure, axes):
        told = []
        for axis, (name, (first, second, label)) in zip(axes.flat, PAIRS.items(), strict=True):
            kinds = ((first, "classification", NEUTRAL, "s"), (second, "regression", COLOURS[second], "o"))
            for column, kind, colour, marker in kinds:
                dots: dict[str, Any] = {"marker": marker, "markersize": 5, "label": kind}
                # No floor: a cosine may be negative.
                canvas.networks_and_mean(axis, table, column, colour, floor=-math.inf, **dots)
            axis.set(xlabel="site (weight layer)", ylabel=label, title=name)
            axis.set_xticks(sorted(table["site"].unique()))
            axis.legend(fontsize=8.5)
            last = table[table["site"] == table["site"].max()]
            told.append(f"{name} at the last site {number(last[first].mean())} and {number(last[second].mean())}")
        return picture(figure, f"Conditions of classification and regression by site. {'; '.join(told)}.")


def train_beside_test(results: Results) -> Picture:
    """NRC1 to NRC4 by site on training and on test data: one column for each condition, one row for each data set."""
    tables = {split: results.label(weight_sites(results.final(split)), "dataset") for split in ("train", "test")}
    names = list(dict.fromkeys(tables["train"]["dataset"]))
    with canvas.canvas(len(names), 4, size=(8.2, 0.7 + 2.1 * len(names))) as (figure, axes):
        told = []
        for row, dataset in enumerate(names):
            for axis, condition in zip(axes[row], CONDITIONS, strict=True):
                for split, line in SPLITS.items():
                    here = tables[split][tables[split]["dataset"] == dataset]
                    canvas.networks_and_mean(axis, here, condition, COLOURS[condition], line=line, thin=0.6)
                axis.set_title(condition.upper() if row == 0 else "")
                axis.set_xlabel("site" if row == len(names) - 1 else "")
                if condition in ("nrc1", "nrc4"):
                    canvas.log_axis(axis)
            axes[row][0].set_ylabel(dataset)
            ends = [tables[split][tables[split]["dataset"] == dataset] for split in ("train", "test")]
            last = [end[end["site"] == end["site"].max()][list(CONDITIONS)].mean() for end in ends]
            told.append(f"{dataset}: " + ", ".join(
                f"{c.upper()} {number(last[0][c])} in training and {number(last[1][c])} on test data"
                for c in CONDITIONS
            ))  # fmt: skip
        canvas.legend(figure, [canvas.entry(split, color=NEUTRAL, linestyle=line) for split, line in SPLITS.items()])
        return picture(
            figure, f"The four conditions by site on training and test data; at the last site, {'; '.join(told)}."
        )
