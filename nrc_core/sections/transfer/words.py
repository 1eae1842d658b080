"""What a page on transfer found, in words made from its numbers."""

import math

import pandas as pd

from nrc_core.results.phrases import either
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.transfer.pooled import Pooled
from nrc_core.sections.transfer.tables import (
    EQUALLY_LONG,
    SAME,
    by_checkpoint,
    checkpoints,
    equally_long,
    factors,
    slopes,
)

ANSWERS = {True: "**yes**", False: "**no**", None: "**the seeds cannot tell**"}


def found(results: Results) -> str:
    """The answers of a page as a list: transfer of collapsed checkpoints, of networks of equal age, and the probe."""
    table, effect = by_checkpoint(results), thresholds()["transfer_effect_least"]
    main, alike = checkpoints(table), equally_long(table)
    asked = [
        ("Do checkpoints that collapsed further transfer worse, by the final class means", main, SAME, "final"),
        ("Do they, by the class means of the moment", main, SAME, "moment"),
        ("Do networks of equal age that collapsed further transfer worse", alike, EQUALLY_LONG, "moment"),
    ]
    lines = []
    for question, rows, by, means in asked:
        if values := tuple(slopes(rows, by, means=means)["slope"]):
            pooled = Pooled(values)
            answer = _answer(pooled, effect, "points for each halving of the variance")
            lines.append(f"{question}? {answer} {_dose(rows, by, means)}")
    gaps = tuple(probe_gaps(table)["gap"])
    lines.append(
        "Is the linear probe much worse than fine-tuning, on the mean of the checkpoints? "
        f"{_answer(Pooled(gaps), thresholds()['probe_gap_least'], 'points')}"
    )
    lines.append(_scatter(main, results))
    lines.append(
        f"All were fine-tuned on {either(table['rows'])} rows, to a training loss of at most "
        f"{table['tuned_loss'].max():.2g}."
    )
    return "\n".join(f"* {line}" for line in lines)


def probe_gaps(table: pd.DataFrame) -> pd.DataFrame:
    """Points by which fine-tuning beats the linear probe: the mean over the checkpoints of each seed.

    Args:
        table: the table `by_checkpoint`.

    Returns:
        Columns `seed` and `gap`.
    """
    rows = checkpoints(table)
    gaps = (100 * (rows["by_validation"] - rows["probe"])).rename("gap")
    return gaps.groupby(rows["seed"]).mean().reset_index()


def _answer(pooled: Pooled, effect: float, unit: str) -> str:
    shown = pooled.shows(effect)
    power = pooled.power(effect) if shown is None else ""
    return f"{ANSWERS[shown]}, {pooled.in_words(unit)}{f'; {power}' if power else ''}."


def _dose(rows: pd.DataFrame, by: list[str], means: str) -> str:
    """By which factor the variances of the networks differ within a seed."""
    return f"Within a seed the variances differ by a factor of {factors(rows, by, means=means)['factor'].median():.3g}."


def _scatter(rows: pd.DataFrame, results: Results) -> str:
    """The scatter of the accuracies within a seed beside their binomial error."""
    scatter = 100 * math.sqrt(rows.groupby("seed")["by_validation"].var().mean())
    accuracy, tested = rows["by_validation"].mean(), results.provenance[rows["key"].iloc[0]]["data"]["n_test"]
    error = 100 * math.sqrt(accuracy * (1 - accuracy) / tested)
    return (
        f"The accuracies of one seed scatter by {scatter:.2g} points, as a standard deviation. The binomial error of "
        f"one accuracy on {tested:,} test rows is {error:.2g} points."
    )
