"""Checks of statements about ordinal targets, on descents from random starts."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.claims.checks.observation import Found, Items, Limits, Value, check
from nrc_core.claims.checks.subjects import parts
from nrc_core.results.results import Results
from nrc_core.sections.ordinal_targets.tables import descents


def _starts(results: Results, links: Sequence[str] = ()) -> Items:
    """Yield the ends of the descents of a link from one random start, one row for each decay, in rising order."""
    table = descents(results)
    chosen = table[table["link"].isin(links)] if links else table
    yield from parts(chosen, ["link", "seed"], group=itemgetter("link"), order="decay")


def _below(rows: pd.DataFrame) -> pd.DataFrame:
    """The descents with a product of decays below the critical value."""
    return rows[rows["share"] < 1]


@check(limit="descent_error_most", over=_starts, reads="descent")
def descent_meets_equations(rows: pd.DataFrame) -> Value:
    """Largest distance of a descent from the equations, in its loss or in a latent variable."""
    latent = [_distance(row, "latent", "latent_expected") for row in rows.to_dict("records")]
    return max((rows["loss"] - rows["loss_expected"]).abs().max(), *latent)


@check(limit="free_share_most", over=_starts, reads="descent")
def ordinal_features_collapse(rows: pd.DataFrame) -> Value:
    """Largest share of the features' energy within classes, or of their means off the line of w, below C."""
    return _below(rows)[["within", "off_line"]].to_numpy().max()


@check(limit=0.0, over=_starts, at_least=True, strict=True, reads="descent")
def latent_variables_in_order(rows: pd.DataFrame) -> Value:
    """Smallest step of the latent variable from a class to the next, below C."""
    return min(float(np.diff(latent).min()) for latent in _below(rows)["latent"])


@check(limit="zero_norm_most", over=_starts, reads="descent")
def zero_exactly_from_critical(rows: pd.DataFrame, limits: Limits) -> Found:
    """Largest norm of w at and above C (below C every norm must be larger than the limit)."""
    below, above = _below(rows)["weight_norm"], rows.loc[rows["share"] >= 1, "weight_norm"]
    return above.max(), below.min() > limits["zero_norm_most"]


@check(limit="middle_distance_most", over=_starts, reads="descent")
def latent_variables_in_the_middle(rows: pd.DataFrame) -> Value:
    """Largest distance of a latent variable from the middle of its class, at the smallest decay."""
    return _distance(rows.iloc[0].to_dict(), "latent", "middles")


def _distance(row: dict[str, Any], one: str, other: str) -> float:
    return float(np.abs(np.subtract(row[one], row[other])).max())
