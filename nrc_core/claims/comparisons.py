"""Why a claim has its verdict, and under which other conditions it holds: a sentence, and the networks that show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from nrc_core.claims.checks.observation import CHECKS, Evidence, Limits, Observation
from nrc_core.claims.claim import THEOREM, Claim, Comparison
from nrc_core.claims.groups import Group, groups_of, numbers
from nrc_core.results.phrases import apart, counted
from nrc_core.results.results import Results
from nrc_core.sections.grid import DEFAULTS


@dataclass(frozen=True)
class Compared:
    """A sentence on a claim, with the numbers of the networks that show it.

    Attributes:
        holds: whether the check holds in at least the share `reproduced_least` of the networks of every group.
        enough: whether every group has enough seeds (`seeds_least`); of a theorem no seeds are asked.
        keys: keys of the runs of these networks.
    """

    comparison: Comparison
    observation: Observation
    holds: bool
    enough: bool
    keys: tuple[str, ...]

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The numbers by group, such as a data set."""
        return groups_of(self.observation)

    @property
    def counts(self) -> str:
        """In how many networks of each group the check holds; a single group has no name."""
        named = len(self.groups) > 1
        return ", ".join(
            f"{f'{group.name} ' if named else ''}{group.held} of {counted(group.networks, 'network')}"
            for group in self.groups
        )

    @property
    def numbers(self) -> str:
        """The numbers behind the sentence: the quantity, its values, and in how many networks they pass the limit."""
        seen, parts = self.observation, []
        bound = f"{'at least' if seen.at_least else 'at most'} {apart(seen.limit, seen.limit)}"
        for group in self.groups:
            label = f"{group.name}: " if len(self.groups) > 1 else ""
            parts.append(f"{label}{numbers(group.values, seen.limit)}, {bound} in {group.held} of {group.networks}")
        return f"{seen.quantity}: {'; '.join(parts)}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        given = {name: getattr(self.comparison, name) for name in ("text", "pages", "where", "check", "arguments")}
        own = {name: getattr(self, name) for name in ("holds", "enough", "counts", "numbers", "keys")}
        seen = {name: getattr(self.observation, name) for name in ("quantity", "limit", "at_least")}
        return given | own | seen | {"groups": [group.as_dict() for group in self.groups]}


def compare(claim: Claim, comparison: Comparison, evidence: Evidence, limits: Limits) -> Compared | None:
    """Apply the check of a comparison to its networks; None if the store has none that say anything.

    Args:
        comparison: one of `claim.comparisons`.
        evidence: the results of the pages that are in the store, by name.
    """
    found = {name: matching(evidence[name], comparison.where) for name in comparison.pages if name in evidence}
    found = {name: results for name, results in found.items() if not results.runs.empty}
    if comparison.pages and not found:
        return None
    observation = CHECKS[comparison.check](found, limits, **comparison.arguments)
    if observation.rows.empty:
        return None
    held = observation.rows.groupby("group")["holds"].mean() >= limits["reproduced_least"]
    seeds = min(group.seeds for group in groups_of(observation))
    enough = claim.about == THEOREM or seeds >= limits["seeds_least"]
    keys = tuple(dict.fromkeys(key for results in found.values() for key in results.runs["key"]))
    return Compared(comparison, observation, bool(held.all()), enough, keys)


def matching(results: Results, where: Mapping[str, Any]) -> Results:
    """The results of the runs that have some values in their fields or in the options of their data.

    Example:
        >>> results = run(deep_nrc_mlp("synthetic", samples=100, width=8, epochs=1), store=Store(tmp))
        >>> [len(matching(results, {"samples": samples}).runs) for samples in (100, 200)]
        [1, 0]
    """
    runs = results.runs
    kept = pd.Series(True, runs.index)
    for name, value in where.items():
        options = runs["dataset_options"].map(lambda one, name=name: one.get(name, DEFAULTS.get(name)))
        kept &= runs.get(name, options) == value
    return results if kept.all() else results.among(runs.loc[kept, "key"])
