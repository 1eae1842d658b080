"""Checks of statements about residual networks of several depths with normalised features."""

from operator import itemgetter

import numpy as np
import pandas as pd

from nrc_core.claims.checks.observation import Found, Items, Value, check
from nrc_core.claims.checks.subjects import FEWEST, parts, rank_correlation
from nrc_core.results.results import Results
from nrc_core.sections.deeper_resnets.tables import (
    FITTED_FROM,
    LESS,
    MEASURES,
    ONE,
    TRANSFORMER,
    TWO,
    networks,
    shortest,
    slope,
)

# The depths at which the claims compare, and the slope that the paper reports for its networks.
FEW, MIDDLE, MANY = 2, 8, 16
MEASURED_SLOPE = -0.335
DEPTHS = f"networks of {FEW} and of {MANY} blocks"


def _cases(results: Results, case: str = ONE) -> Items:
    """Yield the networks of a case and a seed, in the order of their depth; those with the fewest iterations."""
    table = shortest(results)
    yield from parts(table[table["case"] == case], "seed", group=itemgetter("case"), order="depth")


def _two_maps(results: Results) -> Items:
    """As `_cases`, with two maps and the decay as it is."""
    yield from _cases(results, TWO)


def _both_decays(results: Results) -> Items:
    """Yield the networks with two maps of a seed, with both decays."""
    table = shortest(results)
    yield from parts(table[table["case"].isin((TWO, LESS))], "seed", group=lambda _: LESS)


def _transformers(results: Results) -> Items:
    """As `_cases`, of Transformers."""
    yield from _cases(results, TRANSFORMER)


def _all(results: Results) -> Items:
    """Yield all networks of a case and a seed, with any number of iterations."""
    yield from parts(networks(results), ["case", "seed"], group=itemgetter("case"))


def _at(rows: pd.DataFrame, quantity: str, depth: int) -> float:
    """A quantity at a depth; NaN without such a network."""
    own = rows.loc[rows["depth"] == depth, quantity]
    return float(own.iloc[0]) if len(own) else np.nan


def _ratio(rows: pd.DataFrame, quantity: str, depth: int, other: int) -> float | None:
    """A quantity at a depth over that at another; None if one of the networks is not there."""
    found = _at(rows, quantity, depth) / _at(rows, quantity, other)
    return None if np.isnan(found) else found


@check(limit="deeper_share_most", over=_cases, reads="descent", needs=DEPTHS)
def deeper_collapses_more(rows: pd.DataFrame) -> Found | None:
    """NC1 with 16 blocks over that with 2, with one map a block (NC1 must fall at every step of the depth)."""
    found = _ratio(rows, "variance_ratio", MANY, FEW)
    return None if found is None else (found, bool((rows["variance_ratio"].diff().iloc[1:] < 0).all()))


@check(limit="gap_left_most", over=_cases, reads="descent", needs=DEPTHS)
def deeper_nears_features_model(rows: pd.DataFrame) -> Value | None:
    """Objective minus that of the features model, with 16 blocks over that with 2, with one map a block."""
    return _ratio(rows, "excess", MANY, FEW)


@check(limit=0.0, over=_all, at_least=True, reads="descent")
def never_below_features_model(rows: pd.DataFrame) -> Value:
    """Smallest objective minus that of the features model with the same decay."""
    return rows["excess"].min()


@check(
    limit="unchanged_share_least", over=_two_maps, at_least=True, reads="descent",
    needs=f"networks of {MIDDLE} and of more blocks",
)  # fmt: skip
def two_maps_gain_nothing(rows: pd.DataFrame) -> Value | None:
    """Smallest NC1 with more than 8 blocks over that with 8, with two maps a block and one decay for all depths."""
    deeper = [_ratio(rows, "variance_ratio", int(depth), MIDDLE) for depth in rows["depth"] if depth > MIDDLE]
    return min((found for found in deeper if found is not None), default=None)


@check(
    limit="less_decay_share_most", over=_both_decays, strict=True, reads="descent", needs=f"networks of {MANY} blocks"
)
def less_decay_collapses_more(rows: pd.DataFrame) -> Value | None:
    """NC1 with two maps a block and a decay divided by the depth, over that with the same decay, with 16 blocks."""
    own, other = (_at(rows[rows["case"] == case], "variance_ratio", MANY) for case in (LESS, TWO))
    return None if np.isnan(own / other) else own / other


@check(
    limit=-0.5, over=_cases, reads="descent", needs="networks of several depths",
    quantity=lambda quantity, fewest=FITTED_FROM: (
        f"slope of {MEASURES[quantity]} in the depth, in logarithms, from {fewest} blocks on"
    ),
)  # fmt: skip
def falls_as_the_theory(rows: pd.DataFrame, quantity: str, fewest: int = FITTED_FROM) -> Value | None:
    """Slope of a measure in the depth, in logarithms, from some number of blocks on."""
    found = slope(rows, quantity, fewest)
    return None if np.isnan(found) else found


@check(
    limit="slope_difference_most", over=_cases, reads="descent", needs="networks of several depths",
    quantity=lambda quantity: (
        f"difference of the slope of {MEASURES[quantity]} in the depth, in logarithms, from {MEASURED_SLOPE}"
    ),
)  # fmt: skip
def falls_as_measured(rows: pd.DataFrame, quantity: str) -> Value | None:
    """Difference of the slope of a measure in the depth from the published one."""
    found = slope(rows, quantity)
    return None if np.isnan(found) else abs(found - MEASURED_SLOPE)


@check(limit="trend_least", over=_transformers, at_least=True, reads="descent", needs="Transformers of several depths")
def deeper_transformers_collapse_more(rows: pd.DataFrame) -> Value | None:
    """Rank correlation of the depth of Transformers with minus their NC1."""
    return rank_correlation(rows["depth"], -rows["variance_ratio"]) if len(rows) >= FEWEST else None
