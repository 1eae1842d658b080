"""Tables of the pages that compare networks: one row a network, a weight decay, or a width."""

from __future__ import annotations

import pandas as pd

from nrc_core.results.criteria import last_sites, verdicts, weight_sites
from nrc_core.results.results import Results

AT_RANK = {"nrc1": "noise_at_rank", "nrc3": "cosine", "nrc3_sine": "sine"}


def by_network(results: Results) -> pd.DataFrame:
    """One row a network, at the end of training.

    Columns: `key`, `seed`, `weight_decay`, `width` (of the hidden layers), `shuffled` (targets); at the
    last weight site `noise`, `alignment` (NRC3), `feature_effective_rank`, `feature_stable_rank` and
    `target_stable_rank`; `weight_stable_rank`, the mean over the weights between hidden layers; `train`
    and `test`, the shares of the target variance left unexplained; `collapsed_from`, `output_rank`,
    `target_rank` and `over_collapsed` as in `Verdict`.
    """
    sites = weight_sites(results.final()).sort_values("site")
    last = last_sites(results.final())
    hidden = sites[sites.groupby("key").cumcount().gt(0) & sites.groupby("key").cumcount(ascending=False).gt(0)]
    test = results.final("test").groupby("key")[["network_mse", "target_variance"]].first()
    found = pd.DataFrame(
        {
            "key": verdict.key,
            "seed": verdict.seed,
            "train": verdict.unexplained,
            "collapsed_from": verdict.collapsed_from,
            "output_rank": verdict.output_rank,
            "target_rank": verdict.target_rank,
            "over_collapsed": verdict.over_collapsed,
        }
        for verdict in verdicts(results.final())
    ).set_index("key")
    quantities = {"nrc1": "noise", "nrc3": "alignment"} | {
        name: name for name in ("feature_effective_rank", "feature_stable_rank", "target_stable_rank")
    }
    return (
        kinds(results)
        .set_index("key")
        .join(found)
        .join(last[list(quantities)].rename(columns=quantities))
        .assign(
            test=test["network_mse"] / test["target_variance"],
            weight_stable_rank=hidden.groupby("key")["weight_stable_rank"].mean(),
        )
        .reset_index()
    )


def kinds(results: Results) -> pd.DataFrame:
    """What tells the networks apart: `key`, `weight_decay`, `width` of the hidden layers, `shuffled` targets."""
    runs = results.runs[["key", "weight_decay", "width"]]
    return runs.assign(shuffled=results.runs["shuffled"].eq(True)).drop_duplicates("key")


def at_rank(results: Results, rank: int) -> pd.DataFrame:
    """Noise and alignment of the top `rank` directions, one row a network and weight site.

    Columns: `key`, `site`, `width`, `shuffled`, `noise_at_rank`, and the mean `cosine` and `sine` of the
    angles between the top directions of the features and of the weight.

    Raises:
        ValueError: a rank that was not measured.
    """
    curves = curves_in_rank(results)
    if rank not in set(curves["k"]):
        raise ValueError(f"rank must be from 1 to {curves['k'].max()}: got {rank}")
    return curves[curves["k"] == rank].drop(columns="k").rename(columns=AT_RANK).reset_index(drop=True)


def curves_in_rank(results: Results) -> pd.DataFrame:
    """The metrics as curves in the rank `k`, one row a network, weight site and k; with `width` and `shuffled`."""
    sites = weight_sites(results.final())[["key", "site"]]
    curves = results.final_spectra()[["key", "site", "k", *AT_RANK]].merge(sites, on=["key", "site"])
    return curves.merge(kinds(results)[["key", "width", "shuffled"]], on="key")


def by_weight_decay(results: Results) -> pd.DataFrame:
    """One row a weight decay: medians over its networks, ranges in brackets where there are several.

    *All four from* is the first site from which on all four conditions hold to the last; *noise* and
    *NRC3* are at the last weight site; *train* and *test* the shares of the target variance left
    unexplained.
    """
    rows = [
        {
            "weight decay": value,
            "networks": len(group),
            "all four from": _first(group["collapsed_from"]),
            "noise": group["noise"].median(),
            "NRC3": group["alignment"].median(),
            "stable rank of weights": group["weight_stable_rank"].mean(),
            "train": _spread(group["train"]),
            "test": _spread(group["test"]),
            "over-collapsed": int(group["over_collapsed"].sum()),
        }
        for value, group in by_network(results).groupby("weight_decay")
    ]
    return pd.DataFrame(rows).set_index("weight decay")


def by_width(results: Results, rank: int) -> pd.DataFrame:
    """One row for each kind of targets and width: medians over the networks, at the last weight site.

    *r* is `rank`, *t* the number of targets; *cosine* and *sine* are means over the r angles between the
    top directions of features and weight; *train* and *test* the shares of the target variance left
    unexplained.

    Raises:
        ValueError: a rank that was not measured.
    """
    top = at_rank(results, rank).sort_values("site").groupby("key").tail(1)
    table = by_network(results).merge(top[["key", *AT_RANK.values()]], on="key")
    shown = {
        "noise_at_rank": "noise at r",
        "noise": "noise at t",
        "feature_effective_rank": "feature directions (99 %)",
        "feature_stable_rank": "feature stable rank",
        "target_stable_rank": "target stable rank",
        "cosine": "cosine",
        "sine": "sine",
        "train": "train",
        "test": "test",
    }
    medians = table.groupby(["shuffled", "width"])[list(shown)].median().rename(columns=shown)
    return medians.rename(index={False: "true", True: "shuffled"}, level=0).rename_axis(["targets", "width"])


def _first(sites: pd.Series) -> str:
    held = sites.dropna().astype(int)
    if held.empty:
        return "no"
    first = f"{held.min()}" if held.min() == held.max() else f"{held.min()} or {held.max()}"
    return first if len(held) == len(sites) else f"{first} ({len(held)} of {len(sites)})"


def _spread(values: pd.Series) -> str:
    middle = f"{values.median():.3g}"
    return middle if len(values) == 1 else f"{middle} ({values.min():.3g} to {values.max():.3g})"
