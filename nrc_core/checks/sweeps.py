"""Checks that compare networks of several configurations: weight decays, widths, shuffled targets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from nrc_core.bounds import decay_beyond_targets
from nrc_core.checks.observation import Evidence, Limits, Observation, networks, observe, rank_correlation
from nrc_core.recipes import INTRINSIC_RANK
from nrc_core.runs import Results
from nrc_core.sweeps import at_rank
from nrc_core.verdicts import first_site, holds, last_sites, weight_sites


def _by_seed(evidence: Evidence) -> Iterator[tuple[dict[str, Any], dict[float, pd.DataFrame]]]:
    """Every seed of every data set with several weight decays: its networks' weight sites by weight decay."""
    for results in evidence.values():
        families: dict[tuple[str, int], dict[float, pd.DataFrame]] = {}
        for network, rows in networks({"": results}):
            family = families.setdefault((network["group"], network["seed"]), {})
            family[float(rows["weight_decay"].iloc[0])] = rows
        for (dataset, seed), sites in families.items():
            if len(sites) > 1:
                yield {"group": dataset, "seed": seed}, sites


def _chosen(sites: dict[float, pd.DataFrame], value: float) -> tuple[pd.DataFrame | None, dict[float, pd.DataFrame]]:
    """The network with one weight decay, and the others."""
    return sites.get(value), {other: rows for other, rows in sites.items() if other != value}


def no_collapse_without_weight_decay(evidence: Evidence, limits: Limits) -> Observation:
    """Sites at which all four conditions hold in the network trained without weight decay."""
    found = []
    for network, sites in _by_seed(evidence):
        if (rows := sites.get(0.0)) is not None:
            found.append(network | {"value": int(holds(rows, limits).all(axis=1).sum())})
    return observe("sites with all four conditions at weight decay 0", 0.0, found)


def noise_and_alignment_at(evidence: Evidence, limits: Limits, *, weight_decay: float) -> Observation:
    """Sites at which NRC1 and NRC3 hold at one weight decay."""
    found = []
    for network, sites in _by_seed(evidence):
        if (rows := sites.get(weight_decay)) is not None:
            flags = holds(rows, limits)
            found.append(network | {"value": int((flags["nrc1"] & flags["nrc3"]).sum())})
    quantity = f"sites with NRC1 and NRC3 at weight decay {weight_decay:g}"
    return observe(quantity, limits["sites_least"], found, at_least=True)


def loss_at(evidence: Evidence, limits: Limits, *, weight_decay: float) -> Observation:
    """Loss at one weight decay over the best of all, the smaller of the ratios of training and test loss."""
    found = []
    for results in evidence.values():
        losses = [
            results.label(results.final(split), "dataset", "weight_decay").groupby("key", sort=False).first()
            for split in ("train", "test")
        ]
        for (dataset, seed), train in losses[0].groupby(["dataset", "seed"], sort=False):
            ratios = []
            for one in (train, losses[1].loc[train.index]):
                errors = one.set_index("weight_decay")["network_mse"]
                ratios.append(errors.get(weight_decay, float("nan")) / errors.min())
            if len(train) > 1 and pd.notna(min(ratios)):
                found.append({"group": dataset, "seed": int(seed), "value": min(ratios)})
    quantity = f"loss at weight decay {weight_decay:g} over the lowest of all (training or test, the smaller ratio)"
    return observe(quantity, limits["loss_factor"], found, at_least=True)


def nothing_learned_beyond_targets(evidence: Evidence, limits: Limits) -> Observation:
    """Share of the target variance left unexplained at the largest weight decay, where it is beyond the targets."""
    found = []
    for network, sites in _by_seed(evidence):
        rows = sites[max(sites)]
        first, depth = rows.iloc[0], len(rows)
        strongest = first["rank"] * first["target_variance"] / first["target_stable_rank"]
        if max(sites) >= decay_beyond_targets(strongest, int(first["rank"]), depth):
            found.append(network | {"value": first["network_mse"] / first["target_variance"]})
    quantity = "unexplained share of the target variance at a weight decay beyond the targets"
    return observe(quantity, limits["nothing_learned_least"], found, at_least=True)


def noise_without_alignment(evidence: Evidence, limits: Limits) -> Observation:
    """Lowest NRC3 at the last site among the weight decays at which NRC1 holds there."""
    quantity = "lowest NRC3 among the weight decays with NRC1, at the last site"
    return _lowest_among(evidence, limits, ("nrc1",), "nrc3", limits["misaligned_below"], quantity)


def collapse_without_targets(evidence: Evidence, limits: Limits) -> Observation:
    """Lowest NRC2 at the last site among the weight decays at which NRC1 and NRC3 hold there."""
    quantity = "lowest NRC2 among the weight decays with NRC1 and NRC3, at the last site"
    return _lowest_among(evidence, limits, ("nrc1", "nrc3"), "nrc2", limits["poor_targets_below"], quantity)


def _lowest_among(
    evidence: Evidence, limits: Limits, conditions: tuple[str, ...], column: str, below: float, quantity: str
) -> Observation:
    """The lowest value of a column at the last site among the networks of a seed at which conditions hold there."""
    found = []
    for network, sites in _by_seed(evidence):
        ends = pd.concat([rows.tail(1) for rows in sites.values()])
        value = float(ends.loc[holds(ends, limits)[list(conditions)].all(axis=1), column].min())
        found.append(network | {"value": value, "holds": value < below})
    return observe(quantity, below, found, strict=True)


def collapse_and_gap(evidence: Evidence, limits: Limits) -> Observation:
    """Rank correlation, over weight decays and seeds, of noise at the last site with the generalisation gap."""
    found = []
    for results in evidence.values():
        train, test = (last_sites(results.label(results.final(split), "dataset")) for split in ("train", "test"))
        train = train.dropna(subset="nrc1")  # a network that vanished has no noise to speak of
        gap = (test["network_mse"] - train["network_mse"])[train.index] / train["target_variance"]
        if results.runs["weight_decay"].nunique() > 2:
            value = rank_correlation(train["nrc1"], gap)
            found.append({"group": train["dataset"].iloc[0], "seed": -1, "value": value})
    quantity = "rank correlation of noise at the last site with the generalisation gap, over weight decays and seeds"
    return observe(quantity, limits["trend_least"], found, at_least=True)


def noise_at_every(evidence: Evidence, limits: Limits, *, excluded: float) -> Observation:
    """Largest noise at the last site among all weight decays but one."""
    found = []
    for network, sites in _by_seed(evidence):
        _, others = _chosen(sites, excluded)
        found.append(network | {"value": max(rows["nrc1"].iloc[-1] for rows in others.values())})
    quantity = f"largest noise at the last site, weight decays other than {excluded:g}"
    return observe(quantity, limits["noise_most"], found)


def earlier_collapse_at(evidence: Evidence, limits: Limits, *, weight_decay: float) -> Observation:
    """Sites by which the first collapsed one lies before the earliest of all other weight decays."""
    found = []
    for network, sites in _by_seed(evidence):
        rows, others = _chosen(sites, weight_decay)
        if rows is None:
            continue
        first, *rest = (first_site(holds(one, limits)["nrc1"], one["site"]) for one in (rows, *others.values()))
        none = int(rows["site"].iloc[-1]) + 1
        firsts = [none if site is None else site for site in (first, *rest)]
        found.append(network | {"value": min(firsts[1:]) - firsts[0]})
    quantity = f"sites by which collapse (NRC1) starts earlier at weight decay {weight_decay:g} than at any other"
    return observe(quantity, 1.0, found, at_least=True)


def alignment_only_at(evidence: Evidence, limits: Limits, *, weight_decay: float) -> Observation:
    """Aligned sites (NRC3) at one weight decay, which must be enough while they are too few at all others."""
    found = []
    for network, sites in _by_seed(evidence):
        rows, others = _chosen(sites, weight_decay)
        if rows is None:
            continue
        here, *there = (int(holds(one, limits)["nrc3"].sum()) for one in (rows, *others.values()))
        least = limits["sites_least"]
        found.append(network | {"value": here - max(there), "holds": here >= least > max(there)})
    quantity = f"sites with NRC3 at weight decay {weight_decay:g}, less the most at any other"
    return observe(quantity, 1.0, found, at_least=True)


def lower_weight_rank_at(evidence: Evidence, limits: Limits, *, weight_decay: float) -> Observation:
    """Mean stable rank of the weights at one weight decay over the lowest of all others."""
    found = []
    for network, sites in _by_seed(evidence):
        rows, others = _chosen(sites, weight_decay)
        if rows is not None:
            lowest = min(one["weight_stable_rank"].mean() for one in others.values())
            found.append(network | {"value": rows["weight_stable_rank"].mean() / lowest})
    quantity = f"mean stable rank of the weights at weight decay {weight_decay:g} over the lowest at any other"
    return observe(quantity, 1.0, found, strict=True)


def _at_rank(results: Results, *, shuffled: bool) -> Iterator[tuple[dict[str, Any], pd.DataFrame, int]]:
    """Every network of a low-rank page: group, seed, its weight sites with the metrics at the intrinsic rank."""
    for dataset, runs in results.runs.groupby("dataset", sort=False):
        rank = INTRINSIC_RANK[str(dataset)]
        top = at_rank(results.where(dataset=dataset), rank)
        columns = ["key", "site", "feature_stable_rank", "target_stable_rank", "feature_effective_rank"]
        table = top[top["shuffled"] == shuffled].merge(weight_sites(results.final())[columns], on=["key", "site"])
        seeds = runs.set_index("key")["seed"]
        for key, rows in table.groupby("key", sort=False):
            network = {"group": f"{dataset}, {rows['width'].iloc[0]} wide", "seed": int(seeds[key])}
            yield network, rows.sort_values("site"), rank


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


SWEEPS = {
    function.__name__: function
    for function in (
        no_collapse_without_weight_decay,
        noise_and_alignment_at,
        loss_at,
        nothing_learned_beyond_targets,
        noise_without_alignment,
        collapse_without_targets,
        collapse_and_gap,
        noise_at_every,
        earlier_collapse_at,
        alignment_only_at,
        lower_weight_rank_at,
        noise_at_rank,
        rank_of_low_rank_targets,
        alignment_at_rank,
        intrinsic_dimension,
        shuffled_targets_do_not_collapse,
    )
}
