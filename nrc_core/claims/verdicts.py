"""The verdicts, and how they follow from the networks of the pages of a claim."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from nrc_core.claims.checks.observation import CHECKS, Evidence, Limits, Observation
from nrc_core.claims.claim import Claim
from nrc_core.claims.evidence import PageResults
from nrc_core.claims.groups import groups_of
from nrc_core.results.phrases import counted

REPRODUCED, PARTLY, NOT, REDUCED, UNSURE, SILENT, UNTESTABLE, WAITING = VERDICTS = (
    "reproduced",
    "partly",
    "not reproduced",
    "at reduced size",
    "inconclusive",
    "says nothing",
    "not testable",
    "not yet run",
)
UNJUDGED = (UNSURE, SILENT, UNTESTABLE, WAITING)
NO_RUN = "none of its networks is in the store"
NO_VALUE = "the networks there are say nothing about it"


@dataclass(frozen=True)
class Decision:
    """A verdict and what it is made of.

    Attributes:
        verdict: one of `VERDICTS`.
        reduced: the verdict of smaller networks, if they are the evidence.
        used: the results that are the evidence, by page.
        observation: their numbers; None without a verdict.
        lacks: why there is no evidence, or why weaker networks are none.
    """

    verdict: str
    reduced: str = ""
    used: Evidence = field(default_factory=dict)
    observation: Observation | None = None
    lacks: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """The verdict, with that of the smaller networks.

        Example:
            >>> Decision(REDUCED, NOT).in_words
            'at reduced size: not reproduced'
        """
        return f"{self.verdict}: {self.reduced}" if self.reduced else self.verdict


def decide(claim: Claim, pages: Mapping[str, PageResults], limits: Limits) -> Decision:
    """The verdict on a claim from the networks of its pages, by name.

    Networks of the paper's size on the paper's data come first. Only if a claim has none, or if they say nothing, come
    smaller networks that have trained long enough, are exposed to weight decay as the paper's are, and have enough
    seeds in every group. Their verdict is "at reduced size". Other networks give no verdict.
    """
    there = {name: page for name, page in pages.items() if page.results is not None}
    full = {name: page.results for name, page in there.items() if page.results is not None and not page.weaker}
    if claim.pages and not there:
        return Decision(WAITING, lacks=(NO_RUN,))
    observation = look(claim, full, limits)
    if not (weaker := {name: page for name, page in there.items() if page.weaker}) or _speaks(observation):
        return _decided(claim, full, observation, limits)
    lacks = {name: page.lacking(claim.arguments, limits) for name, page in weaker.items()}
    smaller = {name: page.results for name, page in weaker.items() if page.results is not None and not lacks[name]}
    why = tuple(dict.fromkeys(text for text in lacks.values() if text))
    if not smaller:
        return Decision(WAITING, lacks=why)
    observation = look(claim, smaller, limits)
    few = [f"{group.name}: {counted(group.seeds, 'seed')}" for group in groups_of(observation)
           if group.seeds < limits["seeds_least"]]  # fmt: skip
    if few:
        return Decision(WAITING, lacks=(*why, f"too few seeds ({', '.join(few)})"))
    found = _decided(claim, smaller, observation, limits)
    return found if found.verdict == WAITING else Decision(REDUCED, found.verdict, smaller, observation, why)


def look(claim: Claim, results: Evidence, limits: Limits) -> Observation:
    """The numbers of a claim from results by page, without groups in which most networks say nothing."""
    return CHECKS[str(claim.check)](results, limits, **claim.arguments).heard()


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


def _speaks(observation: Observation) -> bool:
    return not observation.rows.empty or observation.silent > 0


def _decided(claim: Claim, used: Evidence, observation: Observation, limits: Limits) -> Decision:
    if observation.rows.empty:
        found = SILENT if observation.silent else WAITING
        return Decision(found, "", used, observation, () if observation.silent else (NO_VALUE,))
    verdict = verdict_of(observation.rows, claim, limits)
    unsure = observation.unsure and verdict != REPRODUCED
    return Decision(UNSURE if unsure else verdict, "", used, observation)
