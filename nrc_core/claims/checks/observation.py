"""The result of a check: one number for each network, and the limit with which it is compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from inspect import getdoc, signature
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.results.results import Results

Limits = Mapping[str, float]
# Results by page; a claim about several data sets names several pages.
Evidence = Mapping[str, Results]


@dataclass(frozen=True)
class Observation:
    """The numbers from which a verdict is made.

    Attributes:
        quantity: the measured quantity, in words.
        limit: the limit with which values are compared.
        at_least: True if the claim holds at or above the limit, False if it holds at or below the limit.
        rows: one row for each network, or for each other subject of the claim: `group` (data set, width, ...), `seed`,
            `value`, `holds`, and `share`: the share of the sites of a network that meet the condition by which the
            worst of them is judged; NaN if the value is not the worst of several sites. Without rows, there is no
            evidence for or against the claim.
        silences: by group, the number of networks that say nothing about the claim, because they lack what it speaks
            of.
        needs: what these networks lack, in words.
        unsure: why these numbers cannot decide the claim, in words; empty if they can.
    """

    quantity: str
    limit: float
    at_least: bool
    rows: pd.DataFrame
    silences: Mapping[str, int] = field(default_factory=dict)
    needs: str = ""
    unsure: str = ""

    @property
    def silent(self) -> int:
        """Number of networks that say nothing about the claim."""
        return sum(self.silences.values())

    def heard(self) -> Observation:
        """The same without the groups in which most networks say nothing; their other networks count as silent too.

        A few networks that happen to have what a claim speaks of are no answer for their group.
        """
        groups = self.rows["group"]
        speaking = groups.map(groups.value_counts())
        quiet = groups.map(lambda name: self.silences.get(name, 0)) > speaking
        lost = Counter(groups[quiet])
        if not lost:
            return self
        silences = Counter(self.silences) + lost
        return replace(
            self, rows=self.rows[~quiet], silences=silences, needs=f"{self.needs}, or of others that have it"
        )


Check = Callable[..., Observation]
Value = float | int | np.floating | np.integer
# The value of a network, whether it meets the claim's other requirements, and the share of its sites, if there is one.
Found = tuple[Value, bool | np.bool] | tuple[Value, bool | np.bool, float]
# For each network, or other subject of a claim: its `group` and `seed` in a dictionary, then what a check looks at.
Items = Iterator[tuple[Any, ...]]
CHECKS: dict[str, Check] = {}
COLUMNS = ["group", "seed", "value", "holds", "share"]
READERS: dict[str, set[str]] = {
    name: set() for name in ("spectra", "losses", "downstream", "descent", "last_layer")
}  # fmt: skip


def check(
    *,
    limit: str | float | Callable[..., str | float],
    over: Callable[..., Items],
    at_least: bool | Callable[..., bool] = False,
    strict: bool = False,
    reads: str = "",
    needs: str = "what it is about",
    quantity: Callable[..., str] | None = None,
) -> Callable[[Callable[..., Any]], Check]:
    """Make a check of all networks from a function of one network, and register it by its name in `CHECKS`.

    The docstring of the function begins with the quantity in words, and these words can contain arguments of the claim.
    The function returns the value of the network, which is compared with the limit. If the claim has other
    requirements, the function returns the value and whether the network meets them. If the value is the worst of
    several sites, a third number is the share of the sites that meet the condition. The function returns None if the
    network says nothing about the claim. The function takes the items that `over` yields after group and seed, and by
    name `limits` and the arguments of the claim.

    Args:
        limit: the name of a threshold, a number, or a function that returns one of them from the arguments.
        over: function that yields `Items`. It takes by name the `results` of one page, or the `evidence` of all pages,
            or neither; `limits`; and the arguments of the claim.
        at_least: True if the claim holds at or above the limit, False if it holds at or below the limit; or a function
            that returns this.
        strict: whether the claim fails at the limit itself.
        reads: a table that the check reads besides the measurements; pages without it say nothing about the claim.
        needs: what a network must have to say anything about the claim; without it, the function returns None.
        quantity: function that returns the quantity in words, if the words depend on more than the arguments' values.

    Example:
        >>> from nrc_core.claims.checks.subjects import networks
        >>> @check(limit="noise_most", over=networks)
        ... def noise_of_an_example(rows):
        ...     "Noise at the last site."
        ...     return rows["nrc1"].iloc[-1]
        >>> CHECKS.pop("noise_of_an_example") is noise_of_an_example
        True
    """

    def registered(function: Callable[..., Any]) -> Check:
        @wraps(function)
        def checked(evidence: Evidence, limits: Limits, **arguments: Any) -> Observation:
            parts = [one for one in (function, over, limit, at_least, quantity) if callable(one)]
            if unknown := set(arguments) - {name for one in parts for name in signature(one).parameters}:
                raise TypeError(f"{function.__name__} takes no argument {', '.join(sorted(unknown))}")
            given = arguments | {"limits": limits}
            bound, above, rows = _said(limit, given), _said(at_least, given), []
            silences = Counter[str]()
            bound = limits[bound] if isinstance(bound, str) else bound
            pages = {name: page for name, page in evidence.items() if not (reads and getattr(page, reads).empty)}
            for network, *item in _every(over, pages, given):
                found = function(*item, **_taken(function, given))
                if found is None:
                    silences[network["group"]] += 1
                    continue
                value, more, *share = found if isinstance(found, tuple) else (found, True)
                holds = bool(more) and _within(value, bound, at_least=above, strict=strict)
                rows.append(network | {"value": value, "holds": holds, "share": share[0] if share else np.nan})
            words = _in_words(function, arguments) if quantity is None else _said(quantity, given)
            table = pd.DataFrame(rows, columns=COLUMNS)
            return Observation(words, bound, above, table, silences, needs)

        CHECKS[function.__name__] = checked
        if reads:
            READERS[reads].add(function.__name__)
        return checked

    return registered


def _every(over: Callable[..., Items], evidence: Evidence, given: Mapping[str, Any]) -> Items:
    """Yield all items of `over` for a check, from each page or from all pages together; none without a page."""
    if not evidence and "evidence" in signature(over).parameters:
        return
    parts = [{"results": page} for page in evidence.values()] if "results" in signature(over).parameters else [{}]
    for part in parts:
        yield from over(**_taken(over, {"evidence": evidence, **given, **part}))


def _taken(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given arguments that a function takes."""
    known = signature(function).parameters
    return {name: value for name, value in given.items() if name in known}


def _said(value: Any, given: Mapping[str, Any]) -> Any:
    """The value itself, or, if it is a function of the arguments, its result."""
    return value(**_taken(value, given)) if callable(value) else value


def _in_words(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """The first paragraph of a docstring as a part of a sentence, with the values of arguments filled in."""
    text = " ".join(str(getdoc(function)).partition("\n\n")[0].split()).removesuffix(".")
    defaults = {one.name: one.default for one in signature(function).parameters.values()}
    start = text[0].lower() if text[1].islower() else text[0]
    return (start + text[1:]).format(**defaults | dict(arguments))


def _within(value: Value, limit: float, *, at_least: bool, strict: bool) -> bool:
    beyond = value > limit if at_least else value < limit
    return bool(beyond or (not strict and value == limit))
