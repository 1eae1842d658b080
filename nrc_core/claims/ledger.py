"""The ledger: every claim of the papers, the networks that are evidence for or against it, and the verdict."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import pandas as pd

from nrc_core.claims.checks import CHECKS, READERS, Evidence, Limits, Observation
from nrc_core.claims.close_calls import CLOSE, chance_of_change
from nrc_core.claims.entries import Claim, read_claims
from nrc_core.data.catalogue import STAND_IN
from nrc_core.errors import ConfigError, suggestion
from nrc_core.results.results import TABLES, Results
from nrc_core.results.runs import stored
from nrc_core.results.store import Store
from nrc_core.results.thresholds import read_thresholds, thresholds
from nrc_core.sections.departures import shortfalls
from nrc_core.workflow.profiles import Profile

REPRODUCED, PARTLY, NOT, SILENT, UNTESTABLE, UNLIKE, WAITING = VERDICTS = (
    "reproduced",
    "partly",
    "not reproduced",
    "says nothing",
    "not testable",
    "not yet as in the paper",
    "not yet run",
)
UNJUDGED = (SILENT, UNTESTABLE, UNLIKE, WAITING)


@dataclass(frozen=True)
class Group:
    """The networks of one data set (or width, or split): in how many of them the claim holds, and their values."""

    name: str
    networks: int
    held: int
    values: tuple[float, ...]

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % interval (Clopper and Pearson) of the share of networks in which the claim holds."""
        from scipy.stats import binomtest  # imported here because it takes a second and is seldom needed

        share = binomtest(self.held, self.networks).proportion_ci(0.95, method="exact")
        return float(share.low), float(share.high)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a value that is not finite is None."""
        plain = {name: getattr(self, name) for name in ("name", "networks", "held", "interval")}
        return plain | {"values": [value if math.isfinite(value) else None for value in self.values]}


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict.

    Attributes:
        verdict: one of `VERDICTS`.
        reason: why there is no verdict, or what evidence is missing.
        observation: the numbers, if there are any.
        moved: verdicts that other values of a threshold would change, by threshold and value.
        weaker: pages of the claim whose networks give no verdict, with the reason: size or data are not the paper's.
        keys: keys of the runs that are the evidence.
        change: the chance of another verdict on another machine, see `chance_of_change`; None if not known.
    """

    claim: Claim
    verdict: str
    reason: str = ""
    observation: Observation | None = None
    moved: Mapping[str, str] = field(default_factory=dict)
    weaker: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    change: float | None = None

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The numbers by group, such as a data set."""
        rows = pd.DataFrame(columns=["group"]) if self.observation is None else self.observation.rows
        return tuple(
            Group(str(name), len(own), int(own["holds"].sum()), tuple(map(float, own["value"])))
            for name, own in rows.groupby("group", sort=False)
        )

    @property
    def close(self) -> bool:
        """Whether another machine may well give another verdict."""
        return self.change is not None and self.change >= CLOSE

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        of_claim = ["id", "section", "source", "statement", "seeds", "note", "configuration", "stated", "pages"]
        return {
            **{name: getattr(self.claim, name) for name in [*of_claim, "shown_on", "check"]},
            "verdict": self.verdict,
            "reason": self.reason,
            **{name: getattr(self.observation, name, None) for name in ("quantity", "limit", "at_least")},
            "groups": [group.as_dict() for group in self.groups],
            "thresholds": {name: thresholds()[name] for name in self.claim.thresholds},
            **{name: getattr(self, name) for name in ("moved", "weaker", "keys", "change", "close")},
        }


@dataclass(frozen=True)
class PageResults:
    """The results of a page that are in the store.

    Attributes:
        results: None if the store has no run of the page.
        missing: number of runs that the store lacks.
        weaker: why the networks of the page give no verdict, see `weakness`; empty if they give one.
    """

    results: Results | None
    missing: int = 0
    weaker: str = ""


def judge(
    profile: Profile, store: Store, share: float | None = None, *, names: Sequence[str] = (), moved: bool = True
) -> list[Judged]:
    """Judge every claim on the results of a profile's pages that are in the store; nothing is trained.

    Networks that are smaller than the paper's, or that are trained on a stand-in for the paper's data, give no verdict.
    They are left out if a claim also has other networks. If it has no other networks, the verdict is "not yet as in the
    paper", and the reason states the verdict that they would give.

    Args:
        share: the spread between machines over the spread between seeds; without it, `change` is None in the results.
        names: the claims that are judged; by default all claims.
        moved: whether to try the other values of the thresholds, which takes several times as long as the verdicts.

    Raises:
        ConfigError: a name is not a claim.
    """
    known = {claim.id: claim for claim in read_claims()}
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"there is no claim {unknown[0]!r}: {suggestion(unknown[0], list(known), 'there is')}")
    wanted = [known[name] for name in names or known]
    evidence = _evidence(profile, store, wanted)
    return [judge_claim(claim, evidence, share, moved=moved) for claim in wanted]


def _evidence(profile: Profile, store: Store, claims: Sequence[Claim]) -> dict[str, PageResults]:
    """The stored results of each page that a claim names, with only the tables that the checks of its claims read."""
    evidence = {}
    for page in profile.pages:
        checks = {claim.check for claim in claims if page.name in claim.pages}
        if page.experiment is not None and checks:
            tables = [name for name in TABLES if name not in READERS or READERS[name] & checks]
            results, missing = stored(page.configs, store=store, tables=tables)
            weaker = "" if results is None else weakness(results, page.experiment)
            evidence[page.name] = PageResults(results, missing, weaker)
    return evidence


def verdict_of(rows: pd.DataFrame, claim: Claim, limits: Limits) -> str:
    """The verdict from the rows of an observation.

    A group of networks reproduces a claim if the claim holds in at least a share `reproduced_least` of the networks. It
    does not reproduce the claim if the claim fails in at least this share. If groups disagree, the verdict is "partly",
    unless one group is enough for the claim (`holds_in` is "any").
    """
    if rows.empty:
        return WAITING
    least = limits["reproduced_least"]
    shares = rows.groupby("group")["holds"].mean()
    good, bad = shares >= least, 1 - shares >= least
    if good.all() or (claim.holds_in == "any" and good.any()):
        return REPRODUCED
    return NOT if bad.all() else PARTLY


def judge_claim(
    claim: Claim, evidence: Mapping[str, PageResults], share: float | None = None, *, moved: bool = True
) -> Judged:
    """Judge one claim on the results of pages, given by name; the other arguments are as in `judge`."""
    if claim.check is None:
        return Judged(claim, UNTESTABLE, claim.reason)
    pages = {name: evidence[name] for name in claim.pages if name in evidence}
    every = {name: page.results for name, page in pages.items() if page.results is not None}
    if claim.pages and not every:
        return Judged(claim, WAITING, "none of its networks is in the store")
    weaker = {name: pages[name].weaker for name in every if pages[name].weaker}
    limits = thresholds()
    verdict_by = partial(verdict_of, claim=claim, limits=limits)
    used = {name: results for name, results in every.items() if name not in weaker} or every
    observation = _look(claim, used, limits)
    if weaker and observation.rows.empty and not observation.silent:
        used, observation = every, _look(claim, every, limits)
    only_weaker = any(name in used for name in weaker)
    verdict = SILENT if observation.rows.empty and observation.silent else verdict_by(observation.rows)
    missing = sum(page.missing for page in pages.values())
    diverged = sum(len(results.failures) for results in every.values())
    reasons = [f"{missing} of its networks {'is' if missing == 1 else 'are'} not in the store"] if missing else []
    reasons += [f"{diverged} of its networks diverged"] if diverged else []
    if observation.silent:
        lacks = "network says" if observation.silent == 1 else "networks say"
        reasons.append(f"{observation.silent} {lacks} nothing about it, for lack of {observation.needs}")
    if verdict == WAITING:
        reasons.append("the networks there are say nothing about it")
    elif only_weaker:
        reasons.append(f"only {' and '.join(dict.fromkeys(weaker.values()))} so far; by them: {verdict}")
        verdict = UNLIKE
    elif missing > sum(len(results.runs) for results in used.values()):
        verdict = WAITING
    if left := [name for name in claim.pages if name not in used]:
        reasons.append(f"nothing of the paper's size and data from {', '.join(left)}")
    change, others = None, {}
    if verdict not in UNJUDGED:
        change = None if share is None else chance_of_change(observation, verdict_by, share)
        others = _moved(claim, used, verdict) if moved else {}
    keys = tuple(key for results in used.values() for key in results.runs["key"])
    return Judged(claim, verdict, "; ".join(reasons), observation, others, weaker, keys, change)


def _look(claim: Claim, results: Evidence, limits: Limits) -> Observation:
    return CHECKS[str(claim.check)](results, limits, **claim.arguments)


def _moved(claim: Claim, used: Evidence, verdict: str) -> dict[str, str]:
    """Verdicts that other values of the thresholds would give, if they differ from the verdict."""
    verdicts = {}
    for name in (*claim.thresholds, "reproduced_least"):
        for other in read_thresholds()[name].others:
            limits = {**thresholds(), name: other}
            verdicts[f"{name} = {other:g}"] = verdict_of(_look(claim, used, limits).rows, claim, limits)
    return {change: now for change, now in verdicts.items() if now != verdict}


def weakness(results: Results, experiment: str) -> str:
    """The reason why the networks of a page give no verdict on the paper; empty if they give one."""
    smaller = bool(shortfalls(results.runs, experiment))
    stand_in = any(record["data"]["kind"] == STAND_IN for record in results.provenance.values())
    if not (smaller or stand_in):
        return ""
    networks = "networks smaller than the paper's" if smaller else "networks"
    return f"{networks} on a stand-in for its data" if stand_in else networks


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
