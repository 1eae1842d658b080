"""Checks of statements about training with wrong labels, and about margins that are not normalised."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nrc_core.claims.checks.observation import Items, Value, check
from nrc_core.claims.checks.subjects import FEWEST, parts, rank_correlation
from nrc_core.config.trained_features import CODING_RATE, CROSS_ENTROPY
from nrc_core.results.results import Results
from nrc_core.sections.corrupted_labels.tables import (
    EARLY,
    GIVEN,
    MEANS,
    MIDDLE,
    OWN,
    SUBSPACES,
    accuracy_at_share,
    best,
    by_epoch,
    compared,
    terminal_phases,
)

END = (CROSS_ENTROPY, 80)  # loss and epoch
STOPPED = (CROSS_ENTROPY, EARLY)
CODED = (CODING_RATE, MIDDLE)
CODED_EARLY, CODED_LATE, CODED_LONG = ((CODING_RATE, epoch) for epoch in (20, 120, 500))
RULES = {"own": OWN, "nearest mean": MEANS, "nearest subspace": SUBSPACES}
Row = Mapping[tuple[str, int], float]  # a value by loss and epoch


def _group(ratio: float) -> str:
    return f"ratio {ratio:g}"


def _ratios(results: Results, ratio: float | None = None, quantity: str = OWN) -> Items:
    """Yield for every ratio and seed, or for one ratio, a quantity by loss and epoch."""
    for (own, seed), row in by_epoch(results, quantity).iterrows():
        if ratio is None or own == ratio:
            yield {"group": _group(own), "seed": int(seed)}, row.dropna().to_dict()


def _by_rule(results: Results, ratio: float, rule: str = "own") -> Items:
    """Yield for every seed the test accuracy by one rule for both losses."""
    yield from _ratios(results, ratio, RULES[rule])


def _all_ratios(results: Results) -> Items:
    """Yield for every seed the test accuracy by loss and epoch, with one row for each ratio."""
    table = by_epoch(results)
    for seed, rows in table.groupby(level="seed"):
        yield {"group": "all ratios", "seed": int(seed)}, rows.droplevel("seed").sort_index()


def _both(results: Results, ratio: float) -> Items:
    """Yield for every seed the networks with both losses, over training."""
    table = compared(results)
    yield from parts(table[table["ratio"] == ratio], "seed", group=lambda row: _group(row["ratio"]), order="epoch")


def _phases(results: Results, decay: bool) -> Items:
    """Yield networks with cross entropy and right labels in their terminal phase, with or without weight decay."""
    table = terminal_phases(results)
    chosen = table[(table["weight_decay"] > 0) == decay]
    yield from parts(chosen, group=lambda row: f"weight decay {row['weight_decay']:g}", order="epoch")


def _difference(row: Row, better: tuple[str, int], worse: tuple[str, int]) -> float | None:
    return row[better] - row[worse] if better in row and worse in row else None


@check(limit="accuracy_lead_least", over=_by_rule, at_least=True, reads="descent")
def coding_rate_ahead(row: Row, rule: str = "own") -> Value | None:
    """Test accuracy of coding-rate reduction after 60 epochs less that of cross entropy after 80 (rule: {rule})."""
    return _difference(row, CODED, END)


@check(limit="accuracy_even_most", over=_by_rule, reads="descent")
def losses_alike(row: Row) -> Value | None:
    """Distance of the test accuracies of coding-rate reduction after 60 epochs and of cross entropy after 80."""
    found = _difference(row, CODED, END)
    return None if found is None else abs(found)


@check(limit="trend_least", over=_all_ratios, at_least=True, reads="descent", needs="three ratios")
def lead_grows_with_ratio(rows: pd.DataFrame) -> Value | None:
    """Rank correlation of the ratio of replaced labels with the lead of coding-rate reduction, by seed."""
    if CODED not in rows or END not in rows:
        return None
    lead = (rows[CODED] - rows[END]).dropna()
    return rank_correlation(lead.index.to_series(), lead) if len(lead) >= FEWEST else None


@check(limit="accuracy_lead_least", over=_by_rule, at_least=True, reads="descent")
def early_stopping_helps(row: Row) -> Value | None:
    """Test accuracy of cross entropy after 10 epochs minus that after 80."""
    return _difference(row, STOPPED, END)


@check(limit="most_of_a_gap", over=_by_rule, at_least=True, strict=True, reads="descent", needs="a lead")
def early_stopping_recovers(row: Row) -> Value | None:
    """What cross entropy gains by stopping after 10 epochs, over the lead of coding-rate reduction."""
    gain, lead = _difference(row, STOPPED, END), _difference(row, CODED, END)
    return None if gain is None or lead is None or lead <= 0 else gain / lead


@check(limit="accuracy_fall_least", over=_by_rule, at_least=True, reads="descent")
def coding_rate_falls(row: Row) -> Value | None:
    """Test accuracy of coding-rate reduction after 20 epochs minus that after 120."""
    return _difference(row, CODED_EARLY, CODED_LATE)


@check(limit="accuracy_near_most", over=_by_rule, reads="descent")
def long_training_ends_the_lead(row: Row) -> Value | None:
    """Test accuracy of coding-rate reduction after 500 epochs minus that of cross entropy after 80."""
    return _difference(row, CODED_LONG, END)


@check(limit="most_of_a_gap", over=_both, strict=True, reads="descent", needs="a lead")
def equal_share_shrinks_the_lead(rows: pd.DataFrame, share: str = GIVEN) -> Value | None:
    """Lead of coding-rate reduction over cross entropy when both reproduce as many labels, over its lead at the end.

    Cross entropy is taken where it first reproduces the share that coding-rate reduction reproduces after 60 epochs.
    """
    entropy, coding = (rows[rows["kind"] == kind].set_index("epoch") for kind in (CROSS_ENTROPY, CODING_RATE))
    if MIDDLE not in coding.index or END[1] not in entropy.index:
        return None
    accuracy, reproduced = coding.loc[MIDDLE, [OWN, share]]
    lead, equal = accuracy - entropy.loc[END[1], OWN], accuracy - accuracy_at_share(entropy, reproduced, share)
    return None if lead <= 0 or np.isnan(equal) else equal / lead


def _best(results: Results, ratio: float, rule: str = "own") -> Items:
    """Yield for every seed the largest test accuracy among the measured epochs by loss."""
    for (own, seed), row in best(results, RULES[rule]).iterrows():
        if own == ratio:
            yield {"group": _group(own), "seed": int(seed)}, row.dropna().to_dict()


@check(limit="accuracy_even_most", over=_best, at_least=True, strict=True, reads="descent", needs="both losses")
def coding_rate_ahead_at_best(row: Mapping[str, float], rule: str = "own") -> Value | None:
    """Lead of coding-rate reduction with each loss at its best measured epoch (test rule: {rule})."""
    return row[CODING_RATE] - row[CROSS_ENTROPY] if len(row) == 2 else None


def _spreads(results: Results) -> Items:
    """Yield for every ratio and seed V_f of the training rows by loss and epoch."""
    yield from _ratios(results, quantity="v_train")


@check(limit="spread_factor_least", over=_spreads, at_least=True, reads="descent")
def coding_rate_stays_spread(row: Row) -> Value | None:
    """V_f of the training rows with coding-rate reduction after 60 epochs, over that with cross entropy after 80."""
    return row[CODED] / row[END] if CODED in row and END in row else None


@check(limit="trend_least", over=_phases, at_least=True, reads="descent", needs="three times without an error")
def raw_margin_grows(rows: pd.DataFrame) -> Value | None:
    """Rank correlation of epoch and smallest margin, not normalised, without training error."""
    return rank_correlation(rows["epoch"], rows["margin_least"]) if len(rows) >= FEWEST else None


@check(limit=1.0, over=_phases, at_least=True, strict=True, reads="descent", needs="two times without an error")
def raw_margin_grows_by_scale(rows: pd.DataFrame) -> Value | None:
    """Factor by which the smallest margin grows, over that of the smallest normalised one, without training error."""
    if len(rows) < 2:
        return None
    raw, normalised = (rows[name].iloc[-1] / rows[name].iloc[0] for name in ("margin_least", "normalised_margin_least"))
    return raw / normalised
