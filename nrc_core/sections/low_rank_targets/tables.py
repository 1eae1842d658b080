"""Noise and alignment by rank, for true and for shuffled targets."""

import pandas as pd

from nrc_core.results.criteria import weight_sites
from nrc_core.results.results import Results
from nrc_core.sections.sweeps import by_network, kinds

AT_RANK = {"nrc1": "noise_at_rank", "nrc3": "cosine", "nrc3_sine": "sine"}


def at_rank(results: Results, rank: int) -> pd.DataFrame:
    """Noise and alignment of the top `rank` directions, one row for each network and weight site.

    Columns: `key`, `site`, `width`, `shuffled`, `noise_at_rank`, and the mean `cosine` and `sine` of the
    angles between the top directions of the features and of the weight.

    Raises:
        ValueError: the rank was not measured.
    """
    curves = curves_in_rank(results)
    if rank not in set(curves["k"]):
        raise ValueError(f"rank must be from 1 to {curves['k'].max()}: got {rank}")
    return curves[curves["k"] == rank].drop(columns="k").rename(columns=AT_RANK).reset_index(drop=True)


def curves_in_rank(results: Results) -> pd.DataFrame:
    """The metrics by rank `k`: one row for each network, weight site and k, with `width` and `shuffled`."""
    sites = weight_sites(results.final())[["key", "site"]]
    curves = results.final_spectra()[["key", "site", "k", *AT_RANK]].merge(sites, on=["key", "site"])
    return curves.merge(kinds(results)[["key", "width", "shuffled"]], on="key")


def by_width(results: Results, rank: int) -> pd.DataFrame:
    """One row for each kind of targets and width: medians over the networks, at the last weight site.

    *r* is `rank` and *t* is the number of targets. *cosine* and *sine* are means over the r angles between the
    top directions of features and weight. *train* and *test* are the shares of the target variance that are left
    unexplained. *over-collapsed* is the number of such networks.

    Raises:
        ValueError: the rank was not measured.
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
    kind = table.groupby(["shuffled", "width"])
    medians = kind[list(shown)].median().rename(columns=shown)
    medians["over-collapsed"] = kind["over_collapsed"].sum().astype(float)
    return medians.rename(index={False: "true", True: "shuffled"}, level=0).rename_axis(["targets", "width"])
