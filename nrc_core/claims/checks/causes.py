"""Checks that give reasons: what networks have or lack for which a claim fails. No claim is judged by them."""

from typing import Any

import pandas as pd

from nrc_core.claims.checks.networks import ALIGNMENTS, ONCE_COLLAPSED, values_of
from nrc_core.claims.checks.observation import Items, Limits, Value, check
from nrc_core.claims.checks.subjects import each_row, kept, networks
from nrc_core.results.criteria import verdicts
from nrc_core.results.directions import at_k_star
from nrc_core.results.results import Results
from nrc_core.sections import dynamics

PLACES = {0: "last", 1: "penultimate"}


def _runs(results: Results) -> Items:
    """Yield the row of every run."""
    yield from each_row(results.runs)


@kept
def _verdicts(results: Results) -> Items:
    """Yield the row of `verdicts` of every network."""
    yield from each_row(results.label(verdicts(results.final()).reset_index(), "dataset"))


@kept
def _directions(results: Results, from_last: int = 1) -> Items:
    """Yield the row of `at_k_star` of every network at one weight site, counted from the last."""
    sites = at_k_star(results)
    yield from each_row(results.label(sites[sites["from_last"] == from_last], "dataset", "seed"))


def _onsets(results: Results, limits: Limits) -> Items:
    """Yield for every network that collapses, but not over-collapses, its exposure until the onset of collapse.

    All epochs have equally many steps, so the exposure is spent in proportion to the sum of the learning rates.
    """
    table = dynamics.timing(results, limits).dropna(subset="at_most")
    table = results.label(table[table["collapse"] != "over-collapsed"], "exposure")
    rates = results.losses.set_index(["key", "epoch"])["learning_rate"].sort_index()
    for item, row in each_row(table):
        one = rates.loc[row["key"]]
        yield item, row | {"spent": row["exposure"] * one.loc[: row["at_most"]].sum() / one.sum()}


def _place(from_last: int = 1) -> str:
    return f"{PLACES[from_last]} weight site" if from_last in PLACES else f"weight site {from_last} before the last"


@check(limit="exposure_enough", over=_runs, at_least=True)
def exposure(row: dict[str, Any]) -> Value:
    """Exposure to weight decay.

    E = weight decay / (1 - momentum) x sum of the learning rates of all steps: a weight that no gradient holds keeps
    exp(-E) of its size.
    """
    return row["exposure"]


@check(limit="exposure_enough", over=_onsets, at_least=True, reads="losses")
def exposure_at_onset(row: dict[str, Any]) -> Value:
    """Exposure to weight decay until the first measured epoch from which on all four conditions hold at the last site.

    The exposure E is that of `exposure`, by the steps until then.
    """
    return row["spent"]


@check(limit="nothing_learned_least", over=_verdicts, strict=True)
def targets_learned(row: dict[str, Any]) -> Value:
    """Unexplained share of the variance of the training targets."""
    return row["unexplained"]


@check(limit=1.0, over=_verdicts, at_least=True)
def directions_of_output(row: dict[str, Any]) -> Value:
    """Directions of the output over those of the targets (99 % of the variance of each; below 1 is over-collapse)."""
    return row["output_rank"] / row["target_rank"]


@check(
    limit=1.0,
    over=_directions,
    reads="spectra",
    quantity=lambda from_last=1: (
        f"directions k* of the features at the {_place(from_last)}, over the number of targets"
    ),
)
def directions_of_features(row: dict[str, Any]) -> Value:
    """Directions k* of the features at a weight site, over the number of targets t.

    k* is the least rank with next to no noise outside it, see `at_k_star`. The value is NaN, and does not meet the
    limit, if no stored rank has so little noise.
    """
    return float("nan") if pd.isna(row["k_star"]) else row["k_star"] / row["t"]


def _condition(condition: str, from_last: int = 1) -> str:
    return f"{condition.upper()} of the k* directions of the features at the {_place(from_last)}"


@check(
    limit=lambda condition: ONCE_COLLAPSED[condition][0],
    over=_directions,
    at_least=lambda condition: condition in ALIGNMENTS,
    reads="spectra",
    quantity=_condition,
)
def conditions_at_k_star(row: dict[str, Any], condition: str) -> Value:
    """NRC1, NRC2 or NRC3 (`condition`) at a weight site at rank k* in place of t, see `at_k_star`.

    The value is NaN, and the condition fails, if k* is not known.
    """
    return row[f"{condition}_k"]


def _at_site(condition: str, from_last: int = 0) -> str:
    allowed = ", over what is allowed" if condition == "nrc4" else ""
    return f"{condition.upper()} at the {_place(from_last)}{allowed}"


@check(
    limit=lambda condition: ONCE_COLLAPSED[condition][0],
    over=networks,
    at_least=lambda condition: condition in ALIGNMENTS,
    needs="so many weight sites",
    quantity=_at_site,
)
def condition_at_site(rows: pd.DataFrame, limits: Limits, condition: str, from_last: int = 0) -> Value | None:
    """NRC1 to NRC4 (`condition`) at one weight site, whether or not it is collapsed; NRC4 over what is allowed."""
    values = values_of(condition, rows, limits)
    return values.iloc[-1 - from_last] if from_last < len(values) else None
