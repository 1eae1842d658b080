"""Checks that compare networks of several weight decays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from nrc_core.claims.checks.observation import Evidence, Limits, Observation, networks, observe, rank_correlation
from nrc_core.results.criteria import first_site, holds, last_sites
from nrc_core.theory.bounds import decay_beyond_targets

LAST = 4  # sites that "near the output" means


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


def _against_others(
    evidence: Evidence, weight_decay: float
) -> Iterator[tuple[dict[str, Any], pd.DataFrame, list[pd.DataFrame]]]:
    """Every seed that has a network at one weight decay: its sites, and those of the networks at all others."""
    for network, sites in _by_seed(evidence):
        if weight_decay in sites:
            yield network, sites[weight_decay], [rows for value, rows in sites.items() if value != weight_decay]


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
    for network, errors in _losses(evidence):
        if weight_decay in errors.columns:
            ratios = errors[weight_decay] / errors.min(axis=1)
            found.append(network | {"value": float(ratios.min())})
    quantity = f"loss at weight decay {weight_decay:g} over the lowest of all (training or test, the smaller ratio)"
    return observe(quantity, limits["loss_factor"], found, at_least=True)


def _losses(evidence: Evidence) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Every seed of every data set with several weight decays: training and test loss by weight decay, a row each."""
    for results in evidence.values():
        tables = [results.label(results.final(split), "dataset", "weight_decay") for split in ("train", "test")]
        losses = pd.concat([table.groupby("key", sort=False).first() for table in tables])
        for (dataset, seed), rows in losses.groupby(["dataset", "seed"], sort=False):
            errors = rows.pivot(index="split", columns="weight_decay", values="network_mse")
            if errors.shape[1] > 1:
                yield {"group": dataset, "seed": int(seed)}, errors


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
        others = [rows["nrc1"].iloc[-1] for value, rows in sites.items() if value != excluded]
        found.append(network | {"value": max(others)})
    quantity = f"largest noise at the last site, weight decays other than {excluded:g}"
    return observe(quantity, limits["noise_most"], found)


def earlier_collapse_at(evidence: Evidence, limits: Limits, *, weight_decay: float) -> Observation:
    """Sites by which the first collapsed one lies before the earliest of all other weight decays."""
    found = []
    for network, rows, others in _against_others(evidence, weight_decay):
        first, *rest = (first_site(holds(one, limits)["nrc1"], one["site"]) for one in (rows, *others))
        none = int(rows["site"].iloc[-1]) + 1
        firsts = [none if site is None else site for site in (first, *rest)]
        found.append(network | {"value": min(firsts[1:]) - firsts[0]})
    quantity = f"sites by which collapse (NRC1) starts earlier at weight decay {weight_decay:g} than at any other"
    return observe(quantity, 1.0, found, at_least=True)


def alignment_only_at(evidence: Evidence, limits: Limits, *, weight_decay: float) -> Observation:
    """Aligned sites (NRC3) at one weight decay, which must be enough while they are too few at all others."""
    found = []
    for network, rows, others in _against_others(evidence, weight_decay):
        here, *there = (int(holds(one, limits)["nrc3"].sum()) for one in (rows, *others))
        least = limits["sites_least"]
        found.append(network | {"value": here - max(there), "holds": here >= least > max(there)})
    quantity = f"sites with NRC3 at weight decay {weight_decay:g}, less the most at any other"
    return observe(quantity, 1.0, found, at_least=True)


def lower_weight_rank_at(evidence: Evidence, limits: Limits, *, weight_decay: float) -> Observation:
    """Mean stable rank of the weights at one weight decay over the lowest of all others."""
    found = []
    for network, rows, others in _against_others(evidence, weight_decay):
        lowest = min(one["weight_stable_rank"].mean() for one in others)
        found.append(network | {"value": rows["weight_stable_rank"].mean() / lowest})
    quantity = f"mean stable rank of the weights at weight decay {weight_decay:g} over the lowest at any other"
    return observe(quantity, 1.0, found, strict=True)


def noisier_than_at(evidence: Evidence, limits: Limits, *, weight_decay: float) -> Observation:
    """Least mean noise over the last sites among the other weight decays, over that at one."""
    found = []
    for network, rows, others in _against_others(evidence, weight_decay):
        least = min(one["nrc1"].tail(LAST).mean() for one in others)
        found.append(network | {"value": least / rows["nrc1"].tail(LAST).mean()})
    quantity = f"least noise at any other weight decay over that at {weight_decay:g}, means over the last {LAST} sites"
    return observe(quantity, limits["noise_factor"], found, at_least=True, strict=True)


def misaligned_but_at(evidence: Evidence, limits: Limits, *, weight_decay: float) -> Observation:
    """Largest mean NRC3 over the last sites among the other weight decays; at the one it must be high."""
    found = []
    for network, rows, others in _against_others(evidence, weight_decay):
        here, *there = (one["nrc3"].tail(LAST).mean() for one in (rows, *others))
        good = here >= limits["alignment_least"] and max(there) < limits["misaligned_below"]
        found.append(network | {"value": max(there), "holds": bool(good)})
    quantity = f"largest NRC3 at any weight decay but {weight_decay:g} (where it must be high), last {LAST} sites' mean"
    return observe(quantity, limits["misaligned_below"], found, strict=True)


def weight_rank_falls(evidence: Evidence, limits: Limits) -> Observation:
    """Steps from one weight decay to the next larger at which the mean stable rank of the weights does not fall."""
    found = []
    for network, sites in _by_seed(evidence):
        ranks = pd.Series([sites[value]["weight_stable_rank"].mean() for value in sorted(sites)])
        found.append(network | {"value": int((ranks.diff().dropna() >= 0).sum())})
    return observe("steps up in weight decay without a fall of the weights' mean stable rank", 0.0, found)


def loss_as_low_as_at(evidence: Evidence, limits: Limits, *, weight_decay: float) -> Observation:
    """Loss at the worst of the other weight decays over that at one, the larger ratio of training and test loss."""
    found = []
    for network, errors in _losses(evidence):
        if weight_decay in errors.columns:
            ratios = errors.drop(columns=weight_decay).max(axis=1) / errors[weight_decay]
            found.append(network | {"value": float(ratios.max())})
    quantity = (
        f"largest loss at any other weight decay over that at {weight_decay:g} (training or test, the larger ratio)"
    )
    return observe(quantity, limits["loss_factor"], found)


WEIGHT_DECAY = {
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
        noisier_than_at,
        misaligned_but_at,
        weight_rank_falls,
        loss_as_low_as_at,
    )
}
