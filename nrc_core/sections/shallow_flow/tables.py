"""Tables of the section on two-layer ReLU networks: flows by time, and their ends beside the formulas."""

import math
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.results.phrases import counted, span
from nrc_core.results.results import Results

# What is known of a flow before it starts. "covered": the theorem speaks of it. "random": it does not, because there
# are more than two classes and neurons lean to none at the start. "large" and "overlapping" are controls.
KINDS = {
    "covered": "start that the theorem covers",
    "random": "random start",
    "large": "large start",
    "overlapping": "overlapping classes",
    "digits": "digits",
}
BY_TIME = (
    "iteration", "log_loss", "within", "within_mean", "between", "to_margin", "to_average", "rank", "unlit", "duality",
)  # fmt: skip
OF_DATA = ("same_class", "other_class", "opposite_class", "length_ratio")
LARGE = 1.0  # starts of this size and spreads of this size are the controls
COLLAPSED, REALISTIC = 1e-10, 1e-4  # the losses at which claims look
WHOLE = 0.01  # a loss is that of a whole number of samples if it is off by no more than this share of one


def flows(results: Results) -> pd.DataFrame:
    """All measurements of all flows: one row for each.

    Returns:
        Columns `key, seed` (the start), `kind` (one of `KINDS`), `classes`, `group` (the classes in words), `place`
        (the number of the measurement) and the quantities `BY_TIME`, in the order of the runs and of time.
    """
    return results.once("shallow flows", _flows).copy()


def _flows(results: Results) -> pd.DataFrame:
    rows = _labelled(results)
    table = rows[rows["quantity"].isin(BY_TIME)].pivot(
        index=["key", "seed", "kind", "classes", "group", "index"], columns="quantity", values="value"
    )
    table = table.reset_index().rename(columns={"index": "place"}).rename_axis(columns=None)
    order = {key: place for place, key in enumerate(results.runs["key"])}
    return table.sort_values("key", key=lambda keys: keys.map(order), kind="stable", ignore_index=True)


def ends(results: Results) -> pd.DataFrame:
    """The end of every flow, and what is known of its data: one row for each.

    Returns:
        The columns of `flows`, those in `OF_DATA`, `scale` and `formula` (lists by class: s_k as found, and by the
        formula), `scale_error`, the largest relative distance of the two, `samples`, and `never_learnt` as
        `_never_learnt` counts them.
    """
    return results.once("shallow ends", _ends).copy()


def _ends(results: Results) -> pd.DataFrame:
    rows = _labelled(results).set_index(["key", "seed"]).sort_values("index", kind="stable")
    last = flows(results).groupby(["key", "seed"], sort=False).last()
    data = rows[rows["quantity"].isin(OF_DATA)].pivot(columns="quantity", values="value")
    lists = {
        name: rows.loc[rows["quantity"] == name, "value"].groupby(["key", "seed"]).agg(list)
        for name in ("scale", "formula")
    }
    table = last.join(data).join(pd.DataFrame(lists)).reset_index().rename_axis(columns=None)
    table["scale_error"] = [
        float(np.abs(np.divide(found, formula) - 1).max())
        for found, formula in zip(table["scale"], table["formula"], strict=True)
    ]
    samples = {run["key"]: _samples(run) for run in results.runs.to_dict("records")}
    table["samples"] = table["key"].map(samples)
    table["never_learnt"] = [_never_learnt(row) for row in table.to_dict("records")]
    return table


def _samples(run: dict[str, Any]) -> int:
    """The number of samples of a flow."""
    if _is_digits(run):
        return len(run["digits"]) * int(run["dataset_options"]["train_per_class"])
    return int(run["classes"] * run["samples"])


def _never_learnt(row: dict[str, Any]) -> float:
    """How many samples a flow has not learnt at its end.

    The network finds all classes equally likely for such a sample, so its cross entropy is log K. When the loss of all
    others is next to nothing, the mean loss has a whole number of these; NaN if it has not.
    """
    share = math.exp(row["log_loss"]) * row["samples"] / math.log(row["classes"])
    return float(round(share)) if abs(share - round(share)) <= WHOLE else math.nan


def _labelled(results: Results) -> pd.DataFrame:
    """The table of the flows with the labels of their runs; the random start is the seed."""
    labels = pd.DataFrame([{"key": run["key"], **_label(run)} for run in results.runs.to_dict("records")])
    rows = results.descent.drop(columns="seed", errors="ignore").rename(columns={"start": "seed"})
    return rows.merge(labels, on="key")


def _is_digits(run: dict[str, Any]) -> bool:
    return isinstance(run.get("digits"), list | tuple | np.ndarray)


def _label(run: dict[str, Any]) -> dict[str, Any]:
    if _is_digits(run):
        return {
            "kind": "digits",
            "classes": len(run["digits"]),
            "group": f"digits {', '.join(map(str, run['digits']))}",
        }
    classes = int(run["classes"])
    if run["init_scale"] >= LARGE:
        kind = "large"
    elif run["spread"] >= LARGE:
        kind = "overlapping"
    else:
        kind = "covered" if run["initial"] == "leaning" or classes == 2 else "random"
    return {"kind": kind, "classes": classes, "group": f"{classes} classes"}


def first_at(table: pd.DataFrame, loss: float) -> pd.DataFrame:
    """The first measurement of each flow at or below a loss; the last one of flows that do not come so far."""
    reached = table[(table["log_loss"] <= math.log(loss)) | (table["place"] == _last_place(table))]
    return reached.groupby(["key", "seed"], sort=False).head(1)


def _last_place(table: pd.DataFrame) -> pd.Series:
    return table.groupby(["key", "seed"])["place"].transform("max")


def turning_points(results: Results) -> pd.DataFrame:
    """Where neurons come nearer to the max-margin directions than to the averages: one row for each flow.

    Returns:
        Columns `key, seed, kind, group` and `digits_of_loss`, minus the logarithm to the base 10 of the loss, by a line
        between two measurements; infinite if neurons are nearer to the averages to the end.
    """
    found = []
    for (key, seed), rows in flows(results).groupby(["key", "seed"], sort=False):
        ahead = (rows["to_margin"] - rows["to_average"]).to_numpy()
        digits = -rows["log_loss"].to_numpy() / math.log(10)
        first = int(np.argmin(ahead))  # neurons are nearest to the averages
        later = np.flatnonzero(ahead[first:] >= 0)
        place = math.inf
        if len(later):
            at = first + int(later[0])
            before = max(at - 1, first)  # the same if neurons are never nearer to the averages
            place = float(np.interp(0, ahead[before : at + 1], digits[before : at + 1]))
        one = rows.iloc[0]
        found.append({"key": key, "seed": seed, "kind": one["kind"], "group": one["group"], "digits_of_loss": place})
    return pd.DataFrame(found)


def in_plane(results: Results, digits: bool = False) -> pd.DataFrame:
    """The neurons of one flow from a small random start in the plane of its data, at each measurement.

    It is the first start of the first flow on synthetic classes, or on digits.

    Returns:
        Columns `place, neuron, own` (the class), `first`, `second` (coordinates), `iteration` and `log_loss`.
    """
    rows = _drawn(results, digits)
    table = rows[rows["quantity"].isin(["first", "second", "own"])].pivot(
        index="index", columns="quantity", values="value"
    )
    width = int(results.runs.set_index("key").loc[rows["key"].iloc[0], "width"])
    number = table.index.to_numpy()
    table = table.assign(place=number // width, neuron=number % width, own=table["own"].astype(int))
    times = rows[rows["quantity"].isin(["iteration", "log_loss"])].pivot(
        index="index", columns="quantity", values="value"
    )
    return table.join(times, on="place").reset_index(drop=True).rename_axis(columns=None)


def class_places(results: Results, digits: bool = False) -> pd.DataFrame:
    """The averages and max-margin directions of the classes in the plane of `in_plane`.

    Returns:
        Columns `average_first, average_second, margin_first, margin_second`, by class.
    """
    rows = _drawn(results, digits)
    names = [f"{one}_{axis}" for one in ("average", "margin") for axis in ("first", "second")]
    return rows[rows["quantity"].isin(names)].pivot(index="index", columns="quantity", values="value")


def _drawn(results: Results, digits: bool) -> pd.DataFrame:
    """The rows of the flow that is drawn."""
    rows = _labelled(results)
    rows = rows[rows["kind"].isin(["digits"] if digits else ["random", "covered"]) & (rows["seed"] == 0)]
    return rows[rows["key"] == rows["key"].iloc[0]]


def words(results: Results) -> str:
    """What the flows show, in a sentence for each finding."""
    table, last = flows(results), ends(results)
    small = table["kind"].isin(["covered", "random"])
    early, ended = first_at(table[small], COLLAPSED), last[last["kind"].isin(["covered", "random"])]
    realistic = first_at(table[small], REALISTIC)
    turns = turning_points(results)
    turns = turns[turns["kind"].isin(["covered", "random"])]
    nearer = int((realistic["to_average"] > realistic["to_margin"]).sum())
    lines = [
        "**Rays and orthogonality come early, the max-margin directions late: at a loss of "
        f"{REALISTIC:g}{_reached(realistic, REALISTIC)}, neurons are nearer to the class averages in {nearer} of "
        f"{len(realistic)} flows.**",
        "",
        f"* At a loss of {COLLAPSED:g}{_reached(early, COLLAPSED)}, two samples of a class have features with a cosine "
        f"of at least 1 - {1 - early['within'].min():.1g}, and the mean features of two classes one of at most "
        f"{early['between'].max():.1g}.",
    ]
    for group, rows in turns.groupby("group", sort=False):
        lines.append(
            f"* With {group}, neurons come nearer to the max-margin directions than to the averages at a loss of "
            f"{span(rows['digits_of_loss'], power)}."
        )
    lines.append(
        f"* At the end, the scales of the classes are off the formula by at most {ended['scale_error'].max():.1%}, and "
        f"the last weight by at most {ended['duality'].max():.2g} of its length."
    )
    large, over, digits = (last[last["kind"] == kind] for kind in ("large", "overlapping", "digits"))
    if len(large):
        lines.append(
            f"* From a large start, the last weight is off by {span(large['duality'], '{:.2g}'.format)} after as many "
            "steps."
        )
    lit = over[over["unlit"] == 0]
    if len(lit):
        left = f" ({counted(len(over) - len(lit), 'flow')} with a sample that activates no neuron left out)"
        lines.append(
            "* Where classes overlap, features do not come to rays: at the end, the smallest cosine in a class is "
            f"{span(lit['within'], '{:.2g}'.format)}{left if len(lit) < len(over) else ''}."
        )
    if len(digits):
        lines.append(_digit_words(table[table["kind"] == "digits"], digits))
    return "\n".join(lines)


def _reached(table: pd.DataFrame, loss: float) -> str:
    """Words for flows that end before they reach a loss; empty if there are none. `table` is that of `first_at`."""
    short = int((table["log_loss"] > math.log(loss)).sum())
    return f" (or at the end, for {short} of {len(table)} flows that do not come so far)" if short else ""


def _digit_words(table: pd.DataFrame, digits: pd.DataFrame) -> str:
    begun = table[table["place"] == 0]
    rays, means = (f"{begun[one].mean():.2f} to {digits[one].mean():.2f}" for one in ("within_mean", "between"))
    return (
        "* Real digits do not satisfy the assumption: two pictures of different digits have a cosine of up to "
        f"{digits['other_class'].max():.2f}. Their features come closer to rays, and do not reach them. The mean "
        f"cosine in a class goes from {rays}, the largest of two class means from {means}. The smallest cosine in a "
        f"class, that of the worst pair of pictures, ends at {span(digits['within'], '{:.2g}'.format)}."
        f"{_lost_words(digits)}"
    )


def _lost_words(digits: pd.DataFrame) -> str:
    """A sentence on flows that never learn some pictures, with a space before it; empty without such flows."""
    never = digits[digits["never_learnt"] > 0]
    if never.empty:
        return ""
    return (
        f" {len(never)} of {len(digits)} flows stop at the loss of {span(never['never_learnt'], '{:.0f}'.format)} "
        "pictures that are never learnt: the network finds all digits equally likely for them. In "
        f"{int((never['unlit'] == 0).sum())} of these flows, every picture still activates a neuron."
    )


def power(digits: float, never: str = "never") -> str:
    """A loss from the number of its digits after the point."""
    return never if math.isinf(digits) else f"1e-{digits:.0f}" if digits >= 1 else f"{10**-digits:.1g}"
