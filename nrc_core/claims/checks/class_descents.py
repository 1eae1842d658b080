"""Checks of statements about descents for classes that several sections share."""

import pandas as pd

from nrc_core.claims.checks.observation import Found, Items, Limits, check
from nrc_core.claims.checks.subjects import rank_correlation
from nrc_core.results.results import Results
from nrc_core.sections.class_descents import full_rank_by, varied


def _widths(results: Results, by: str) -> Items:
    """Yield the share of the starts that end with as many directions as collapse has, by width; `by` is of `varied`."""
    yield {"group": "descents", "seed": 0}, full_rank_by(varied(results, "width", by), "width")


@check(limit="trend_least", over=_widths, at_least=True, reads="descent")
def collapse_takes_over(shares: pd.Series, limits: Limits) -> Found:
    """Rank correlation of width and share of collapsed starts (rare at the least width, usual at the largest).

    A start counts as collapsed if it ends with as many directions as collapse has.
    """
    ends = shares.iloc[0] <= limits["rare_most"] and shares.iloc[-1] >= limits["usual_least"]
    return rank_correlation(shares.index.to_series(), shares), ends
