"""Checks of statements about unconstrained features in regression: on flows, and on the last weights of networks."""

import pandas as pd

from nrc_core.claims.checks.observation import Found, Items, Value, check
from nrc_core.claims.checks.subjects import each_row, parts
from nrc_core.results.results import Results
from nrc_core.sections.unconstrained_features.tables import (
    ALL_KEPT,
    EQUAL,
    NO_DECAY,
    SOME_KEPT,
    TO_MINIMUM,
    flows,
    last_layers,
)

KEPT = "a product of the decays in the range that it is about"


def _of(results: Results, kind: str) -> pd.DataFrame:
    table = flows(results)
    return table if table.empty else table[table["kind"] == kind]


def _to_minimum(results: Results) -> Items:
    """Yield the end of every flow to a minimum; the group is what the minimum keeps."""
    yield from each_row(_of(results, TO_MINIMUM), group=lambda row: row["regime"])


def _undecayed(results: Results) -> Items:
    """Yield the end of every flow without decay; the group is the size of the start."""
    yield from each_row(_of(results, NO_DECAY), group=lambda row: f"starts of size {row['init_scale']:g}")


def _by_start(results: Results, kind: str, order: str) -> Items:
    """Yield the flows of one kind from one random start, in the order of a column."""
    table = _of(results, kind)
    if not table.empty:
        yield from parts(table, "seed", group=lambda _: "flows", order=order)


def _equal_decays(results: Results) -> Items:
    yield from _by_start(results, EQUAL, "weight_decay")


def _sizes_of_start(results: Results) -> Items:
    yield from _by_start(results, NO_DECAY, "init_scale")


def _networks(results: Results) -> Items:
    """Yield the last layer of every network; the group is the data set with the number of layers."""
    yield from each_row(last_layers(results), group=lambda row: f"{row['dataset']}, {row['depth']} layers")


@check(limit="descent_error_most", over=_to_minimum, reads="descent")
def flow_meets_minimum(row: dict) -> Found:
    """Largest distance of a flow from the minimum, in its loss or an entry of W W^T (ranks must be equal)."""
    distance = max(abs(row["loss"] - row["loss_expected"]), row["gram_error"])
    return distance, row["rank"] == row["rank_expected"]


@check(limit="descent_error_most", over=_to_minimum, reads="descent", needs=KEPT)
def form_with_the_decays(row: dict) -> Value | None:
    """Least squared distance of W W^T from the form, or of gamma from the product of the decays, the larger of both."""
    if row["regime"] != ALL_KEPT:
        return None
    return max(row["form"], abs(row["gamma"] - row["product"]))


@check(limit="form_apart_least", over=_to_minimum, at_least=True, reads="descent", needs=KEPT)
def form_fails(row: dict) -> Value | None:
    """Least squared distance of W W^T from the form, over all gamma up to the least variance of the targets."""
    several = len(row["kept"]) > 2  # with two targets, gamma equal to the least variance gives any matrix of rank one
    return row["form"] if several and row["regime"] == SOME_KEPT else None


@check(limit=1.0, over=_undecayed, at_least=True, reads="descent", needs="a bound above zero")
def noise_stays_without_decay(row: dict) -> Value | None:
    """Noise at the end over the bound that the start sets."""
    return row["noise"] / row["noise_start"] if row["noise_start"] > 0 else None


@check(limit="noise_most", over=_sizes_of_start, reads="descent")
def small_start_looks_collapsed(rows: pd.DataFrame, limits: dict) -> Found:
    """NRC1 at the end from the smallest start, without decay (from the largest start it must be above the limit)."""
    ends = rows["nrc1"]
    return ends.iloc[0], ends.iloc[-1] > limits["noise_most"]


@check(limit="time_ratio_most", over=_equal_decays, reads="descent", needs="a time to collapse")
def time_goes_as_one_over_decay(rows: pd.DataFrame) -> Value | None:
    """Longest over shortest time to collapse, each multiplied by its decay, for decays up to a tenth."""
    times = rows.loc[rows["weight_decay"] <= 0.1, "scaled_time"]
    return times.max() / times.min() if times.notna().all() and len(times) > 1 else None


@check(limit="descent_error_most", over=_equal_decays, reads="descent")
def imbalance_decays(rows: pd.DataFrame) -> Value:
    """Largest error of the law that the imbalance is exp(-2 decay time) times that of the start, as a share of it."""
    return rows["imbalance_error"].max()


@check(limit="form_ratio_most", over=_networks, reads="last_layer")
def last_weight_has_the_form(row: dict) -> Value:
    """Squared distance of the last weight from the theory with the measured decays, over that from the identity."""
    return row["distance"] / row["from_identity"]


@check(limit="form_ratio_most", over=_networks, reads="last_layer")
def last_weight_shares_the_decay(row: dict) -> Value:
    """Squared distance of the last weight from the target covariance to the power 1 / L, over that from identity."""
    return row["shared"] / row["from_identity"]


@check(limit=1.0, over=_networks, at_least=True, strict=True, reads="last_layer")
def errors_beyond_the_decays(row: dict) -> Value:
    """Mean variance of the errors, over that of the theory with the measured decays."""
    return row["errors_over_product"]
