"""Tables of the section on collapse against low rank."""

import math
from typing import Any

import pandas as pd

from nrc_core.results.results import Results

SHAPE = ["classes", "depth", "width", "decay", "samples", "init_scale"]


def descents(results: Results) -> pd.DataFrame:
    """The end of every descent beside the losses of two structures: one row for each.

    Returns:
        Columns `key, seed` (the start), those in `SHAPE`, `loss`, `rank` (of the last hidden features before the last
        ReLU), and the losses `collapse` and `triangular` (NaN if there is none).
    """
    return results.once("deep descents", _descents).copy()


def _descents(results: Results) -> pd.DataFrame:
    ends = results.label(results.descent.drop(columns="seed").rename(columns={"start": "seed"}), *SHAPE)
    last = (ends["quantity"] == "rank") & (ends["index"] == ends["depth"] - 1)
    ranks = ends[last].set_index(["key", "seed"])["value"].astype(int).rename("rank")
    losses = ends[ends["quantity"] == "loss"].set_index(["key", "seed"])["value"].rename("loss")
    table = results.label(pd.concat([losses, ranks], axis=1).reset_index(), *SHAPE)
    known = results.runs[["key"]].copy()
    for structure in ("collapse", "triangular"):
        known[structure] = [_loss(structure, run) for run in results.runs[SHAPE].to_dict("records")]
    return table.merge(known, on="key")


def _loss(structure: str, run: dict[str, Any]) -> float:
    """The loss of a structure; NaN if there is none for these numbers of classes and weights."""
    from nrc_core.theory.deep_features import deep_ufm_loss  # imports torch, which takes seconds

    given = {name: int(run[name]) for name in ("classes", "depth", "samples")}
    try:
        return deep_ufm_loss(structure, **given, decay=float(run["decay"]))
    except ValueError:
        return math.nan


def by_scale(results: Results) -> pd.DataFrame:
    """The descents of the width with which several sizes of the start were tried, from the largest size on."""
    table = descents(results)
    width = table.groupby("width")["init_scale"].nunique().idxmax()
    own = table[table["width"] == width]
    common = by_width(results)["init_scale"].iloc[0]
    others = own[own["init_scale"] != common]
    return (own if others.empty else others).sort_values("init_scale", ascending=False, kind="stable")


def by_width(results: Results) -> pd.DataFrame:
    """The descents of the size of the start with which several widths were tried, in the order of the width."""
    table = descents(results)
    scale = table.groupby("init_scale")["width"].nunique().idxmax()
    return table[table["init_scale"] == scale].sort_values("width", kind="stable")


def full_rank(table: pd.DataFrame) -> pd.Series:
    """Which descents have ended with as many directions as classes, as collapse has."""
    return table["rank"] == table["classes"]


def norms(classes: range, depths: range) -> pd.DataFrame:
    """How structures of low rank compare with collapse, see `relative_norm`: depths in rows, classes in columns."""
    from nrc_core.theory.deep_features import relative_norm

    return pd.DataFrame({k: {depth: relative_norm(k, depth) for depth in depths} for k in classes})


def words(results: Results) -> str:
    """What the descents show, in a sentence for each finding."""
    scales, widths = by_scale(results), by_width(results)
    small = scales[scales["init_scale"] == scales["init_scale"].min()]
    below = (small["loss"] < small["collapse"]).sum()
    share = full_rank(widths).groupby(widths["width"]).mean()
    first = small.iloc[0]
    lines = [
        "**Collapse is not the best with several weights and ReLU: "
        f"from small starts, {below} of {len(small)} descents end below its loss, in fewer directions than classes.**",
        "",
        f"* The loss of collapse is {first['collapse']:.4g}; the best descent has {small['loss'].min():.4g}.",
        f"* All {int(first['classes'])} directions: "
        + ", ".join(f"{value:.0%} of the starts at width {width}" for width, value in share.items())
        + ".",
    ]
    if not math.isnan(first["triangular"]):
        lines.append(f"* A known structure of low rank, built on a graph, has the loss {first['triangular']:.4g}.")
    return "\n".join(lines)
