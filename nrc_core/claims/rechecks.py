"""Comparison of pages that were run here with the reference runs: a page agrees, differs or is not compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from nrc_core.claims.agreement import LIMIT
from nrc_core.claims.quantities import quantities, setting
from nrc_core.config.base import Configuration
from nrc_core.results.obtaining import find, is_prepared
from nrc_core.results.runs import in_words
from nrc_core.results.store import Store
from nrc_core.workflow.profiles import Page

if TYPE_CHECKING:
    from nrc_core.claims.references import References

AGREES, DIFFERS, NOT_COMPARED = OUTCOMES = ("agrees", "differs", "not compared")
WORST = 3  # number of quantities that are named
NEW_SEEDS = 3  # if at least this many new seeds of one setting are all outside, the page differs


@dataclass(frozen=True)
class PageCheck:
    """The outcome for one page.

    Attributes:
        page: name of the page.
        outcome: one of `OUTCOMES`.
        reason: why the page is not compared, or what differs besides its quantities.
        number: the largest number of its runs; None if no run was compared, or if it is infinite.
        limit: `LIMIT`; None if no run was compared.
        runs: number of runs that were compared.
        references: number of references of the setting that has the fewest.
        quantities: number of quantities that were compared, in all runs together.
        other_data: whether the data here differ from the data of the references in any bit.
        worst: the quantities of all runs that differ most, with `run` and `quantity` in words, `value`, `low`, `high`
            and `z`, see `Setting.compare`.
    """

    page: str
    outcome: str
    reason: str = ""
    number: float | None = None
    limit: float | None = None
    runs: int = 0
    references: int = 0
    quantities: int = 0
    other_data: bool = False
    worst: Sequence[dict[str, Any]] = ()


def check_page(page: Page, store: Store, references: References) -> PageCheck:
    """Compare one page with the references; nothing is trained.

    A page differs if a run with a published seed is outside the limit. It also differs if a setting has three or more
    new seeds and all of them are outside. One or two new seeds outside are no evidence: training sometimes ends
    differently (on Swimmer with two seeds of five), and five references do not show all possible ends. A page also
    differs if a run diverged and no reference of its setting diverged.
    """
    wanted = page.configs
    known = [(config, there) for config in wanted if (there := references.of(setting(config))) is not None]
    if not known:
        return PageCheck(page.name, NOT_COMPARED, _without_references(page, wanted, references))
    present = [(config, there, result) for config, there in known if (result := find(config, store)) is not None]
    if not present:
        here = is_prepared(known[0][0])
        return PageCheck(page.name, NOT_COMPARED, "it was not run here" if here else "its data are not here")
    rows, worst, other_data = [], [], False
    for config, there, result in present:
        name, words = setting(config), in_words(config)
        if result.failure:
            if not references.diverged(name):
                return PageCheck(page.name, DIFFERS, f"{words} diverged, none of its references did")
            continue
        own, seeds = quantities(result, config), there.values.columns
        table, number = there.compare(own), float(there.distances(own).min())
        if math.isnan(number):
            kind, place = table.loc[table["value"].isna(), ["kind", "place"]].iloc[0]
            return PageCheck(page.name, DIFFERS, f"{words} lacks {kind}, {place}, which its references have")
        rows.append((words, name, config.seed in seeds, len(seeds), len(table), number))
        worst += _worst(table, words)
        other_data |= not references.same_data(name, result)
    runs = pd.DataFrame(rows, columns=["run", "setting", "published", "references", "quantities", "number"])
    outcome, reason = _judge(runs)
    if outcome == AGREES and len(present) < len(wanted):
        outcome, reason = NOT_COMPARED, f"{len(known) - len(present)} of its {len(known)} runs are not in the store"
        if len(known) < len(wanted):
            lacking = _without_references(page, wanted, references)
            reason = f"{len(wanted) - len(known)} of its {len(wanted)} runs: {lacking}"
    if runs.empty:
        return PageCheck(page.name, outcome, reason)
    largest, least, compared = float(runs["number"].max()), int(runs["references"].min()), int(runs["quantities"].sum())
    finite = largest if math.isfinite(largest) else None
    worst = sorted(worst, key=lambda row: -abs(row["z"]))[:WORST]
    return PageCheck(page.name, outcome, reason, finite, LIMIT, len(runs), least, compared, other_data, worst)


def _worst(table: pd.DataFrame, run: str) -> list[dict[str, Any]]:
    """The rows of a comparison in which a run, given in words, differs most from the nearest reference."""
    farthest = table.sort_values("z", key=abs, ascending=False).head(WORST)
    named = farthest.assign(run=run, quantity=farthest["kind"] + ", " + farthest["place"])
    return named[["run", "quantity", "value", "low", "high", "z"]].to_dict("records")


def _judge(runs: pd.DataFrame) -> tuple[str, str]:
    """The outcome for a page whose runs were all compared, and its reason."""
    if runs.empty:
        return NOT_COMPARED, "all its runs diverged, as references did"
    published, outside = runs["published"], runs["number"] > LIMIT
    settings = outside[~published].groupby(runs["setting"])
    if outside[published].any() or any(len(own) >= NEW_SEEDS and own.all() for _, own in settings):
        return DIFFERS, ""
    if outside.any() and not published.any():
        alone = runs.loc[outside, "run"].iloc[0]
        reason = f"{alone}: a new seed went another way than the references; run one of their seeds beside it"
        return NOT_COMPARED, reason
    return AGREES, ""


def _without_references(page: Page, wanted: Sequence[Configuration], references: References) -> str:
    if not is_prepared(wanted[0]):
        return "its data are not here"
    made = page.name in set(references.runs["page"])
    what = "changed since the references were made" if made else "no references"
    return f"{what}: make them with `nrc references {page.name}`"


def _in_words(row: dict[str, Any]) -> str:
    expected = f"{row['low']:.4g} to {row['high']:.4g}"
    return f"{row['run']}: {row['quantity']} is {row['value']:.4g}, expected from {expected}"


def summary(checked: Sequence[PageCheck]) -> str:
    """One line for every page that differs or is not compared, and the number of pages with each outcome."""
    lines = []
    for one in checked:
        if one.outcome == DIFFERS:
            worst = "; ".join(map(_in_words, one.worst))
            number = f"{one.number:.2f} where {LIMIT:g} is the most; " if one.number is not None else ""
            lines.append(f"{one.page} differs: {one.reason or number + worst}")
        if one.outcome == NOT_COMPARED:
            lines.append(f"{one.page} is not compared: {one.reason}")
    counts = {outcome: sum(one.outcome == outcome for one in checked) for outcome in OUTCOMES}
    counted = f"{counts[AGREES]} of {len(checked)} pages agree with their references"
    return "\n".join([*lines, f"{counted}, {counts[DIFFERS]} differ, {counts[NOT_COMPARED]} are not compared"])
