"""Checks on networks with targets of lower rank than their number, and on their control with shuffled targets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd

from nrc_core.claims.checks.networks import rank_distance
from nrc_core.claims.checks.observation import Evidence, Found, Limits, Value, check, judged_sites
from nrc_core.results.criteria import weight_sites
from nrc_core.results.results import Results
from nrc_core.sections.low_rank_targets.tables import at_rank
from nrc_core.sections.recipes import INTRINSIC_RANK

NOISE = "noise_at_rank"
Network = tuple[dict[str, Any], pd.DataFrame, int]


def _at_rank(evidence: Evidence, *, shuffled: bool) -> Iterator[Network]:
    """Every network of low-rank pages: its weight sites with the metrics at the intrinsic rank, and that rank."""
    for results in evidence.values():
        for network, rows, rank in results.once("at the intrinsic rank", _measured_at_rank)[shuffled]:
            yield dict(network), rows, rank


def _measured_at_rank(results: Results) -> dict[bool, list[Network]]:
    found: dict[bool, list[Network]] = {False: [], True: []}
    columns = ["key", "site", "feature_stable_rank", "target_stable_rank", "feature_effective_rank"]
    sites = weight_sites(results.final())[columns]
    for dataset, runs in results.runs.groupby("dataset", sort=False):
        rank = INTRINSIC_RANK[str(dataset)]
        top = at_rank(results.where(dataset=dataset), rank)
        seeds = runs.set_index("key")["seed"]
        for shuffled, networks in found.items():
            table = top[top["shuffled"] == shuffled].merge(sites, on=["key", "site"])
            for key, rows in table.groupby("key", sort=False):
                network = {"group": f"{dataset}, {rows['width'].iloc[0]} wide", "seed": int(seeds[key])}
                networks.append((network, rows.sort_values("site"), rank))
    return found


_true, _shuffled = partial(_at_rank, shuffled=False), partial(_at_rank, shuffled=True)


@check(limit="noise_most", over=_true, reads="spectra")
def noise_at_rank(rows: pd.DataFrame, _: int) -> Value:
    """Noise at the last site outside the intrinsic rank."""
    return rows[NOISE].iloc[-1]


@check(limit=lambda limits, most: limits[most], over=_true, reads="spectra")
def rank_of_low_rank_targets(rows: pd.DataFrame, _: int, limits: Limits, most: str) -> Found:
    """Largest relative distance of stable ranks in the collapsed sites."""
    judged, collapsed = judged_sites(rows, limits, NOISE)
    distance = rank_distance(judged)
    return distance, collapsed and distance <= limits[most]


@check(limit="alignment_least", over=_true, at_least=True, reads="spectra")
def alignment_at_rank(rows: pd.DataFrame, _: int, limits: Limits) -> Found:
    """Lowest mean cosine at the intrinsic rank in the collapsed sites."""
    judged, collapsed = judged_sites(rows, limits, NOISE)
    least, cosine = limits["alignment_least"], judged["cosine"].min()
    return cosine, collapsed and cosine >= least and judged["sine"].max() <= (1 - least**2) ** 0.5


@check(limit=1.0, over=_true, reads="spectra")
def intrinsic_dimension(rows: pd.DataFrame, rank: int, limits: Limits) -> Found:
    """Directions with 99 % of the variance at the last site, over the intrinsic rank."""
    last = rows.iloc[-1]
    ratio = last["feature_effective_rank"] / rank
    return ratio, ratio == 1 and last[NOISE] <= limits["noise_most"]


@check(limit="noise_most", over=_shuffled, at_least=True, strict=True, reads="spectra")
def shuffled_targets_do_not_collapse(rows: pd.DataFrame, _: int) -> Value:
    """Noise at the last site outside the intrinsic rank, with shuffled targets."""
    return rows[NOISE].iloc[-1]
