"""A claim of the papers, as its entry in the ledger states it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ABOUT = NETWORKS, THEOREM, DATA = ("networks", "theorem", "data")


@dataclass(frozen=True)
class Comparison:
    """A sentence on a claim, and the stored networks that show it.

    Attributes:
        text: the sentence, without results.
        pages: pages of the profile with the networks; those of the claim unless given.
        where: values of fields or data options that the networks must have.
        check: the check that is applied to them; that of the claim unless given.
        arguments: arguments of the check; for the check of the claim they replace those of the claim.
    """

    text: str
    pages: tuple[str, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)
    check: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A later change of how a claim is judged: what was changed on which day."""

    date: str
    what: str


@dataclass(frozen=True)
class Queue:
    """What has to be trained for a claim, its place among all such trainings, and how long it takes on one core."""

    order: int
    core_hours: float | int
    what: str


@dataclass(frozen=True)
class Claim:
    """One entry of the ledger; its fields are explained in `deep_nrc.yaml`."""

    id: str
    section: str
    source: str
    statement: str
    seeds: int
    configuration: str
    stated: str
    check: str | None = None
    reason: str = ""
    pages: tuple[str, ...] = ()
    shown_on: tuple[str, ...] = ()
    thresholds: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    holds_in: str = "all"
    note: str = ""
    about: str = NETWORKS
    why: tuple[Comparison, ...] = ()
    holds_under: tuple[Comparison, ...] = ()
    changed: tuple[Change, ...] = ()
    queue: Queue | None = None

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """All of `why`, then all of `holds_under`; pages and check are the claim's own if none is given."""
        return tuple(self._completed(one) for one in (*self.why, *self.holds_under))

    def _completed(self, one: Comparison) -> Comparison:
        pages, check = one.pages or self.pages, one.check or str(self.check)
        own = self.arguments if check == self.check else {}
        return Comparison(one.text, pages, one.where, check, {**own, **one.arguments})
