"""The figure of transfer: accuracy of fine-tuned networks against the collapse of the pre-training."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from nrc_core.results.results import Results
from nrc_core.sections.canvas import NEUTRAL, Picture, canvas, dot, legend, number, picture, shades
from nrc_core.sections.transfer.pooled import Pooled
from nrc_core.sections.transfer.tables import (
    EQUALLY_LONG,
    SAME,
    VARIANCES,
    by_checkpoint,
    checkpoints,
    equally_long,
    slopes,
)

MARKERS = "o^sDvPX"
TEST_ROWS: dict[str, Any] = {"markerfacecolor": "none", "markersize": 4, "alpha": 0.6}


def transfer_by_collapse(results: Results) -> Picture:
    """Fine-tuned accuracy by TrainVariance of the pre-training, and the line of each seed.

    Two panels show checkpoints of one pre-training, by both kinds of class means. The third panel shows networks that
    were trained for equally long, if there are any.
    """
    table = by_checkpoint(results)
    main = checkpoints(table)
    panels = [
        ("Checkpoints, final means", "final", main, SAME),
        ("Checkpoints, means of the moment", "moment", main, SAME),
    ]
    if table["control"].any():
        rows = equally_long(table)
        panels.append((f"Equal age ({rows['start'].min():,})", "moment", rows, EQUALLY_LONG))
    colours = shades(table["seed"], 0.15, 0.8)
    with canvas(1, len(panels), 3.9, width=10.0) as (figure, axes):
        told = []
        for axis, (name, means, rows, by) in zip(axes.flat, panels, strict=True):
            said = _said(tuple(slopes(rows, by, means=means)["slope"]))
            for (seed, own), marker in zip(rows.groupby("seed"), MARKERS, strict=False):
                _draw(axis, own.sort_values(VARIANCES[means]), VARIANCES[means], marker, colours[seed])
            axis.set(xscale="log", xlabel="train variance" + ("" if axis is axes.flat[0] else ", of the moment"))
            axis.xaxis.set_minor_locator(NullLocator())  # a logarithmic axis has too many or too few of its own
            ends = np.geomspace(rows[VARIANCES[means]].min(), rows[VARIANCES[means]].max(), 4)
            axis.set_xticks(ticks := sorted({float(f"{end:.2g}") for end in ends}), [f"{tick:g}" for tick in ticks])
            axis.set_title(f"{name}\n{said}", fontsize=9)
            axis.margins(0.15, 0.12)
            told.append(f"{name}: {said}; " + _in_words(rows, VARIANCES[means]))
        axes.flat[0].set_ylabel("test accuracy in %")
        names = {f"seed {seed}": dot(marker, color=colours[seed])
                 for seed, marker in zip(sorted(colours), MARKERS, strict=False)}  # fmt: skip
        legend(figure, names | {"chosen on test rows": dot(**TEST_ROWS, markeredgecolor=NEUTRAL)})
        return picture(figure, f"Fine-tuned accuracy by train variance. {'. '.join(told)}.")


def _draw(axis: Axes, own: pd.DataFrame, variance: str, marker: str, colour: Any) -> None:
    """The networks of one seed, the line through them, and hollow their accuracies by the rate chosen on test rows."""
    collapse, accuracy = own[variance].to_numpy(dtype=float), 100 * own["by_validation"].to_numpy(dtype=float)
    axis.plot(collapse, accuracy, marker, color=colour, markersize=6)
    axis.plot(collapse, 100 * own["by_test"], marker, color=colour, **TEST_ROWS)
    if np.ptp(collapse) > 0:
        line = np.polynomial.Polynomial.fit(np.log2(collapse), accuracy, 1)
        axis.plot(collapse, line(np.log2(collapse)), color=colour, linewidth=1.2)


def _said(values: tuple[float, ...]) -> str:
    """The pooled slope of the seeds and its interval in words."""
    if not values:
        return "one variance for all"
    pooled = Pooled(values)
    low, high = pooled.interval
    interval = f" ({low:.2g} to {high:.2g})" if len(values) > 1 else ""
    return f"{pooled.mean:.2g}{interval} points lost a halving"


def _in_words(rows: pd.DataFrame, variance: str) -> str:
    return "; ".join(
        f"seed {row['seed']}, {_age(row['start'])}, {_option(row)}: variance {number(row[variance])}, accuracy "
        f"{100 * row['by_validation']:.1f} %"
        for _, row in rows.iterrows()
    )


def _age(start: int) -> str:
    return f"{start / 1000:g}k" if start >= 1000 else f"{start}"


def _option(row: pd.Series) -> str:
    if row.label_smoothing:
        return f"smoothing {row.label_smoothing:g}"
    return f"weight decay {row.weight_decay:g}"
