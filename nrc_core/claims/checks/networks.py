"""Checks on networks of one configuration: where the conditions hold, ranks, losses."""

from __future__ import annotations

import pandas as pd

from nrc_core.claims.checks.observation import (
    Evidence,
    Limits,
    Observation,
    collapsed_sites,
    networks,
    observe,
    rank_correlation,
)
from nrc_core.results.criteria import error_most, first_site, holds
from nrc_core.sections import dynamics


def condition_once_collapsed(evidence: Evidence, limits: Limits, *, condition: str) -> Observation:
    """The worst value of one condition from the first collapsed site on; at the last site where none is."""
    at_least = condition in ("nrc2", "nrc3")
    found = []
    for network, rows in networks(evidence):
        if condition == "nrc4":
            rows = rows.assign(nrc4=rows["nrc4"] / error_most(rows, limits))
        collapsed = collapsed_sites(rows, limits)
        values = rows[condition][rows["site"].isin(collapsed["site"])]
        value = rows[condition].iloc[-1] if values.empty else values.min() if at_least else values.max()
        limit = _limit(condition, limits)
        good = value >= limit if at_least else value <= limit
        found.append(network | {"value": value, "holds": bool(good) and len(collapsed) > 0})
    quantity = {
        "nrc1": "noise at the last site",
        "nrc2": "lowest alignment with the targets in the collapsed sites",
        "nrc3": "lowest alignment with the weights in the collapsed sites",
        "nrc4": "largest linear prediction error in the collapsed sites, over what is allowed",
    }[condition]
    return observe(quantity, _limit(condition, limits), found, at_least=at_least)


def _limit(condition: str, limits: Limits) -> float:
    if condition == "nrc4":
        return 1.0
    return limits["noise_most" if condition == "nrc1" else "alignment_least"]


def sites_below_the_last(evidence: Evidence, limits: Limits, *, condition: str = "all") -> Observation:
    """How many sites before the last belong to the unbroken run of collapsed sites that ends there."""
    found = []
    for network, rows in networks(evidence):
        flags = holds(rows, limits)
        first = first_site(flags.all(axis=1) if condition == "all" else flags[condition], rows["site"])
        last = int(rows["site"].iloc[-1])
        found.append(network | {"value": 0 if first is None else last - first})
    what = "with all four conditions" if condition == "all" else f"with {condition.upper()}"
    return observe(f"sites before the last {what}, unbroken to the last", 1.0, found, at_least=True)


def trend_with_depth(evidence: Evidence, limits: Limits) -> Observation:
    """The weakest of the three rank correlations with depth: of less noise, and of both alignments."""
    found = []
    for network, rows in networks(evidence):
        signed = {"nrc1": -1, "nrc2": 1, "nrc3": 1}
        trends = [sign * rank_correlation(rows["site"], rows[name]) for name, sign in signed.items()]
        found.append(network | {"value": min(trends)})
    quantity = "weakest rank correlation of depth with less noise, NRC2 and NRC3"
    return observe(quantity, limits["trend_least"], found, at_least=True)


def conditions_together(evidence: Evidence, limits: Limits) -> Observation:
    """Of the collapsed sites, the share at which all four conditions hold; 0 where no site is collapsed."""
    found = []
    for network, rows in networks(evidence):
        flags = holds(collapsed_sites(rows, limits), limits)
        found.append(network | {"value": flags.all(axis=1).mean() if len(flags) else 0.0})
    return observe("share of the collapsed sites at which all four conditions hold", 1.0, found, at_least=True)


def collapsed_means_predictive(evidence: Evidence, limits: Limits) -> Observation:
    """Sites with NRC1 and NRC2 but without NRC4: a counter-example each."""
    found = []
    for network, rows in networks(evidence):
        flags = holds(rows, limits)
        found.append(network | {"value": int((flags["nrc1"] & flags["nrc2"] & ~flags["nrc4"]).sum())})
    return observe("sites with NRC1 and NRC2 but without NRC4", 0.0, found)


def feature_rank_of_targets(evidence: Evidence, limits: Limits) -> Observation:
    """Largest relative distance of the features' stable rank from the targets', in the collapsed sites."""
    found = []
    for network, rows in networks(evidence):
        collapsed = collapsed_sites(rows, limits)
        judged = collapsed if len(collapsed) else rows.tail(1)
        distance = (judged["feature_stable_rank"] / judged["target_stable_rank"] - 1).abs().max()
        most = limits["stable_rank_deviation_most"]
        found.append(network | {"value": distance, "holds": bool(distance <= most and len(collapsed) > 0)})
    quantity = "largest relative distance of the features' stable rank from the targets' in the collapsed sites"
    return observe(quantity, limits["stable_rank_deviation_most"], found)


def low_rank_weights(evidence: Evidence, limits: Limits) -> Observation:
    """Largest stable rank of a weight in the collapsed sites, over the target dimension."""
    found = []
    for network, rows in networks(evidence):
        collapsed = collapsed_sites(rows, limits)
        judged = collapsed if len(collapsed) else rows.tail(1)
        share = (judged["weight_stable_rank"] / judged["rank"]).max()
        falls = rank_correlation(rows["site"], rows["weight_stable_rank"]) < 0
        good = share <= limits["weight_rank_factor"] and len(collapsed) > 0 and falls
        found.append(network | {"value": share, "holds": bool(good)})
    quantity = "largest stable rank of a weight in the collapsed sites, in target dimensions"
    return observe(quantity, limits["weight_rank_factor"], found)


def rank_one_targets(evidence: Evidence, limits: Limits) -> Observation:
    """Share of the target variance in its first direction; the networks of a page have the same targets."""
    found = []
    for results in evidence.values():
        table = results.label(results.final(), "dataset")
        last = table.iloc[0]
        found.append({"group": last["dataset"], "seed": -1, "value": 1 / last["target_stable_rank"]})
    quantity = "share of the target variance in its first direction"
    return observe(quantity, limits["rank_one_share_least"], found, at_least=True, strict=True)


def losses_settle(evidence: Evidence, limits: Limits) -> Observation:
    """The generalisation gap, where both losses have also settled by the end of training."""
    found = []
    for results in evidence.values():
        settled = dynamics.timing(results, limits).set_index("key")["settled"].notna()
        for row in dynamics.generalisation_gap(results).itertuples():
            good = settled[row.key] and row.gap <= limits["gap_most"]
            found.append({"group": row.dataset, "seed": row.seed, "value": row.gap, "holds": bool(good)})
    quantity = "test error less training error, over the target variance (both losses must have settled too)"
    return observe(quantity, limits["gap_most"], found)


def generalisation_gap(evidence: Evidence, limits: Limits) -> Observation:
    """Test error less training error, over the target variance, by data set and split; each network once."""
    gaps = pd.concat([dynamics.generalisation_gap(results) for results in evidence.values()]).drop_duplicates("key")
    found = [
        {"group": f"{row.dataset}, {row.split} split", "seed": row.seed, "value": row.gap} for row in gaps.itertuples()
    ]
    return observe("test error less training error, over the target variance", limits["gap_most"], found)


def collapse_after_settling(evidence: Evidence, limits: Limits) -> Observation:
    """Epoch of the onset of noise suppression over the epoch at which both losses have settled.

    Networks that never collapse, or whose losses never settle, say nothing, nor do those where the
    measured epochs leave open which came first.
    """
    found = []
    for results in evidence.values():
        for row in dynamics.timing(results, limits).dropna(subset="settled").itertuples():
            if row.collapse in ("before", "after"):
                found.append({"group": row.dataset, "seed": row.seed, "value": row.at_most / row.settled})
    quantity = "epoch at which NRC1 has set in over the epoch at which both losses have settled"
    return observe(quantity, 1.0, found, at_least=True, strict=True)


NETWORKS = {
    function.__name__: function
    for function in (
        condition_once_collapsed,
        sites_below_the_last,
        trend_with_depth,
        conditions_together,
        collapsed_means_predictive,
        feature_rank_of_targets,
        low_rank_weights,
        rank_one_targets,
        losses_settle,
        generalisation_gap,
        collapse_after_settling,
    )
}
