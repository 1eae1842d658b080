"""What checks look at: networks, their weight sites, and the rows of tables, with the group and seed of each."""

from collections.abc import Callable, Iterator
from functools import wraps
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.claims.checks.observation import Items, Limits
from nrc_core.results.criteria import first_site, holds, over_collapsed, weight_sites
from nrc_core.results.results import Results

Group = Callable[[Any], str]  # from a row of a table to the name of its group
DATASET: Group = itemgetter("dataset")
FEWEST = 3  # least number of points of a rank correlation
COLLAPSED = "a collapsed layer"  # what networks lack that say nothing about collapsed layers


def kept(over: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Make a function store its items with the results of a page, because many checks use the same items."""

    @wraps(over)
    def taken(results: Results, **arguments: Any) -> Any:
        return results.once((over, *arguments.items()), lambda one: list(over(one, **arguments)))

    return taken


def parts(table: pd.DataFrame, by: str | list[str] = "key", *, group: Group = DATASET, order: str = "") -> Items:
    """Yield the rows of a table that have the same values in some columns, in the order of another column, if any."""
    for _, rows in table.groupby(by, sort=False):
        first = rows.iloc[0]
        yield {"group": group(first), "seed": int(first["seed"])}, rows.sort_values(order) if order else rows


def each_row(table: pd.DataFrame, group: Group = DATASET) -> Items:
    """Yield every row of a table as a dictionary."""
    for row in table.to_dict("records"):
        yield {"group": group(row), "seed": row["seed"]}, row


def final_sites(results: Results) -> pd.DataFrame:
    """The weight sites of every network at the end of training, with the data set and weight decay of its run.

    The column `over_collapsed` is by the function of this name, the same for all sites of a network.
    """
    final = results.label(results.final(), "dataset", "weight_decay")
    return weight_sites(final.assign(over_collapsed=final["key"].map(over_collapsed(final))))


@kept
def networks(results: Results, group: Group = DATASET) -> Items:
    """Yield the `final_sites` of every network."""
    yield from parts(final_sites(results), group=group, order="site")


def collapsed_sites(rows: pd.DataFrame, limits: Limits, noise: str = "nrc1") -> pd.DataFrame:
    """The sites from the first collapsed site (by noise, as in the paper) to the last, of one of the `networks`.

    There are none if the last site is not collapsed or the network is over-collapsed: noise is small there because the
    network has lost some of the targets.
    """
    first = first_site(rows[noise] <= limits["noise_most"], rows["site"])
    return rows.iloc[:0] if first is None or rows["over_collapsed"].any() else rows[rows["site"] >= first]


def genuine(rows: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """Whether each condition holds at each of the `final_sites`; none holds in an over-collapsed network."""
    return holds(rows, limits).mul(~rows["over_collapsed"], axis=0)


def rank_correlation(a: pd.Series, b: pd.Series) -> float:
    """Spearman's rank correlation, with nine digits; 0 if one of the two series is constant.

    Without rounding, one swap among five gives a number below 0.9, which is a limit. `scipy.stats.spearmanr` gives the
    same up to the rounding, but takes a second to import.

    Example:
        >>> rank_correlation(pd.Series([1, 2, 3, 4]), pd.Series([1, 3, 2, 4]))
        0.8
    """
    if a.nunique() < 2 or b.nunique() < 2:
        return 0.0
    return round(float(np.corrcoef(a.rank().to_numpy(), b.rank().to_numpy())[1, 0]), 9)
