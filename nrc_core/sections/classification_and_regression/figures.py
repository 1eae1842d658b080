"""The figures that compare the two papers: classification beside regression, and regression on test data."""

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
    with canvas.canvas(2, 2, 5.6) as (figure, axes):
        told = []
        for axis, (name, (first, second, label)) in zip(axes.flat, PAIRS.items(), strict=True):
            last = []
            kinds = ((first, "classification", NEUTRAL, "s"), (second, "regression", COLOURS[second], "o"))
            for column, kind, colour, marker in kinds:
                dots: dict[str, Any] = {"marker": marker, "markersize": 5, "label": kind}
                # No floor: a cosine may be negative.
                mean = canvas.networks_and_mean(axis, table, column, colour, floor=-math.inf, **dots)
                last.append(number(mean.iloc[-1]))
            axis.set(xlabel="site (weight layer)", ylabel=label, title=name)
            axis.set_xticks(sorted(table["site"].unique()))
            axis.legend(fontsize=8.5)
            told.append(f"{name} at the last site {' and '.join(last)}")
        return picture(figure, f"Conditions of classification and regression by site. {'; '.join(told)}.")


def train_beside_test(results: Results) -> Picture:
    """NRC1 to NRC4 by site on training and on test data: one column for each condition, one row for each data set."""
    tables = {split: results.label(weight_sites(results.final(split)), "dataset") for split in SPLITS}
    names = list(dict.fromkeys(tables["train"]["dataset"]))
    with canvas.canvas(len(names), 4, 0.7 + 2.1 * len(names)) as (figure, axes):
        told = []
        for row, dataset in zip(axes, names, strict=True):
            here = {split: table[table["dataset"] == dataset] for split, table in tables.items()}
            for axis, condition in zip(row, CONDITIONS, strict=True):
                for split, line in SPLITS.items():
                    canvas.networks_and_mean(axis, here[split], condition, COLOURS[condition], line=line, thin=0.6)
            canvas.log_axis(row[0], row[3])  # NRC1 and NRC4
            row[0].set_ylabel(dataset)
            last = [rows[rows["site"] == rows["site"].max()][list(CONDITIONS)].mean() for rows in here.values()]
            told.append(f"{dataset}: " + ", ".join(
                f"{c.upper()} {number(last[0][c])} in training and {number(last[1][c])} on test data"
                for c in CONDITIONS
            ))  # fmt: skip
        for top, bottom, condition in zip(axes[0], axes[-1], CONDITIONS, strict=True):
            top.set_title(condition.upper())
            bottom.set_xlabel("site")
        canvas.legend(figure, {split: {"color": NEUTRAL, "linestyle": line} for split, line in SPLITS.items()})
        return picture(
            figure, f"The four conditions by site on training and test data; at the last site, {'; '.join(told)}."
        )
