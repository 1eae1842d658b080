"""Doubts: facts about the data and the sizes, in words, for which a number may look like collapse but is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from nrc_core.metrics.batches import Copies
    from nrc_core.metrics.sites import Site

MOST_COPIES = 0.01  # a larger share of copied rows gives a doubt


def of_rows(rows: int, features: int, rank: int) -> list[str]:
    """Doubts about too few different rows: some numbers are then the same for any features.

    Example:
        >>> of_rows(3, 2, 2)
        ['no more different rows (3) than r + 1 = 3: NRC1 is 0 whatever the features are']
    """
    found = []
    if rows <= rank + 1:
        found.append(f"no more different rows ({rows}) than r + 1 = {rank + 1}: NRC1 is 0 whatever the features are")
    if rows <= features:
        found.append(f"no more different rows ({rows}) than features: NRC4 is low and CKA high whatever they are")
    return found


def doubts(table: pd.DataFrame, sites: Sequence[Site], copies: Copies) -> list[str]:
    """The doubts at every site, joined by semicolons; an empty text if there are none.

    Args:
        table: made by `tabulate`, with the requested rank.
    """
    return ["; ".join(_at(row, site, copies)) for row, site in zip(table.to_dict("records"), sites, strict=True)]


def _at(row: dict, site: Site, copies: Copies) -> list[str]:
    rank, width, targets = row["rank"], row["width"], row["target_effective_rank"]
    copied = copies.rows - copies.different
    found = []
    if copied > MOST_COPIES * copies.rows:
        found.append(f"{copied} of {copies.rows} rows of x are copies of others")
    found += of_rows(round(site.moments.n * copies.different / copies.rows), width, rank)
    if targets == 0:
        found.append("the targets are constant")
    elif targets < rank:
        directions = f"{targets} direction{'s' if targets > 1 else ''}"
        found.append(f"the targets vary in {directions} (99 % of their variance), fewer than r = {rank}")
    if width < rank:
        found.append(f"fewer features ({width}) than r = {rank}: there are no NRC1 to NRC3")
    elif width == rank and site.weight is not None:
        found.append(f"r = {rank} is all features: NRC1 is 0 whatever they are, and NRC3 1 if the weight has r rows")
    if site.weight is not None and len(site.weight) < min(rank, width):
        found.append(f"fewer rows of the weight ({len(site.weight)}) than r = {rank}: NRC3 is of so many angles only")
    return found
