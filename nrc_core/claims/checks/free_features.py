"""Checks of statements about unconstrained features models, on descents from random starts."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.claims.checks.constructed import Rows, case
from nrc_core.claims.checks.observation import Found, Items, Limits, Value, check
from nrc_core.claims.checks.subjects import parts, rank_correlation
from nrc_core.results.results import Results
from nrc_core.sections.collapse_or_low_rank import tables as low_rank
from nrc_core.sections.collapse_persists.tables import by_depth, by_width, collapsed
from nrc_core.sections.ordinal_targets.tables import descents

ABOVE = 1e-6  # a descent has ended above a structure if its loss is higher by this share
# Structure, classes, weights, width and rank of the models whose Hessians are counted.
COUNTED = (("collapse", 4, 2, 5, 3), ("collapse", 5, 2, 6, 4), ("collapse", 4, 3, 5, 3), ("pairs", 4, 2, 5, 2))


def _starts(results: Results, links: Sequence[str] = ()) -> Items:
    """Yield the ends of the descents of a link from one random start, one row for each decay, in rising order."""
    if results.descent.empty:
        return
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


@case(limit=0.0, at_least=True)
def collapse_beaten() -> Rows:
    """How far the loss of pairs is below that of collapse (negative where the theorem says nothing)."""
    from nrc_core.theory.cross_entropy import cross_entropy_ufm_loss

    found = []
    for classes in (2, 4, 6, 8, 10):
        for depth in (1, 2, 3, 5):
            collapse, pairs = (
                cross_entropy_ufm_loss(one, classes=classes, depth=depth, decay=1e-6) for one in ("collapse", "pairs")
            )
            gain = collapse - pairs
            beaten = (classes >= 4 and depth >= 3) or (classes >= 6 and depth == 2)
            if beaten:
                found.append({"group": f"{classes} classes", "seed": depth, "value": gain, "holds": gain > 0})
    return found


def _per_start(results: Results) -> Items:
    """Yield the descents by depth of one random start."""
    if not results.descent.empty:
        yield from parts(by_depth(results).assign(dataset="descents"), "seed", order="depth")


@check(limit="trend_least", over=_per_start, at_least=True, reads="descent")
def rank_falls_with_depth(rows: pd.DataFrame) -> Found:
    """Rank correlation of the number of weights with a lower rank of the logits (no loss may be above collapse)."""
    none_above = (rows["loss"] <= rows["collapse"] * (1 + ABOVE)).all()
    return -rank_correlation(rows["depth"], rows["rank"]), none_above


@case(limit="rounding_most")
def hessian_at_collapse() -> Rows:
    """Size of the most negative eigenvalue of the Hessian at collapse, zero if there is none."""
    import torch

    from nrc_core.theory.cross_entropy import hessian

    return [
        {
            "group": f"{classes} classes, {depth} weights, decay {decay:g}",
            "seed": -1,
            "value": max(
                0.0,
                -torch.linalg.eigvalsh(
                    hessian("collapse", classes=classes, depth=depth, decay=decay, width=classes + 1)
                )[0].item(),
            ),
        }
        for classes, depth in ((4, 2), (5, 2), (4, 3))
        for decay in (1e-3, 1e-4)
    ]


def _null(structure: str, classes: int, depth: int, width: int) -> int:
    """The number of eigenvalues of the Hessian that are zero; the next one equals the decay."""
    import torch

    from nrc_core.theory.cross_entropy import hessian

    values = torch.linalg.eigvalsh(hessian(structure, classes=classes, depth=depth, decay=1e-3, width=width))
    return int((values.abs() < 1e-7 * values.max()).sum())


@case(limit=0.0)
def dimensions_as_printed() -> Rows:
    """Zero eigenvalues of the Hessian beyond the dimensions L r (d - r)."""
    return [
        {"group": f"{name}, K = {k}, L = {depth}", "seed": -1, "value": _null(name, k, depth, d) - depth * r * (d - r)}
        for name, k, depth, d, r in COUNTED
    ]


@case(limit=0.0)
def dimensions_with_frames() -> Rows:
    """Zero eigenvalues of the Hessian, less the dimensions L (r d - r (r + 1) / 2), without sign."""
    from nrc_core.theory.cross_entropy import solution_dimension

    return [
        {
            "group": f"{name}, K = {k}, L = {depth}",
            "seed": -1,
            "value": abs(_null(name, k, depth, d) - solution_dimension(r, depth=depth, width=d)),
        }
        for name, k, depth, d, r in COUNTED
    ]


def _widths(results: Results) -> Items:
    """Yield the share of the starts that end at collapse, by width."""
    if not results.descent.empty:
        table = by_width(results)
        yield {"group": "descents", "seed": 0}, collapsed(table).groupby(table["width"]).mean()


@check(limit="trend_least", over=_widths, at_least=True, reads="descent")
def collapse_takes_over(shares: pd.Series, limits: Limits) -> Found:
    """Rank correlation of the width with the share of starts at collapse (rare at the first, usual at the last)."""
    ends = shares.iloc[0] <= limits["rare_most"] and shares.iloc[-1] >= limits["usual_least"]
    return rank_correlation(shares.index.to_series(), shares), ends


@case(limit=1.0, strict=True)
def low_rank_beats_collapse() -> Rows:
    """Kappa, the norms of a structure on a graph over those of collapse."""
    from nrc_core.theory.deep_features import relative_norm

    return [
        {"group": f"{depth} weights", "seed": classes, "value": relative_norm(classes, depth)}
        for depth in (3, 4, 5)
        for classes in (6, 10, 15, 21, 28)
        if depth > 3 or classes >= 10
    ]


@case(limit=0.0, at_least=True, strict=True)
def low_rank_from_eight_classes() -> Rows:
    """How far the loss of a graph without some edges of one vertex is below that of collapse."""
    from nrc_core.theory.deep_features import deep_ufm_loss, deep_ufm_objective, graph_edges, scaled, triangular_factors

    found = []
    for classes in (8, 9):
        factors = scaled(triangular_factors(graph_edges(classes), 3, {3: 1.0}), decay=1e-3)
        gain = deep_ufm_loss("collapse", classes=classes, depth=3, decay=1e-3) - deep_ufm_objective(factors, decay=1e-3)
        found.append({"group": f"{classes} classes", "seed": -1, "value": gain})
    return found


def _small_starts(results: Results) -> Items:
    """Yield the descents from the smallest starts, one at a time."""
    if not results.descent.empty:
        table = low_rank.by_scale(results)
        small = table[table["init_scale"] == table["init_scale"].min()]
        yield from parts(small.assign(dataset="descents"), "seed")


@check(limit="below_collapse_least", over=_small_starts, at_least=True, reads="descent")
def small_starts_end_below_collapse(rows: pd.DataFrame) -> Found:
    """How far the loss is below that of collapse (with fewer directions than classes)."""
    row = rows.iloc[0]
    return row["collapse"] - row["loss"], row["rank"] < row["classes"]


def _full_by_width(results: Results) -> Items:
    """Yield the share of the starts that end with as many directions as classes, by width."""
    if not results.descent.empty:
        table = low_rank.by_width(results)
        yield {"group": "descents", "seed": 0}, low_rank.full_rank(table).groupby(table["width"]).mean()


@check(limit="trend_least", over=_full_by_width, at_least=True, reads="descent")
def full_rank_takes_over(shares: pd.Series, limits: Limits) -> Found:
    """Rank correlation of the width with the share of starts at full rank (rare at the first, usual at the last)."""
    ends = shares.iloc[0] <= limits["rare_most"] and shares.iloc[-1] >= limits["usual_least"]
    return rank_correlation(shares.index.to_series(), shares), ends
