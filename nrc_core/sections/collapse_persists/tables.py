"""Tables of the section on collapse despite low-rank bias."""

from typing import Any

import pandas as pd

from nrc_core.results.results import Results

STRUCTURES = ("collapse", "pairs", "planar")  # those of `nrc_core.theory.cross_entropy`
RANK_SHARE = 0.01  # singular values of the logits above this share of the largest count
SHAPE = ["classes", "depth", "width", "decay", "samples"]
CLOSE = 1.001  # a loss of this multiple of a structure's loss is that of the structure


def descents(results: Results) -> pd.DataFrame:
    """The end of every descent beside the losses of the known structures: one row for each.

    Returns:
        Columns `key, seed` (the start), those in `SHAPE`, `loss`, `rank` (of the logits), and the losses `collapse`,
        `pairs` and `planar`.
    """
    return results.once("class descents", _descents).copy()


def _descents(results: Results) -> pd.DataFrame:
    ends = results.descent.drop(columns="seed").rename(columns={"start": "seed"})
    values = ends[ends["quantity"] == "singular_value"]
    ranks = (values["value"] > RANK_SHARE).groupby([values["key"], values["seed"]]).sum().rename("rank")
    losses = ends[ends["quantity"] == "loss"].set_index(["key", "seed"])["value"].rename("loss")
    table = results.label(pd.concat([losses, ranks], axis=1).reset_index(), *SHAPE)
    known = results.runs[["key"]].copy()
    for structure in STRUCTURES:
        known[structure] = [_loss(structure, run) for run in results.runs[SHAPE].to_dict("records")]
    return table.merge(known, on="key")


def _loss(structure: str, run: dict[str, Any]) -> float:
    from nrc_core.theory.cross_entropy import cross_entropy_ufm_loss  # imports torch, which takes seconds

    given = {name: int(run[name]) for name in ("classes", "depth", "samples")}
    return cross_entropy_ufm_loss(structure, **given, decay=float(run["decay"]))


def by_depth(results: Results) -> pd.DataFrame:
    """The descents of the most common width, in the order of the depth."""
    table = descents(results)
    return table[table["decay"] != _of_widths(table)].sort_values("depth", kind="stable")


def by_width(results: Results) -> pd.DataFrame:
    """The descents of the decay with which several widths were tried, in the order of the width."""
    table = descents(results)
    return table[table["decay"] == _of_widths(table)].sort_values("width", kind="stable")


def _of_widths(table: pd.DataFrame) -> float:
    """The decay with the most widths."""
    return float(table.groupby("decay")["width"].nunique().idxmax())


def collapsed(table: pd.DataFrame) -> pd.Series:
    """Which descents have ended at collapse: K - 1 directions, with the loss of collapse."""
    return (table["rank"] == table["classes"] - 1) & (table["loss"] <= CLOSE * table["collapse"])


def shares(results: Results) -> pd.DataFrame:
    """How many descents ended at each rank, by width: one row for each width, one column for each rank."""
    table = by_width(results)
    return pd.crosstab(table["width"], table["rank"])


def words(results: Results) -> str:
    """What the descents show, in a sentence for each finding."""
    wide, deep = by_width(results), by_depth(results)
    share = collapsed(wide).groupby(wide["width"]).mean()
    first, last = share.index[0], share.index[-1]
    best = deep.loc[deep.groupby("depth")["loss"].idxmin()]
    below = best[best["loss"] < best["collapse"] * (1 - 1e-6)]
    ranks = ", ".join(f"{row.rank} with {row.depth}" for row in best.itertuples())
    return "\n".join(
        [
            "**Collapse is not the best, and yet it is what wide models find: "
            f"{share[last]:.0%} of the starts at width {last}, {share[first]:.0%} at width {first}.**",
            "",
            f"* In {len(below)} of {len(best)} depths, the best descent has a lower loss than collapse.",
            f"* The rank of the best logits falls with the number of weights: {ranks}. Collapse has "
            f"{int(best['classes'].iloc[0]) - 1}.",
        ]
    )
