"""Tables of descents on unconstrained features models for classes, which several sections share."""

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from nrc_core.results.results import Results

SHAPE = ["loss", "classes", "depth", "width", "decay", "samples", "init_scale"]
SAME = 1e-6  # losses that differ by a smaller share are the same
RANK_SHARE = 0.01  # singular values of the logits above this share of the largest count for their rank


def descents(results: Results) -> pd.DataFrame:
    """The end of every descent beside the losses of the known structures: one row for each.

    Returns:
        Columns `key, seed` (the start), those in `SHAPE` (`loss` is the kind), `end` (the loss at the end), `rank` and
        `full_rank`, and the loss of each structure by its name; NaN if there is none of this shape. With cross entropy,
        the rank is that of the logits, and collapse has one direction less than there are classes. With the squared
        loss, it is that of the last hidden features before the last ReLU, and collapse has one for each class.
    """
    return results.once("class descents", _descents).copy()


def _descents(results: Results) -> pd.DataFrame:
    ends = starts(results).merge(results.runs[["key", *SHAPE]], on="key")
    grouped = {name: own.set_index(["key", "seed"]) for name, own in ends.groupby("quantity")}
    values, ranks = grouped["singular_value"], grouped["rank"]
    of_logits = (values["value"] > RANK_SHARE).groupby(level=["key", "seed"]).sum()
    of_features = ranks.loc[ranks["index"] == ranks["depth"] - 1, "value"].astype(int)
    found = grouped["loss"][[*SHAPE, "value"]].rename(columns={"value": "end"})
    linear = found["loss"] == "cross_entropy"
    found["rank"] = of_logits.where(linear, of_features)
    found["full_rank"] = found["rank"] == found["classes"] - linear.astype(int)
    known = pd.DataFrame([{"key": run["key"], **_known(run)} for run in results.runs.to_dict("records")])
    return found.reset_index().merge(known, on="key")


def starts(results: Results) -> pd.DataFrame:
    """The table of the descents; the random start is the seed."""
    return results.descent.drop(columns="seed").rename(columns={"start": "seed"})


def _known(run: dict[str, Any]) -> dict[str, float]:
    """The losses of the known structures for the shape of a run."""
    # They are imported here, because the claims are judged without torch if there are no descents.
    from nrc_core.theory import cross_entropy, deep_features

    loss: Callable[..., float] = deep_features.deep_ufm_loss
    names: tuple[str, ...] = ("collapse", "triangular")
    if run["loss"] == "cross_entropy":
        loss, names = cross_entropy.cross_entropy_ufm_loss, cross_entropy.STRUCTURES
    shape = {name: int(run[name]) for name in ("classes", "depth", "samples")}
    found = {}
    for name in names:
        try:
            found[name] = loss(name, **shape, decay=float(run["decay"]))
        except ValueError:  # this structure needs another number of classes or weights
            found[name] = math.nan
    return found


def varied(results: Results, field: str, by: str) -> pd.DataFrame:
    """The descents with the value of `by` for which `field` takes the most values, in the order of `field`.

    Args:
        field: the field of the runs that varies.
        by: another field of the runs; if several of its values have equally many, the first is taken.
    """
    table = descents(results)
    value = table.groupby(by)[field].nunique().idxmax()
    return table[table[by] == value].sort_values(field, kind="stable")


def full_rank_by(table: pd.DataFrame, field: str) -> pd.Series:
    """The share of the descents that end with as many directions as collapse has, by a field."""
    return table.groupby(field, sort=False)["full_rank"].mean()
