"""Tables of training dynamics: when losses settle, when conditions set in, and the gap of test and training error."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.results.criteria import (
    CONDITIONS,
    first_site,
    holds,
    last_site_rows,
    last_sites,
    over_collapsed,
    unbroken,
)
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds

EVENTS = (*CONDITIONS, "all")
LOSSES = ("train_mse", "test_mse")
RUN = ["key", "dataset", "split", "seed"]  # columns that identify a run of a page
# The thresholds that `timing` depends on.
TIMED = ("noise_most", "alignment_least", "error_factor", "error_share", "settled_change_most")


def settled_epoch(
    losses_of_one_run: pd.DataFrame, column: str, limits: Mapping[str, float] | None = None
) -> int | None:
    """The first epoch from which on a loss changes by at most 1 % in ten epochs, or None if it never settles.

    A line is fitted to the logarithm of the loss over every window of a tenth of the epochs, at least ten, so
    that the noise of single epochs does not count. The loss has settled at an epoch if in the window that
    starts there, and in every later window, ten times the slope is at most `settled_change_most` (0.01) in
    absolute value. The result is the first such epoch, so a loss settles at nine tenths of the training at the
    latest. The result is None if the last window changes more, or if there are fewer than ten epochs.

    Example:
        >>> settled_epoch(pd.DataFrame({"epoch": range(1, 31), "train_mse": 0.5}), "train_mse")
        1
    """
    run = losses_of_one_run.sort_values("epoch")
    width = max(10, len(run) // 10)
    if len(run) < width:
        return None
    logarithms = np.log(run[column].clip(lower=np.finfo(float).tiny).to_numpy())
    steps = np.arange(width) - (width - 1) / 2
    slopes = np.lib.stride_tricks.sliding_window_view(logarithms, width) @ (steps / (steps @ steps))
    most = (thresholds() if limits is None else limits)["settled_change_most"]
    calm = pd.Series(np.abs(10 * slopes) <= most)
    return first_site(calm, run["epoch"].iloc[: len(calm)].reset_index(drop=True))


def onset(
    results: Results, limits: Mapping[str, float] | None = None, conditions: Sequence[str] = EVENTS
) -> pd.DataFrame:
    """Onset of each condition at the last site that feeds a weight: one row for each run and condition.

    A condition sets in at the first measured epoch from which on it holds at every measured epoch. Nothing is known
    between two measurements, so the onset is given as an interval: later than `after`, the previous measured epoch (0:
    initialisation), and not later than `at_most`. If a condition does not hold at the end, it has no `at_most`, and
    `after` is the last measured epoch. The column `condition` is nrc1 to nrc4, or all for the four conditions together.

    Args:
        limits: thresholds by name; those of `thresholds` unless given.
        conditions: the values of the column `condition` that are wanted.

    Returns:
        Columns `key, dataset, split, seed, condition, after, at_most`, the last two Int64.
    """
    last = last_site_rows(results.history()).sort_values("epoch", kind="stable")
    flags, keys, epochs = holds(last, limits), last["key"], last["epoch"]
    held = unbroken(flags.assign(all=flags.all(axis=1)), keys)
    intervals = [
        pd.DataFrame(
            {
                "condition": condition,
                "after": epochs.mask(held[condition]).groupby(keys).max().fillna(0),
                "at_most": epochs.where(held[condition]).groupby(keys).min(),
            }
        )
        for condition in conditions
    ]
    table = results.runs[RUN].drop_duplicates("key").merge(pd.concat(intervals), on="key")
    return table.astype({"seed": int, "after": "Int64", "at_most": "Int64"})


def timing(results: Results, limits: Mapping[str, float] | None = None, condition: str = "all") -> pd.DataFrame:
    """Whether collapse sets in before or after the losses settle: one row for each run.

    Args:
        limits: thresholds by name; those of `thresholds` unless given.
        condition: what has to set in, nrc1 to nrc4, or all for the four conditions together. NRC1 alone says little: it
            holds from the first epoch on if the features vary in few directions from the beginning.

    Returns:
        Columns `key, dataset, split, seed, after, at_most` (the onset of the condition, see `onset`), `settled` (the
        epoch at which both training and test loss have settled, Int64, missing if one of them never settles) and
        `collapse`. `collapse` is "after" if the network collapses after the losses settled, "before" if it collapses
        before they settled or if one of them never settles, "open" if they settled inside the interval of the onset,
        "none" if the network does not collapse, and "over-collapsed" if the condition holds at the end because the
        network has lost some of the targets (see `over_collapsed`).
    """
    limits = thresholds() if limits is None else limits
    asked = ("timing", condition, *(limits[name] for name in TIMED))
    return results.once(asked, lambda one: _timing(one, limits, condition)).copy()


def _timing(results: Results, limits: Mapping[str, float], condition: str) -> pd.DataFrame:
    table = onset(results, limits, (condition,)).drop(columns="condition")
    settled = {}
    for key, run in results.losses.groupby("key", sort=False):
        epochs = [settled_epoch(run, column, limits) for column in LOSSES]
        settled[key] = None if None in epochs else max(epoch for epoch in epochs if epoch is not None)
    table["settled"] = table["key"].map(settled).astype("Int64")
    collapse = pd.Series([_order(row.after, row.at_most, row.settled) for row in table.itertuples()], dtype="str")
    lost = table["at_most"].notna() & table["key"].map(over_collapsed(results.final())).astype(bool)
    return table.assign(collapse=collapse.mask(lost, "over-collapsed"))


def _order(after: Any, at_most: Any, settled: Any) -> str:
    if pd.isna(at_most):
        return "none"
    if pd.isna(settled) or at_most < settled:
        return "before"
    return "after" if after >= settled else "open"


def order_of_onset(results: Results) -> pd.DataFrame:
    """The conditions in the order of their onset: one row for each run.

    Returns:
        Columns `key, dataset, split, seed`, `order` (for example "NRC4, NRC1 = NRC2": conditions that set in between
        the same two measurements are joined by "=") and `never` (the conditions that do not hold at the end).
    """
    table = onset(results)
    table = table[table["condition"] != "all"].assign(name=lambda rows: rows["condition"].str.upper())
    rows = []
    for labels, run in table.groupby(RUN, sort=False):
        held = run.dropna(subset="at_most").sort_values("at_most", kind="stable")
        order = ", ".join(" = ".join(tied["name"]) for _, tied in held.groupby("at_most"))
        never = ", ".join(run.loc[run["at_most"].isna(), "name"])
        rows.append([*labels, order, never])
    return pd.DataFrame(rows, columns=[*RUN, "order", "never"])


def generalisation_gap(results: Results) -> pd.DataFrame:
    """Errors on training and test data at the end, divided by the variance of the training targets: one row a run.

    Returns:
        Columns `key, dataset, split, seed, train_error, test_error, gap`; the gap is test error minus training error.
    """
    train, test = (last_sites(results.final(split)) for split in ("train", "test"))
    errors = {"train_error": train["network_mse"], "test_error": test["network_mse"]}
    table = results.runs[RUN].join(pd.DataFrame(errors).div(train["target_variance"], axis=0), on="key")
    return table.assign(gap=table["test_error"] - table["train_error"])
