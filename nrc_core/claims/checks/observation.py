"""What a check returns: one number a network, and the limit it is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.results.criteria import first_site, weight_sites
from nrc_core.results.results import Results

Limits = Mapping[str, float]
# Results by page; a claim about several data sets names several pages.
Evidence = Mapping[str, Results]


@dataclass(frozen=True)
class Observation:
    """The numbers a verdict is made of.

    Attributes:
        quantity: what was measured, in words.
        limit: what it is held against.
        at_least: whether the claim holds at or above the limit, else at or below it.
        rows: one row a network, or whatever the claim is about: `group` (data set, width, ...), `seed`,
            `value` and `holds`. No rows: nothing here can speak for or against the claim.
    """

    quantity: str
    limit: float
    at_least: bool
    rows: pd.DataFrame


Check = Callable[..., Observation]
# Of the measurements, what checks on single networks look at; rows of few columns are quicker to take apart.
COLUMNS = (
    "key", "name", "site", "seed", "dataset", "weight_decay", "nrc1", "nrc2", "nrc3", "nrc4", "network_mse",
    "target_variance", "rank", "feature_stable_rank", "target_stable_rank", "weight_stable_rank", "nc1_share",
    "nc2_cka",
)  # fmt: skip


def observe(
    quantity: str, limit: float, rows: list[dict[str, Any]], *, at_least: bool = False, strict: bool = False
) -> Observation:
    """An observation from rows of `group`, `seed`, `value`; `holds` follows from the limit unless a row has it.

    Example:
        >>> observe("noise", 0.05, [{"group": "a", "seed": 0, "value": 0.05}]).rows["holds"].tolist()
        [True]
    """
    for row in rows:
        value = row["value"]
        beyond = (value > limit if at_least else value < limit) if strict else False
        equal = not strict and (value >= limit if at_least else value <= limit)
        row.setdefault("holds", bool(beyond or equal))
    return Observation(quantity, limit, at_least, pd.DataFrame(rows, columns=["group", "seed", "value", "holds"]))


def networks(evidence: Evidence) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Every network: its group (the data set) and seed, and its weight sites at the end of training."""
    for results in evidence.values():
        for network, rows in results.once("networks", _networks):
            yield dict(network), rows


def _networks(results: Results) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    table = weight_sites(results.label(results.final(), "dataset", "weight_decay"))
    table = table[[name for name in COLUMNS if name in table]]
    return [
        ({"group": rows["dataset"].iloc[-1], "seed": int(rows["seed"].iloc[-1])}, rows.sort_values("site"))
        for _, rows in table.groupby("key", sort=False)
    ]


def collapsed_sites(rows: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """The sites from the first collapsed one (NRC1, as in the paper) to the last; none if the last is not."""
    first = first_site(rows["nrc1"] <= limits["noise_most"], rows["site"])
    return rows.iloc[:0] if first is None else rows[rows["site"] >= first]


def rank_correlation(a: pd.Series, b: pd.Series) -> float:
    """Spearman's; 0 where one of the two does not vary.

    The correlation of the ranks: `scipy.stats.spearmanr` gives the same, but takes a second to import.

    Example:
        >>> round(rank_correlation(pd.Series([1, 2, 3, 4]), pd.Series([1, 3, 2, 4])), 12)
        0.8
    """
    if a.nunique() < 2 or b.nunique() < 2:
        return 0.0
    return float(np.corrcoef(a.rank().to_numpy(), b.rank().to_numpy())[1, 0])
