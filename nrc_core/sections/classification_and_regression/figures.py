"""The figures that join the two papers: classification beside regression, and regression on test data."""

from __future__ import annotations

from typing import Any

from matplotlib.lines import Line2D

from nrc_core.results.criteria import weight_sites
from nrc_core.results.results import Results
from nrc_core.sections.canvas import COLOURS, FLOOR, NEUTRAL, Picture, canvas, log_axis, number, picture

# Table 1 of the Deep NRC paper: condition, column for classification, column for regression, name of the axis.
PAIRS = {
    "NC1 and NRC1": ("nc1_share", "nrc1", "noise"),
    "NC2 and NRC2": ("nc2_cka", "nrc2", "CKA"),
    "NC3 and NRC3": ("nc3_cosine", "nrc3", "mean cosine"),
    "NC4 and NRC4": ("nc4_error", "nrc4", "error"),
}
SPLITS: dict[str, Any] = {"train": "-", "test": "--"}
CONDITIONS = ("nrc1", "nrc2", "nrc3", "nrc4")


def classification_beside_regression(results: Results) -> Picture:
    """The four conditions of classification and of regression at every site of networks with one-hot targets."""
    table = weight_sites(results.final("train"))
    with canvas(2, 2, size=(8.2, 5.6)) as (figure, axes):
        told = []
        for axis, (name, (first, second, label)) in zip(axes.flat, PAIRS.items(), strict=True):
            for column, colour, marker in ((first, NEUTRAL, "s"), (second, COLOURS[second], "o")):
                mean = table.groupby("site")[column].mean()
                for _, run in table.groupby("key", sort=False):
                    axis.plot(run["site"], run[column], color=colour, linewidth=0.8, alpha=0.5)
                axis.plot(mean.index, mean, marker=marker, color=colour, linewidth=2, markersize=5,
                          label="classification" if column == first else "regression")  # fmt: skip
            axis.set(xlabel="site (weight layer)", ylabel=label, title=name)
            axis.set_xticks(sorted(table["site"].unique()))
            axis.legend(fontsize=8.5)
            last = table[table["site"] == table["site"].max()]
            told.append(f"{name} at the last site {number(last[first].mean())} and {number(last[second].mean())}")
        return picture(figure, f"Conditions of classification and regression by site. {'; '.join(told)}.")


def train_beside_test(results: Results) -> Picture:
    """NRC1 to NRC4 by site on training and on test data, a column a condition, a row a data set."""
    tables = {split: results.label(weight_sites(results.final(split)), "dataset") for split in ("train", "test")}
    names = list(dict.fromkeys(tables["train"]["dataset"]))
    with canvas(len(names), 4, size=(8.2, 0.7 + 2.1 * len(names))) as (figure, axes):
        told = []
        for row, dataset in enumerate(names):
            for axis, condition in zip(axes[row], CONDITIONS, strict=True):
                for split, style in SPLITS.items():
                    here = tables[split][tables[split]["dataset"] == dataset]
                    mean = here.groupby("site")[condition].mean().clip(lower=FLOOR)
                    for _, run in here.groupby("key", sort=False):
                        axis.plot(
                            run["site"],
                            run[condition].clip(lower=FLOOR),
                            style,
                            color=COLOURS[condition],
                            lw=0.6,
                            alpha=0.5,
                        )
                    axis.plot(mean.index, mean, style, color=COLOURS[condition], linewidth=2)
                axis.set_title(condition.upper() if row == 0 else "")
                axis.set_xlabel("site" if row == len(names) - 1 else "")
                if condition in ("nrc1", "nrc4"):
                    log_axis(axis)
            axes[row][0].set_ylabel(dataset)
            ends = [tables[split][tables[split]["dataset"] == dataset] for split in ("train", "test")]
            last = [end[end["site"] == end["site"].max()][list(CONDITIONS)].mean() for end in ends]
            told.append(f"{dataset}: " + ", ".join(
                f"{c.upper()} {number(last[0][c])} in training and {number(last[1][c])} on test data"
                for c in CONDITIONS
            ))  # fmt: skip
        handles = [Line2D([], [], color=NEUTRAL, linestyle=style, label=name) for name, style in SPLITS.items()]
        figure.legend(handles=handles, loc="outside upper center", ncols=2, fontsize=9)
        return picture(
            figure, f"The four conditions by site on training and test data; at the last site, {'; '.join(told)}."
        )
