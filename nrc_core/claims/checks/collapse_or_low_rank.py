"""Checks of statements about collapse against low rank: closed forms, explicit matrices, and descents."""

import pandas as pd

from nrc_core.claims.checks.constructed import Rows, case
from nrc_core.claims.checks.observation import Found, Items, check
from nrc_core.claims.checks.subjects import parts
from nrc_core.results.results import Results
from nrc_core.sections.collapse_or_low_rank.tables import norms, smallest_starts

MOST_CLASSES = 30


@case(limit=1.0, strict=True)
def low_rank_beats_collapse() -> Rows:
    """Largest kappa, the norms of a structure on a graph over those of collapse."""
    return [
        {
            "group": f"{depth} weights",
            "seed": -1,
            "value": float(norms(range(first, MOST_CLASSES + 1), range(depth, depth + 1)).max(axis=None)),
        }
        for depth, first in ((3, 10), (4, 6), (5, 6), (6, 6))
    ]


@case(limit=0.0, at_least=True, strict=True)
def low_rank_from_eight_classes() -> Rows:
    """How far the loss of a graph without some edges of one vertex is below that of collapse."""
    from nrc_core.theory.deep_features import deep_ufm_loss, deep_ufm_objective, graph_edges, scaled, triangular_factors

    found = []
    for classes in (8, 9):
        factors = scaled(triangular_factors(graph_edges(classes), 3, {3: 1.0}), decay=1e-3)
        collapse = deep_ufm_loss("collapse", classes=classes, depth=3, decay=1e-3)
        gain = collapse - deep_ufm_objective(factors, decay=1e-3).item()
        found.append({"group": f"{classes} classes", "seed": -1, "value": gain})
    return found


def _small_starts(results: Results) -> Items:
    """Yield the descents from the smallest starts, one at a time."""
    yield from parts(smallest_starts(results).assign(dataset="descents"), "seed")


@check(limit="below_collapse_least", over=_small_starts, at_least=True, reads="descent")
def small_starts_end_below_collapse(rows: pd.DataFrame) -> Found:
    """How far the loss is below that of collapse (with fewer directions than classes)."""
    row = rows.iloc[0]
    return row["collapse"] - row["end"], not row["full_rank"]
