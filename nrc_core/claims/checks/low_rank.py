"""Checks of networks with targets of lower rank than their number, and of their control with shuffled targets."""

from functools import partial

import pandas as pd

from nrc_core.claims.checks.networks import rank_distance
from nrc_core.claims.checks.observation import Found, Items, Limits, Value, check
from nrc_core.claims.checks.subjects import COLLAPSED, collapsed_sites, final_sites, kept, parts
from nrc_core.results.criteria import over_collapsed
from nrc_core.results.results import Results
from nrc_core.sections.low_rank_targets.tables import at_rank, curves_in_rank
from nrc_core.sections.recipes import INTRINSIC_RANK

NOISE = "noise_at_rank"


@kept
def _at_rank(results: Results, *, shuffled: bool = False) -> Items:
    """Yield the weight sites of every network with the metrics at the intrinsic rank, and this `intrinsic_rank`."""
    columns = ["key", "site", "seed", "feature_stable_rank", "target_stable_rank", "over_collapsed"]
    sites = final_sites(results)[columns]
    for dataset in results.runs["dataset"].unique():
        rank = INTRINSIC_RANK[dataset]
        top = at_rank(results.where(dataset=dataset), rank).merge(sites, on=["key", "site"])
        top = top[top["shuffled"] == shuffled].assign(dataset=dataset, intrinsic_rank=rank)
        yield from parts(top, group=lambda row: f"{row['dataset']}, {row['width']} wide", order="site")


@check(limit="noise_most", over=_at_rank, reads="spectra")
def noise_at_rank(rows: pd.DataFrame) -> Found:
    """Noise at the last site outside the intrinsic rank (the output must have all directions of the targets too)."""
    return rows[NOISE].iloc[-1], not rows["over_collapsed"].any()


@check(limit=lambda most: most, over=_at_rank, reads="spectra", needs=COLLAPSED)
def rank_of_low_rank_targets(rows: pd.DataFrame, limits: Limits, most: str) -> Found | None:
    """Largest relative distance of stable ranks in the collapsed sites."""
    return rank_distance(collapsed_sites(rows, limits, NOISE), limits[most])


@check(limit="alignment_least", over=_at_rank, at_least=True, reads="spectra", needs=COLLAPSED)
def alignment_at_rank(rows: pd.DataFrame, limits: Limits) -> Found | None:
    """Lowest mean cosine at the intrinsic rank in the collapsed sites."""
    collapsed = collapsed_sites(rows, limits, NOISE)
    if collapsed.empty:
        return None
    sine_most = (1 - limits["alignment_least"] ** 2) ** 0.5
    aligned = (collapsed["cosine"] >= limits["alignment_least"]) & (collapsed["sine"] <= sine_most)
    return collapsed["cosine"].min(), collapsed["sine"].max() <= sine_most, aligned.mean()


@kept
def _curves(results: Results) -> Items:
    """Yield for every network with true targets its noise at the last site by rank, and the `intrinsic_rank`."""
    curves = results.label(curves_in_rank(results), "dataset", "seed")
    last = curves[curves["site"] == curves.groupby("key")["site"].transform("max")]
    over = last["key"].map(over_collapsed(results.final()))
    last = last.assign(intrinsic_rank=last["dataset"].map(INTRINSIC_RANK), over_collapsed=over)
    true = last[~last["shuffled"]]
    yield from parts(true, group=lambda row: f"{row['dataset']}, {row['width']} wide", order="k")


@check(limit=1.0, over=_curves, reads="spectra")
def intrinsic_dimension(curve: pd.DataFrame, limits: Limits) -> Found:
    """Directions that hold nearly all of the variance at the last site, over the intrinsic rank.

    All but a share `dimension_noise_most` of the variance lies in these directions. A ratio below 1 and an
    over-collapsed network fail, because they have lost some of the targets.
    """
    directions = int((curve["nrc1"] > limits["dimension_noise_most"]).sum()) + 1
    ratio = directions / curve["intrinsic_rank"].iloc[0]
    return ratio, ratio >= 1 and not curve["over_collapsed"].any()


@check(
    limit="noise_most",
    over=partial(_at_rank, shuffled=True),
    at_least=True,
    strict=True,
    reads="spectra",
    needs="an output with all directions of its targets",
)
def shuffled_targets_do_not_collapse(rows: pd.DataFrame) -> Value | None:
    """Noise at the last site outside the intrinsic rank, with shuffled targets."""
    return None if rows["over_collapsed"].any() else rows[NOISE].iloc[-1]
