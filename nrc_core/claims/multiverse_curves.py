"""Specification curves: in which share of the combinations a claim holds, and which choice matters most.

A *specification curve* (Simonsohn, Simmons & Nelson, 2020) shows the answers under all combinations of choices that can
be defended, sorted. Here each combination is a network, or a sweep over weight decays, with an analysis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.claims.checks import CHECKS
from nrc_core.claims.entries import read_claims
from nrc_core.claims.multiverse import Analysis, Combination, analyses, choices, claims, combinations, threshold_choice
from nrc_core.claims.multiverse_table import Networks
from nrc_core.config.regression import RunConfig
from nrc_core.errors import ConfigError
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds

DATASET = "data set"  # shown like a choice for claims about several data sets
NUMBERS = 1000  # combinations of one data set have numbers below this
NO_CHOICE = "-"  # the level of a choice that a data set does not have
ANSWER = ("value", "holds", "limit")
DIGITS = 9  # of eta squared: without rounding, the arithmetic of a machine would order effects that are equal or zero


@dataclass(frozen=True)
class Curve:
    """The answers to a claim under all combinations.

    Attributes:
        rows: one row for each universe (combination of a network or sweep with an analysis): the level of each choice,
            in `choices`; `network`, the number of the combination; `own`, whether it is a network of the pages with
            their analysis; `value`, `limit` and `holds` as in the observation of a check, missing if it says nothing.
        choices: the names of the choices.
        quantity: the value in words.
        at_least: whether the claim holds at or above the limit.
    """

    claim: str
    rows: pd.DataFrame
    choices: tuple[str, ...]
    quantity: str
    at_least: bool

    @property
    def answers(self) -> pd.DataFrame:
        """The rows of the universes that say something about the claim."""
        return self.rows[self.rows["holds"].notna()]

    @property
    def share(self) -> float:
        """The share in which the claim holds of the universes that say something; NaN if none does."""
        return float(self.answers["holds"].astype(float).mean())

    def effects(self) -> pd.DataFrame:
        """The `effects` of the choices on whether the claim holds."""
        return effects(self.answers, self.choices)

    @property
    def matters_most(self) -> pd.Series | None:
        """The row of `effects` of the choice that matters most; None if all answers are the same.

        The data set is not a choice that the paper leaves open.
        """
        found = self.effects()
        found = found[(found["choice"] != DATASET) & (found["eta_squared"] > 0)]
        return None if found.empty else found.iloc[0]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the share, numbers of universes and networks, and the choice that matters most."""
        first = self.matters_most
        return {
            "share": None if math.isnan(self.share) else round(self.share, 4),
            "universes": len(self.answers),
            "silent": len(self.rows) - len(self.answers),
            "networks": int(self.rows["network"].nunique()),
            "matters_most": None if first is None else first["choice"],
            "eta_squared": None if first is None else round(float(first["eta_squared"]), 4),
            "by_level": {} if first is None else self.by_level(first["choice"]),
        }

    def by_level(self, choice: str) -> dict[str, float]:
        """The share in which the claim holds, for each level of a choice, in the order of the choice."""
        shares = self.answers.groupby(choice, sort=False)["holds"].apply(lambda own: own.astype(float).mean())
        return {level: round(float(shares[level]), 4) for level in levels_of(choice, self.rows) if level in shares}


def curve(claim: str, networks: Networks, made: dict[Any, Results] | None = None) -> Curve:
    """The answers of the networks to a claim under all its analyses.

    Args:
        claim: id of a claim of the multiverse.
        made: results that were made for other claims, by data set, kind and analysis; new ones are added.

    Raises:
        ConfigError: the claim is not in the multiverse.
    """
    made = {} if made is None else made
    if claim not in claims():
        raise ConfigError(f"claim {claim!r} is not in the multiverse, which has {', '.join(claims())}")
    (entry,) = (one for one in read_claims() if one.id == claim)
    plan, tried = claims()[claim], analyses(claim, entry.thresholds)
    each = _tried(plan, networks)
    named = tuple(dict.fromkeys(name for one in each.values() for name in one.levels))
    names = ((DATASET,) if len(plan["data"]) > 1 else ()) + named + tuple(tried[0].levels)
    if not each:
        return Curve(claim, pd.DataFrame(columns=["network", "own", *ANSWER, *names]), names, "", False)
    parts = []
    for analysis in tried:
        evidence = _evidence(plan, analysis, each, networks, made)
        arguments = {**entry.arguments, **analysis.arguments}
        seen = CHECKS[str(entry.check)](evidence, {**thresholds(), **analysis.limits}, **arguments)
        found = seen.rows.set_index("seed")[["value", "holds"]].reindex(list(each))
        parts.append(found.assign(limit=seen.limit, network=list(each), **analysis.levels))
    rows = pd.concat(parts, ignore_index=True)
    rows[DATASET] = rows["network"].map({number: one.dataset for number, one in each.items()})
    rows["own"] = rows["network"].map({number: one.own for number, one in each.items()}) & (rows.index < len(each))
    for name in named:
        rows[name] = rows["network"].map({number: one.levels.get(name, NO_CHOICE) for number, one in each.items()})
    return Curve(claim, rows, names, seen.quantity, seen.at_least)


def _tried(plan: Mapping[str, Any], networks: Networks) -> dict[int, Combination]:
    """The combinations by number, of which the table has all networks that a claim needs."""
    return {
        place * NUMBERS + one.number: one
        for place, name in enumerate(plan["data"])
        for one in combinations(name)
        if (one.sweep or not plan["sweeps"]) and all(networks.key(own) for own in _members(one, sweep=plan["sweeps"]))
    }


def _evidence(
    plan: Mapping[str, Any],
    analysis: Analysis,
    each: Mapping[int, Combination],
    networks: Networks,
    made: dict[Any, Results],
) -> dict[str, Results]:
    """The results of each data set for one analysis, as a check takes them; those in `made` are not made again."""
    evidence = {}
    for place, name in enumerate(plan["data"]):
        key = (name, place, plan["sweeps"], analysis.features, analysis.rank)
        if key not in made:
            members = {n: _members(one, sweep=plan["sweeps"]) for n, one in each.items() if one.dataset == name}
            made[key] = networks.results(members, features=analysis.features, rank=analysis.rank)
        if len(made[key].runs):
            evidence[name] = made[key]
    return evidence


def _members(one: Combination, *, sweep: bool) -> list[RunConfig]:
    """The networks of a combination that a claim looks at."""
    return list(one.networks.values()) if sweep else [one.network]


def curves(networks: Networks) -> dict[str, Curve]:
    """The curve of every claim of the multiverse for which there are networks, by id."""
    made: dict[Any, Results] = {}
    every = {claim: curve(claim, networks, made) for claim in claims()}
    return {claim: one for claim, one in every.items() if len(one.answers)}


def all_shares(networks: Networks) -> dict[str, dict[str, Any]]:
    """What the ledger shows of every claim of the multiverse, by id, see `Curve.as_dict`."""
    return {claim: one.as_dict() for claim, one in curves(networks).items()}


def levels_of(choice: str, rows: pd.DataFrame) -> list[str]:
    """The levels of a choice that occur in rows; the first level is that of the pages."""
    known = choices().get(choice)
    order = list(known.levels if known else () if choice == DATASET else threshold_choice(choice).levels)
    there = list(dict.fromkeys(rows[choice]))
    return [level for level in order if level in there] + [level for level in there if level not in order]


def effects(answers: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """How much of the variance of the answers each choice explains, in an analysis of variance of main effects.

    eta squared = (R - R_full) / R_0: the residual sum of squares without the choice, less that with all choices, over
    that of the mean alone (sums of squares of type II, since the combinations are a sample). In a balanced table it is
    the sum of squares between the levels over the total. It describes these answers; it is not a test, since many
    analyses share one network.

    Args:
        answers: one row for each universe with its answer, `holds`, and the levels of the choices.
        names: the columns of the choices.

    Returns:
        Columns `choice` and `eta_squared` (from 0 to 1), the largest first; eta squared is NaN if all answers are
        the same.

    Example:
        >>> table = pd.DataFrame({"a": list("xxyy"), "b": list("uvuv"), "holds": [True, True, False, True]})
        >>> effects(table, ["a", "b"]).round(3).values.tolist()
        [['a', 0.333], ['b', 0.333]]
    """
    held = answers["holds"].to_numpy(float)
    total = _residual(held, []) if len(set(held)) > 1 else 0.0
    columns = {name: _indicators(answers[name]) for name in names}
    full = _residual(held, list(columns.values()))
    found = []
    for name in names:
        without = _residual(held, [one for other, one in columns.items() if other != name])
        share = max(without - full, 0.0) / total if total > 0 else math.nan
        found.append((name, round(share, DIGITS)))
    table = pd.DataFrame(found, columns=["choice", "eta_squared"])
    return table.sort_values("eta_squared", ascending=False, kind="stable", ignore_index=True)


def _indicators(levels: pd.Series) -> np.ndarray:
    """A column for each level but the first."""
    return pd.get_dummies(levels).to_numpy(float)[:, 1:]


def _residual(values: np.ndarray, columns: Sequence[np.ndarray]) -> float:
    """Residual sum of squares of the least-squares fit by columns and a constant; 0 without values."""
    if not len(values):
        return 0.0
    design = np.column_stack([np.ones(len(values)), *columns])
    fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return float(np.square(values - fitted).sum())
