"""The ledger: every claim of the papers, the networks that are evidence for or against it, and the verdict."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from typing import Any

from nrc_core.claims.checks.observation import READERS, Observation
from nrc_core.claims.claim import THEOREM, Claim
from nrc_core.claims.close_calls import CLOSE, chance_of_change
from nrc_core.claims.comparisons import Compared, compare
from nrc_core.claims.entries import read_claims
from nrc_core.claims.evidence import PageResults, on_stand_in, weakness
from nrc_core.claims.groups import Group, groups_of
from nrc_core.claims.verdicts import (
    NOT,
    PARTLY,
    REDUCED,
    REPRODUCED,
    SILENT,
    UNJUDGED,
    UNSURE,
    UNTESTABLE,
    VERDICTS,
    WAITING,
    Decision,
    decide,
    verdict_of,
)
from nrc_core.data.catalogue import NOT_AT_HAND
from nrc_core.errors import ConfigError, suggestion
from nrc_core.results.results import TABLES
from nrc_core.results.runs import stored
from nrc_core.results.store import Store
from nrc_core.results.thresholds import read_thresholds, thresholds
from nrc_core.workflow.profiles import Page, Profile

__all__ = [
    "NOT",
    "PARTLY",
    "REDUCED",
    "REPRODUCED",
    "SILENT",
    "UNJUDGED",
    "UNSURE",
    "UNTESTABLE",
    "VERDICTS",
    "WAITING",
    "Group",
    "Judged",
    "PageResults",
    "judge",
    "judge_claim",
    "regressions",
    "score",
    "verdict_of",
]
# The thresholds that decide whether smaller networks give a verdict.
OF_REDUCED = ("exposure_factor_most", "fitted_loss_reduced", "seeds_least")


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict.

    Attributes:
        decision: the verdict, and the numbers that it is made of.
        reason: why there is no verdict, what evidence is missing, or what is in doubt.
        moved: verdicts that other values of a threshold would change, by threshold and value.
        weaker: pages of the claim whose networks are smaller than the paper's or on a stand-in for its data.
        change: the chance of another verdict on another machine, see `chance_of_change`; None if not known.
        why: why the claim has this verdict; empty if no cause is known, or if the claim is not compared.
        holds_under: the comparisons with other conditions, whether the claim holds under them or not.
    """

    claim: Claim
    decision: Decision
    reason: str = ""
    moved: Mapping[str, str] = field(default_factory=dict)
    weaker: Mapping[str, str] = field(default_factory=dict)
    change: float | None = None
    why: tuple[Compared, ...] = ()
    holds_under: tuple[Compared, ...] = ()

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        return self.decision.verdict

    @property
    def observation(self) -> Observation | None:
        """The numbers, if there are any."""
        return self.decision.observation

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the runs that are the evidence."""
        return tuple(key for results in self.decision.used.values() for key in results.runs["key"])

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The numbers by group, such as a data set."""
        return groups_of(self.observation)

    @property
    def close(self) -> bool:
        """Whether another machine may well give another verdict."""
        return self.change is not None and self.change >= CLOSE

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        of_claim = ["id", "section", "source", "statement", "seeds", "note", "configuration", "stated", "pages"]
        return {
            **{name: getattr(self.claim, name) for name in [*of_claim, "shown_on", "check", "about"]},
            "verdict": self.verdict,
            "reduced": self.decision.reduced,
            "reason": self.reason,
            **{name: getattr(self.observation, name, None) for name in ("quantity", "limit", "at_least")},
            "groups": [group.as_dict() for group in self.groups],
            "thresholds": {name: thresholds()[name] for name in self.claim.thresholds},
            **{name: getattr(self, name) for name in ("moved", "weaker", "keys", "change", "close")},
            "why": [one.as_dict() for one in self.why],
            "holds_under": [one.as_dict() for one in self.holds_under],
            "changed": [asdict(one) for one in self.claim.changed],
            "queue": None if self.claim.queue is None else asdict(self.claim.queue),
        }


def judge(
    profile: Profile, store: Store, share: float | None = None, *, names: Sequence[str] = (), moved: bool = True
) -> list[Judged]:
    """Judge every claim on the results of a profile's pages that are in the store; nothing is trained.

    Networks on a stand-in for the paper's data give no verdict, and are left out. Networks smaller than the paper's
    give one only if a claim has no others, and only under the conditions of `decide`; it is "at reduced size".

    Args:
        share: the spread between machines over the spread between seeds; without it, `change` is None in the results.
        names: the claims that are judged; by default all claims.
        moved: whether to try the other values of the thresholds and to compare with other networks (`why` and
            `holds_under`), which takes several times as long as the verdicts.

    Raises:
        ConfigError: a name is not a claim.
    """
    known = {claim.id: claim for claim in read_claims()}
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"there is no claim {unknown[0]!r}: {suggestion(unknown[0], list(known), 'there is')}")
    wanted = [known[name] for name in names or known]
    evidence = _evidence(profile, store, wanted, compared=moved)
    return [judge_claim(claim, evidence, share, moved=moved) for claim in wanted]


def _evidence(profile: Profile, store: Store, claims: Sequence[Claim], *, compared: bool) -> dict[str, PageResults]:
    """The stored results of each page that the claims name, with only the tables that their checks read.

    Args:
        compared: whether to read also the pages of `why` and `holds_under`.
    """
    wanted = [(page, claim.check) for claim in claims for page in claim.pages]
    if compared:
        wanted += [(page, one.check) for claim in claims for one in claim.comparisons for page in one.pages]
    evidence = {}
    for page in profile.pages:
        checks = {check for name, check in wanted if name == page.name}
        if page.experiment is not None and checks:
            tables = [name for name in TABLES if name not in READERS or READERS[name] & checks]
            evidence[page.name] = _read(page, page.experiment, store, tables)
    return evidence


def _read(page: Page, experiment: str, store: Store, tables: Iterable[str]) -> PageResults:
    results, missing = stored(page.configs, store=store, tables=tuple(tables))
    datasets = tuple(page.datasets)
    if results is None:
        return PageResults(None, missing, experiment=experiment, datasets=datasets)
    weaker, stand_in = weakness(results, experiment), on_stand_in(results)
    if weaker and not stand_in and "losses" not in tables:
        with_losses, _ = stored(page.configs, store=store, tables=("losses",))
        results = results if with_losses is None else dataclasses.replace(results, losses=with_losses.losses)
    return PageResults(results, missing, weaker, stand_in, experiment, datasets)


def judge_claim(
    claim: Claim, evidence: Mapping[str, PageResults], share: float | None = None, *, moved: bool = True
) -> Judged:
    """Judge one claim on the results of pages, given by name; the other arguments are as in `judge`."""
    if claim.check is None:
        return Judged(claim, Decision(UNTESTABLE), claim.reason)
    limits = thresholds()
    pages = {name: evidence[name] for name in claim.pages if name in evidence}
    if claim.about == THEOREM:  # a theorem holds for networks of every size
        pages = {name: dataclasses.replace(page, weaker="") for name, page in pages.items()}
    weaker = {name: page.weaker for name, page in pages.items() if page.weaker}
    found = decide(claim, pages, limits)
    missing = sum(page.missing for page in pages.values())
    if claim.pages and missing > sum(len(results.runs) for results in found.used.values()) and found.used:
        found = Decision(WAITING)
    others: Mapping[str, str] = {}
    compared: tuple[Compared | None, ...] = ()
    if moved:
        others = _moved(claim, pages, found)
        there = {name: page.results for name, page in evidence.items() if page.results is not None}
        compared = tuple(compare(claim, one, there, limits) for one in claim.comparisons)
    change = None
    if share is not None and found.observation is not None and found.verdict not in UNJUDGED:
        change = chance_of_change(found.observation, partial(verdict_of, claim=claim, limits=limits), share)
    reason = "; ".join(_reasons(claim, pages, found))
    why, under = (
        tuple(one for one in some if one is not None)
        for some in (compared[: len(claim.why)], compared[len(claim.why) :])
    )
    return Judged(claim, found, reason, others, weaker, change, why, under)


def _reasons(claim: Claim, pages: Mapping[str, PageResults], found: Decision) -> Iterator[str]:
    """Yield why there is no verdict, what evidence is missing, and what would have to be trained."""
    if missing := sum(page.missing for page in pages.values() if page.results is not None):
        yield f"{missing} of its networks {'is' if missing == 1 else 'are'} not in the store"
    if diverged := sum(len(page.results.failures) for page in pages.values() if page.results is not None):
        yield f"{diverged} of its networks diverged"
    seen = found.observation
    if seen is not None and seen.silent:
        says = "network says" if seen.silent == 1 else "networks say"
        yield f"{seen.silent} {says} nothing about it, for lack of {seen.needs}"
    if seen is not None and found.verdict == UNSURE:
        yield seen.unsure
    yield from found.lacks
    if found.used and (left := [name for name in claim.pages if name not in found.used]):
        yield f"nothing of the paper's size and data from {', '.join(left)}"
    if found.verdict == WAITING:
        yield from _outlook(claim, pages)


def _outlook(claim: Claim, pages: Mapping[str, PageResults]) -> Iterator[str]:
    """Yield what a claim that was not yet run waits for: its place in the queue, or data that could not be had."""
    if claim.queue is not None:
        yield f"place {claim.queue.order} in the queue, {claim.queue.core_hours:g} core-hours: {claim.queue.what}"
        return
    names = claim.arguments.get("datasets") or [dataset for page in pages.values() for dataset in page.datasets]
    if lacking := dict.fromkeys(NOT_AT_HAND[name] for name in names if name in NOT_AT_HAND):
        yield f"needs {' and '.join(lacking)}, which could not be had"


def _moved(claim: Claim, pages: Mapping[str, PageResults], found: Decision) -> dict[str, str]:
    """Verdicts that other values of the thresholds would give, if they differ from the verdict."""
    weaker = any(page.weaker and not page.stand_in for page in pages.values())
    verdicts = {}
    for name in (*claim.thresholds, "reproduced_least", *(OF_REDUCED if weaker else ())):
        for other in read_thresholds()[name].others:
            verdicts[f"{name} = {other:g}"] = decide(claim, pages, {**thresholds(), name: other}).in_words
    return {change: now for change, now in verdicts.items() if now != found.in_words}


def score(judged: list[Judged]) -> dict[str, int]:
    """Number of claims with each verdict."""
    return {verdict: sum(one.verdict == verdict for one in judged) for verdict in VERDICTS}


def regressions(judged: list[Judged], expected: Mapping[str, str]) -> list[str]:
    """Claims that were reproduced when the verdicts were recorded and are no longer, one line for each."""
    now = {one.claim.id: one.verdict for one in judged}
    return [
        f"{name}: was {REPRODUCED}, is {now.get(name, 'gone')}"
        for name, before in expected.items()
        if before == REPRODUCED and now.get(name) != REPRODUCED
    ]
