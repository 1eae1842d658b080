"""Checks on networks with targets of lower rank than their number, and on their control with shuffled targets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from nrc_core.claims.checks.observation import Evidence, Limits, Observation, observe
from nrc_core.results.criteria import first_site, weight_sites
from nrc_core.results.results import Results
from nrc_core.sections.low_rank_targets.tables import at_rank
from nrc_core.sections.recipes import INTRINSIC_RANK

Network = tuple[dict[str, Any], pd.DataFrame, int]


def _at_rank(results: Results, *, shuffled: bool) -> Iterator[Network]:
    """Every network of a low-rank page: group, seed, its weight sites with the metrics at the intrinsic rank."""
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


def _collapsed_at_rank(rows: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    first = first_site(rows["noise_at_rank"] <= limits["noise_most"], rows["site"])
    return rows.iloc[:0] if first is None else rows[rows["site"] >= first]


def noise_at_rank(evidence: Evidence, limits: Limits) -> Observation:
    """Noise at the last site outside the intrinsic rank of the targets."""
    found = [
        network | {"value": rows["noise_at_rank"].iloc[-1]}
        for results in evidence.values()
        for network, rows, _ in _at_rank(results, shuffled=False)
    ]
    return observe("noise at the last site outside the intrinsic rank", limits["noise_most"], found)


def rank_of_low_rank_targets(evidence: Evidence, limits: Limits, *, most: str) -> Observation:
    """Largest relative distance of the features' stable rank from the targets', where collapsed at that rank."""
    found = []
    for results in evidence.values():
        for network, rows, _ in _at_rank(results, shuffled=False):
            collapsed = _collapsed_at_rank(rows, limits)
            judged = collapsed if len(collapsed) else rows.tail(1)
            distance = (judged["feature_stable_rank"] / judged["target_stable_rank"] - 1).abs().max()
            found.append(network | {"value": distance, "holds": bool(distance <= limits[most] and len(collapsed))})
    return observe("largest relative distance of stable ranks in the collapsed sites", limits[most], found)


def alignment_at_rank(evidence: Evidence, limits: Limits) -> Observation:
    """Lowest alignment of features and weights at the intrinsic rank, where collapsed; the sine must be low too."""
    cosine_least = limits["alignment_least"]
    sine_most = (1 - cosine_least**2) ** 0.5
    found = []
    for results in evidence.values():
        for network, rows, _ in _at_rank(results, shuffled=False):
            collapsed = _collapsed_at_rank(rows, limits)
            judged = collapsed if len(collapsed) else rows.tail(1)
            cosine, sine = judged["cosine"].min(), judged["sine"].max()
            good = cosine >= cosine_least and sine <= sine_most and len(collapsed) > 0
            found.append(network | {"value": cosine, "holds": bool(good)})
    quantity = "lowest mean cosine at the intrinsic rank in the collapsed sites"
    return observe(quantity, cosine_least, found, at_least=True)


def intrinsic_dimension(evidence: Evidence, limits: Limits) -> Observation:
    """Directions that hold 99 % of the variance at the last site, over the intrinsic rank; noise must be low too."""
    found = []
    for results in evidence.values():
        for network, rows, rank in _at_rank(results, shuffled=False):
            last = rows.iloc[-1]
            ratio = last["feature_effective_rank"] / rank
            good = ratio == 1 and last["noise_at_rank"] <= limits["noise_most"]
            found.append(network | {"value": ratio, "holds": bool(good)})
    return observe("directions with 99 % of the variance at the last site, over the intrinsic rank", 1.0, found)


def shuffled_targets_do_not_collapse(evidence: Evidence, limits: Limits) -> Observation:
    """Noise outside the intrinsic rank in networks that were given shuffled targets."""
    found = [
        network | {"value": rows["noise_at_rank"].iloc[-1]}
        for results in evidence.values()
        for network, rows, _ in _at_rank(results, shuffled=True)
    ]
    quantity = "noise at the last site outside the intrinsic rank, with shuffled targets"
    return observe(quantity, limits["noise_most"], found, at_least=True, strict=True)


LOW_RANK = {
    function.__name__: function
    for function in (
        noise_at_rank,
        rank_of_low_rank_targets,
        alignment_at_rank,
        intrinsic_dimension,
        shuffled_targets_do_not_collapse,
    )
}
