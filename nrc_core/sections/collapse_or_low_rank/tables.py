"""Tables of the section on collapse against low rank."""

import math

import pandas as pd

from nrc_core.results.results import Results
from nrc_core.sections.class_descents import full_rank_by, starts, varied


def by_scale(results: Results) -> pd.DataFrame:
    """The descents of the width with the most sizes of the start, from the largest size on, see `descents`."""
    return varied(results, "init_scale", by="width").iloc[::-1]


def by_width(results: Results) -> pd.DataFrame:
    """The descents of the size of the start with the most widths, see `descents`."""
    return varied(results, "width", by="init_scale")


def smallest_starts(results: Results) -> pd.DataFrame:
    """The descents from the smallest starts."""
    table = by_scale(results)
    return table[table["init_scale"] == table["init_scale"].min()]


def norms(classes: range, depths: range) -> pd.DataFrame:
    """How structures of low rank compare with collapse, see `relative_norm`: depths in rows, classes in columns."""
    from nrc_core.theory.deep_features import relative_norm

    return pd.DataFrame({k: {depth: relative_norm(k, depth) for depth in depths} for k in classes})


def ranks_by_layer(results: Results) -> pd.DataFrame:
    """The median rank before and after every ReLU, by size of the start and width.

    Returns:
        One row for each kind of descent, one column for each signal: `H1` (the features), the outputs of the weights
        before and after their ReLU, and the output of the last weight.
    """
    table = starts(results).merge(results.runs[["key", "init_scale", "width", "depth"]], on="key")
    table = table[table["quantity"].isin(["rank", "rank_after"])]
    after = table["quantity"] == "rank_after"
    names = "W" + table["index"].astype(str) + after.map({True: ", after ReLU", False: ""})
    table["signal"] = names.mask(table["index"] == 0, "H1")
    order = table.sort_values(["index", "quantity"])["signal"].drop_duplicates()
    medians = table.pivot_table(index=["init_scale", "width"], columns="signal", values="value", aggfunc="median")
    return medians[list(order)].rename_axis(columns=None)


def words(results: Results) -> str:
    """What the descents show, in a sentence for each finding."""
    small = smallest_starts(results)
    below = small["end"] < small["collapse"]
    fewer = below & ~small["full_rank"]
    first = small.iloc[0]
    shares = full_rank_by(by_width(results), "width")
    lines = [
        "**Collapse is not the best with several weights and ReLU: "
        f"from small starts, {fewer.sum()} of {len(small)} descents end below its loss, in fewer directions than "
        "classes.**",
        "",
        f"* The loss of collapse is {first['collapse']:.4g}; the best of these descents has {small['end'].min():.4g}.",
        "* As many directions as classes: "
        + ", ".join(f"{share:.0%} of the starts at width {width}" for width, share in shares.items())
        + ".",
    ]
    if not math.isnan(first["triangular"]):
        lines.append(f"* A known structure of low rank, built on a graph, has the loss {first['triangular']:.4g}.")
    return "\n".join(lines)
