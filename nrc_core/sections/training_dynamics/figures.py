"""The figures of training dynamics: losses and onsets by epoch, and the generalisation gap."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nrc_core.config.base import log_spaced_epochs
from nrc_core.results.criteria import CONDITIONS
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections import canvas
from nrc_core.sections.canvas import COLLAPSE, COLOURS, NETWORK, NEUTRAL, Picture, picture
from nrc_core.sections.dynamics import generalisation_gap, onset, order_of_onset, timing

LINES: dict[str, Any] = {"random": "-", "blocked": "--"}
CURVES = {"train_mse": ("training", COLOURS["nrc1"]), "test_mse": ("test", NETWORK)}
SETTLED: dict[str, Any] = {"linewidth": 0.8, "color": NEUTRAL, "alpha": 0.7}
NOISE_ALONE: dict[str, Any] = {"linewidth": 1.2, "color": COLLAPSE, "linestyle": ":"}


def training_curves(results: Results) -> Picture:
    """Losses by epoch and the onset of collapse, one panel for each data set, in the layout of the paper's figure 5.

    Collapse is that all four conditions hold at the last site. The onset of NRC1 alone is drawn beside it.
    """
    events, noise = timing(results), timing(results, condition="nrc1")
    splits = results.runs.set_index("key")["split"]
    with canvas.panels(results.runs["dataset"], 2.7, columns=2, extra=0.7) as (figure, panels):
        for axis, dataset in panels:
            here = events[events["dataset"] == dataset]
            for key, run in results.losses[results.losses["key"].isin(here["key"])].groupby("key", sort=False):
                # Only epochs evenly spaced on the axis: all epochs would take half a megabyte and look the same.
                run = run[run["epoch"].isin(log_spaced_epochs(int(run["epoch"].max()), 200))]
                for column, (_, colour) in CURVES.items():
                    axis.plot(run["epoch"], run[column], LINES[splits[key]], color=colour, linewidth=0.9, alpha=0.8)
            _mark(axis, here, noise[noise["dataset"] == dataset])
            canvas.time_axis(axis, "epoch")
            axis.set(ylabel="mean squared error", title=_message(dataset, here))
            canvas.log_axis(axis)
        titles = ". ".join(axis.get_title("left") for axis, _ in panels)
        styles = _key(sorted(set(splits), reverse=True))
        canvas.legend(figure, styles, columns=len(styles) // 2)
        alone = noise["at_most"].dropna()
        also = f" NRC1 alone sets in by epoch {alone.min()} to {alone.max()}." if len(alone) else ""
        return picture(figure, f"Training and test losses by epoch. {titles}. {_epochs(events)}{also}")


def onset_order(results: Results) -> Picture:
    """The measured epochs between which each condition set in at the last site, one panel for each data set."""
    events = onset(results)
    events = events[events["condition"] != "all"]
    orders = order_of_onset(results).set_index("key")
    with canvas.panels(results.runs["dataset"], 2.5, columns=2, extra=0.4) as (figure, panels):
        for axis, dataset in panels:
            here = events[events["dataset"] == dataset]
            end = int(results.losses.loc[results.losses["key"].isin(here["key"]), "epoch"].max())
            canvas.time_axis(axis, "epoch")
            canvas.row_axis(axis, [name.upper() for name in CONDITIONS])
            axis.set_xlim(0.8, 1.25 * end)
            for row, condition in enumerate(CONDITIONS):
                _brackets(axis, row, here[here["condition"] == condition], COLOURS[condition], end)
            axis.set_title(f"{_name(dataset)}: {_first(orders[orders['dataset'] == dataset])}")
        titles = ". ".join(axis.get_title("left") for axis, _ in panels)
        dots = {
            f"sets in by this epoch, {split} split": canvas.dot(markerfacecolor=_face(split, NEUTRAL))
            for split in sorted(set(results.runs["split"]), reverse=True)
        }
        canvas.legend(figure, dots | {"does not hold in the end": canvas.dot("x")})
        told = "; ".join(
            f"{_name(row.dataset)}, {row.split} split, seed {row.seed}: {row.order or 'none'}"
            for row in orders.itertuples()
        )
        return picture(figure, f"When each condition set in. {titles}. In order of onset: {told}.")


def generalisation(results: Results) -> Picture:
    """Test error minus training error, divided by the target variance, by data set and split; dots are networks."""
    table = generalisation_gap(results)
    most = thresholds()["gap_most"]
    groups = list(table.groupby(["dataset", "split"], sort=False))
    with canvas.canvas(1, 1, 1.3 + 0.42 * len(groups)) as (figure, [[axis]]):
        for row, ((_, split), runs) in enumerate(groups):
            colour = np.where(runs["gap"] <= most, COLLAPSE, NETWORK)
            heights = row + canvas.spread(len(runs), 0.25)
            axis.scatter(runs["gap"], heights, s=42, facecolors=_face(split, colour), edgecolors=colour, zorder=3)
        axis.axvline(0, color=NEUTRAL, linewidth=0.8)
        canvas.marked_line(axis, most, f"{most:g}", (3, 3), NEUTRAL, linestyle=":", linewidth=1.4)
        canvas.row_axis(axis, [f"{_name(dataset)}, {split}" for (dataset, split), _ in groups], margin=0.6)
        axis.set_xlabel("test less training error, as a share of the target variance")
        counts = [
            f"{split} split {(runs['gap'] <= most).sum()} of {len(runs)}"
            for split, runs in table.groupby("split", sort=False)
        ]
        axis.set_title(f"Gap at most {most:g}: {', '.join(counts)}")
        told = "; ".join(
            f"{_name(dataset)}, {split} split: {runs['gap'].min():.3g} to {runs['gap'].max():.3g}"
            for (dataset, split), runs in groups
        )
        return picture(figure, f"Generalisation gaps. {axis.get_title('left')}. {told}.")


def _name(dataset: str) -> str:
    return "SGEMM" if dataset == "sgemm" else Path(dataset).stem.capitalize()


def _mark(axis: Axes, events: pd.DataFrame, noise: pd.DataFrame) -> None:
    """Mark the onsets of collapse, green as in the paper, those of NRC1 alone, and when the losses settled."""
    for epoch in noise["at_most"].dropna().unique():
        axis.axvline(epoch, **NOISE_ALONE)
    for row in _collapsed(events).drop_duplicates(["after", "at_most", "split"]).itertuples():
        axis.axvspan(max(row.after, 1), row.at_most, color=COLLAPSE, alpha=0.12, linewidth=0)
        axis.axvline(row.at_most, color=COLLAPSE, linestyle=LINES[row.split], linewidth=1.6)
    for row in events.dropna(subset="settled").itertuples():
        axis.axvline(row.settled, linestyle=LINES[row.split], **SETTLED)


def _collapsed(events: pd.DataFrame) -> pd.DataFrame:
    """The rows of `timing` of networks that collapse; over-collapse does not count."""
    return events[~events["collapse"].isin(["none", "over-collapsed"])]


def _message(dataset: str, events: pd.DataFrame) -> str:
    found = _collapsed(events)["collapse"].value_counts()
    if found.empty:
        lost = (events["collapse"] == "over-collapsed").sum()
        more = f", but over-collapse ({lost} of {len(events)})" if lost else ""
        return f"{_name(dataset)}: no collapse{more}"
    when = "as" if found.index[0] == "open" else found.index[0]  # "as", "after" or "before"
    among = "" if found.iloc[0] == len(events) else f" ({found.iloc[0]} of {len(events)})"
    return f"{_name(dataset)}: collapse {when} the losses settled{among}"


def _epochs(events: pd.DataFrame) -> str:
    held = _collapsed(events)
    if held.empty:
        return "No network collapses."
    settled = events["settled"].dropna()
    calm = f"losses settle from epoch {settled.min()} to {settled.max()}" if len(settled) else "no loss settles"
    return f"Collapse sets in by epoch {held['at_most'].min()} to {held['at_most'].max()}; {calm}."


def _key(splits: list[str]) -> dict[str, dict[str, Any]]:
    """Styles of the legend of losses; lines of splits are told apart if there are several."""
    lines = {f"{split} split": {"color": NEUTRAL, "linestyle": LINES[split]} for split in splits}
    return {
        **{f"{label} loss": {"color": colour} for label, colour in CURVES.values()},
        **(lines if len(lines) > 1 else {}),
        "all four conditions set in (last site)": {"color": COLLAPSE, "linewidth": 1.6},
        "NRC1 alone sets in": NOISE_ALONE,
        "both losses have settled": SETTLED,
    }


def _face(split: str, colour: Any) -> Any:
    """Colour inside a dot: dots of random splits are full, dots of other splits are hollow."""
    return colour if split == "random" else "none"


def _brackets(axis: Axes, row: int, events: pd.DataFrame, colour: str, end: int) -> None:
    for height, event in zip(row + canvas.spread(len(events), 0.25), events.itertuples(), strict=True):
        if pd.isna(event.at_most):
            axis.plot(1.12 * end, height, marker="x", color=colour, markersize=5)
            continue
        axis.plot([max(event.after, 0.8), event.at_most], [height, height], color=colour, linewidth=1.5, alpha=0.6)
        face = _face(event.split, colour)
        axis.plot(event.at_most, height, marker="o", color=colour, markersize=5.5, markerfacecolor=face)


def _first(orders: pd.DataFrame) -> str:
    """The condition that set in first, if the networks agree, and the conditions that never set in."""
    firsts = {order.split(", ")[0] for order in orders["order"]}
    names = [name.upper() for name in CONDITIONS]
    never = [name for name in names if all(name in row for row in orders["never"])]
    if len(never) >= len(names) - 1:
        return f"{', '.join(name for name in names if name not in never) or 'nothing'} alone sets in"
    start = f"{firsts.pop()} first" if len(firsts) == 1 else "no common first"
    return f"{start}, {' and '.join(never)} never" if never else start
