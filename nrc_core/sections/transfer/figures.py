"""The figure of transfer: accuracy of fine-tuned networks against the collapse of the pre-training."""

from typing import Any

import pandas as pd

from nrc_core.results.results import Results
from nrc_core.sections.canvas import COLOURS, NETWORK, Picture, canvas, dot, legend, number, picture
from nrc_core.sections.transfer.tables import by_checkpoint

# How the learning rate of the fine-tuning was chosen: column of `by_checkpoint`, style, name.
CHOICES: dict[str, tuple[dict[str, Any], str]] = {
    "by_validation": ({"color": COLOURS["nrc1"]}, "learning rate chosen on validation rows"),
    "by_test": ({"color": NETWORK, "markerfacecolor": "none"}, "chosen on the test rows, as in the paper"),
}


def transfer_by_collapse(results: Results) -> Picture:
    """Fine-tuned accuracy by TrainVariance of the pre-training.

    One panel shows checkpoints of one pre-training; the other shows networks that were trained for equally long.
    """
    table = by_checkpoint(results)
    start = table["start"].min()
    panels = [("Checkpoints of one pre-training", "variance", table[~table["control"]])]
    if table["control"].any():
        panels.append((f"Networks of equal age ({start:,})", "variance_current", table[table["start"] == start]))
    with canvas(1, len(panels), 3.6, width=None if len(panels) > 1 else 6.0) as (figure, axes):
        told = []
        for axis, (name, variance, rows) in zip(axes.flat, panels, strict=True):
            for (_, run), marker in zip(rows.groupby("seed"), "o^sDv", strict=False):
                for column, (style, _) in CHOICES.items():
                    axis.plot(run[variance], 100 * run[column], marker, **style, markersize=6)
            for _, row in rows[rows["seed"] == rows["seed"].min()].iterrows():
                label = _age(row["start"]) if variance == "variance" else _option(row)
                place = (row[variance], 100 * row["by_validation"])
                axis.annotate(label, place, xytext=(5, -9), textcoords="offset points", fontsize=8)
            means = "final class means" if variance == "variance" else "current class means"
            axis.set(xlabel=f"train variance, {means}", ylabel="test accuracy in %")
            axis.set_title(name, fontsize=10)
            axis.margins(0.18, 0.12)
            told.append(f"{name}: " + "; ".join(
                f"seed {row['seed']}, {_age(row['start'])}, {_option(row)}: variance {number(row[variance])}, accuracy "
                f"{100 * row['by_validation']:.1f} %" for _, row in rows.iterrows()
            ))  # fmt: skip
        legend(figure, {name: dot(**style) for style, name in CHOICES.values()})
        return picture(figure, f"Fine-tuned accuracy by train variance. {'. '.join(told)}.")


def _age(start: int) -> str:
    return f"{start / 1000:g}k" if start >= 1000 else f"{start}"


def _option(row: pd.Series) -> str:
    if row.label_smoothing:
        return f"smoothing {row.label_smoothing:g}"
    return f"weight decay {row.weight_decay:g}"
