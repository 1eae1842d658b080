"""Checks of networks of one configuration: sites at which the conditions hold, ranks, losses."""

from typing import Any

import pandas as pd

from nrc_core.claims.checks.observation import Evidence, Found, Items, Limits, Value, check
from nrc_core.claims.checks.subjects import COLLAPSED, collapsed_sites, each_row, genuine, networks, rank_correlation
from nrc_core.results.criteria import error_most, first_site, holds
from nrc_core.results.results import Results
from nrc_core.sections import dynamics

ALIGNMENTS = ("nrc2", "nrc3")
# For each condition, the limit of its worst value and the name of this quantity.
ONCE_COLLAPSED: dict[str, tuple[str | float, str]] = {
    "nrc1": ("noise_most", "noise at the last site (the output must have all directions of the targets too)"),
    "nrc2": ("alignment_least", "lowest alignment with the targets in the collapsed sites"),
    "nrc3": ("alignment_least", "lowest alignment with the weights in the collapsed sites"),
    "nrc4": (1.0, "largest linear prediction error in the collapsed sites, over what is allowed"),
}


@check(
    limit=lambda condition: ONCE_COLLAPSED[condition][0],
    over=networks,
    at_least=lambda condition: condition in ALIGNMENTS,
    needs=COLLAPSED,
    quantity=lambda condition: ONCE_COLLAPSED[condition][1],
)
def condition_once_collapsed(rows: pd.DataFrame, limits: Limits, condition: str, sites: str = "every") -> Found | None:
    """The worst value of one condition in the collapsed sites, and the share of these sites at which it holds.

    For NRC1 it is the noise of the last site, and an over-collapsed network fails. A network without collapsed sites
    says nothing about the other conditions. The multiverse asks for other `sites` than "every" collapsed one: the value
    that at least "half" of them reach, or that of the "last".
    """
    if condition == "nrc1":
        return rows["nrc1"].iloc[-1], not rows["over_collapsed"].any()
    collapsed = collapsed_sites(rows, limits)
    if collapsed.empty:
        return None
    values = values_of(condition, collapsed, limits)
    worst = values.min() if condition in ALIGNMENTS else values.max()
    if sites == "half":
        worst = values.sort_values(ascending=condition not in ALIGNMENTS).iloc[(len(values) - 1) // 2]
    if sites == "last":
        worst = values.iloc[-1]
    return worst, True, holds(collapsed, limits)[condition].mean()


def values_of(condition: str, rows: pd.DataFrame, limits: Limits) -> pd.Series:
    """The values of a condition at sites; those of NRC4 are divided by what is allowed, so that their limit is 1."""
    return rows["nrc4"] / error_most(rows, limits) if condition == "nrc4" else rows[condition]


def _what(condition: str = "all") -> str:
    what = "with all four conditions" if condition == "all" else f"with {condition.upper()}"
    return f"sites before the last {what}, unbroken to the last"


@check(limit=1.0, over=networks, at_least=True, quantity=_what)
def sites_below_the_last(rows: pd.DataFrame, limits: Limits, condition: str = "all") -> Value:
    """How many sites before the last belong to the unbroken run of collapsed sites that ends there.

    An over-collapsed network has none.
    """
    flags = genuine(rows, limits)
    first = first_site(flags.all(axis=1) if condition == "all" else flags[condition], rows["site"])
    return 0 if first is None else int(rows["site"].iloc[-1]) - first


@check(limit="trend_least", over=networks, at_least=True)
def trend_with_depth(rows: pd.DataFrame) -> Value:
    """Weakest rank correlation of depth with less noise, NRC2 and NRC3."""
    signed = {"nrc1": -1, "nrc2": 1, "nrc3": 1}
    return min(sign * rank_correlation(rows["site"], rows[name]) for name, sign in signed.items())


@check(limit=1.0, over=networks, at_least=True, needs=COLLAPSED)
def conditions_together(rows: pd.DataFrame, limits: Limits) -> Value | None:
    """Share of the collapsed sites at which all four conditions hold."""
    collapsed = collapsed_sites(rows, limits)
    return None if collapsed.empty else holds(collapsed, limits).all(axis=1).mean()


@check(limit=0.0, over=networks)
def collapsed_means_predictive(rows: pd.DataFrame, limits: Limits) -> Value:
    """Sites with NRC1 and NRC2 but without NRC4."""
    flags = holds(rows, limits)
    return int((flags["nrc1"] & flags["nrc2"] & ~flags["nrc4"]).sum())


@check(limit="stable_rank_deviation_most", over=networks, needs=COLLAPSED)
def feature_rank_of_targets(rows: pd.DataFrame, limits: Limits) -> Found | None:
    """Largest relative distance of the features' stable rank from the targets' in the collapsed sites."""
    return rank_distance(collapsed_sites(rows, limits), limits["stable_rank_deviation_most"])


def rank_distance(sites: pd.DataFrame, most: float) -> Found | None:
    """The largest relative distance of the stable rank of the features from that of the targets; None without sites.

    The second number is the share of the sites at which the distance is at most `most`.
    """
    if sites.empty:
        return None
    distances = (sites["feature_stable_rank"] / sites["target_stable_rank"] - 1).abs()
    return distances.max(), True, (distances <= most).mean()


@check(limit="weight_rank_factor", over=networks, needs=COLLAPSED)
def low_rank_weights(rows: pd.DataFrame, limits: Limits) -> Found | None:
    """Largest stable rank of a weight in the collapsed sites, in target dimensions (it must fall with depth too)."""
    collapsed = collapsed_sites(rows, limits)
    if collapsed.empty:
        return None
    falls = rank_correlation(rows["site"], rows["weight_stable_rank"]) < 0
    ranks = collapsed["weight_stable_rank"] / collapsed["rank"]
    return ranks.max(), falls, (ranks <= limits["weight_rank_factor"]).mean()


def _targets(results: Results) -> Items:
    """Yield a row with the stable rank of the targets of a page, which is the same for all its networks."""
    yield from each_row(results.label(results.final(), "dataset").head(1).assign(seed=-1))


@check(limit="rank_one_share_least", over=_targets, at_least=True, strict=True)
def rank_one_targets(row: dict[str, Any]) -> Value:
    """Share of the target variance in its first direction."""
    return 1 / row["target_stable_rank"]


def _gaps(results: Results, limits: Limits) -> Items:
    """Yield for every network its generalisation gap, and whether its losses have settled."""
    settled = dynamics.timing(results, limits).set_index("key")["settled"].notna()
    gaps = dynamics.generalisation_gap(results)
    yield from each_row(gaps.assign(settled=gaps["key"].map(settled)))


@check(limit="gap_most", over=_gaps, reads="losses")
def losses_settle(row: dict[str, Any]) -> Found:
    """Test error less training error, over the target variance (both losses must have settled too).

    The value is the generalisation gap. Both losses must also have settled by the end of training.
    """
    return row["gap"], row["settled"]


def _splits(evidence: Evidence) -> Items:
    """Yield the generalisation gap of each network once, grouped by data set and split."""
    gaps = pd.concat([dynamics.generalisation_gap(results) for results in evidence.values()]).drop_duplicates("key")
    yield from each_row(gaps, group=lambda row: f"{row['dataset']}, {row['split']} split")


@check(limit="gap_most", over=_splits)
def generalisation_gap(row: dict[str, Any]) -> Value:
    """Test error less training error, over the target variance."""
    return row["gap"]


def _events(results: Results, limits: Limits, condition: str = "all") -> Items:
    """Yield for every network whose losses settle the row of `timing`: when they settled and when it collapsed."""
    yield from each_row(dynamics.timing(results, limits, condition).dropna(subset="settled"))


def _onset(condition: str = "all") -> str:
    what = "all four conditions have" if condition == "all" else f"{condition.upper()} has"
    return f"epoch at which {what} set in at the last site over the epoch at which both losses have settled"


@check(
    limit=1.0,
    over=_events,
    at_least=True,
    strict=True,
    reads="losses",
    needs="a known order of events",
    quantity=_onset,
)
def collapse_after_settling(row: dict[str, Any]) -> Value | None:
    """Epoch at which the conditions have set in over the epoch at which both losses have settled.

    A network gives no value if it never collapses or over-collapses, if its losses never settle, or if the measured
    epochs do not show which came first.
    """
    return row["at_most"] / row["settled"] if row["collapse"] in ("before", "after") else None
