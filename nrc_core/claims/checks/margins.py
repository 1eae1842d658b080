"""Checks of the survey by Agarwal et al.: margins in the terminal phase of training, and V_f on unseen samples."""

import numpy as np
import pandas as pd

from nrc_core.claims.checks.classification import networks_by_size, over_training
from nrc_core.claims.checks.constructed import Rows, case
from nrc_core.claims.checks.observation import Items, Value, check
from nrc_core.claims.checks.subjects import FEWEST, kept, rank_correlation
from nrc_core.results.results import Results

PHASE = "enough measured times without a training error"


@kept
def _terminal_phases(results: Results) -> Items:
    """Yield the measurements of every classifier from the first time on from which no training sample is wrong."""
    for network, rows in over_training(results):
        wrong = rows["error"].to_numpy() > 0
        yield network, rows.iloc[len(wrong) - int(np.argmax(wrong[::-1])) :] if wrong.any() else rows


@check(limit="trend_least", over=_terminal_phases, at_least=True, needs=PHASE)
def smallest_margin_grows(rows: pd.DataFrame) -> Value | None:
    """Rank correlation of iteration and smallest normalised margin, without training error."""
    return _trend(rows, rows["normalised_margin_0"])


@check(limit="trend_least", over=_terminal_phases, at_least=True, needs=PHASE)
def margins_even_out(rows: pd.DataFrame) -> Value | None:
    """Rank correlation of iteration and evenness of the normalised margins, without training error.

    Evenness is the lowest tenth of the margins over the highest tenth (the quantiles at 10 % and at 90 %).
    """
    return _trend(rows, rows["normalised_margin_10"] / rows["normalised_margin_90"])


def _trend(rows: pd.DataFrame, values: pd.Series) -> float | None:
    return rank_correlation(rows["iteration"], values) if len(rows) >= FEWEST else None


@case(limit=1.0)
def class_distance_bound() -> Rows:
    """V_f of a population over its bound from V_f of a training set.

    Two classes of normal features are the population; the training set is its first rows.
    """
    from nrc_core.metrics import class_bound

    generator = np.random.default_rng(0)
    population = generator.standard_normal((2, 10_000, 8))
    population[1, :, 0] += 6
    labels = np.arange(2)
    every = population.reshape(-1, 8), labels.repeat(10_000)
    rows: Rows = []
    for n in (30, 300, 3000):
        train = population[:, :n].reshape(-1, 8), labels.repeat(n)
        (pair,) = class_bound.class_distance_bound(*train, *every).itertuples()
        rows.append({"group": f"{n} training rows of each class", "seed": -1, "value": pair.test / pair.bound})
    return rows


@kept
def _distances_by_size(results: Results) -> Items:
    """Yield for every seed with several sizes of the training set its networks at the end, with V_f of both splits."""
    ends = {rows["key"].iloc[0]: rows.iloc[-1] for _, rows in over_training(results)}
    for network, rows in networks_by_size(results):
        ratio = [ends[key]["cdnv_test"] / ends[key]["cdnv"] for key in rows["key"]]
        yield network, rows.assign(ratio=ratio)


@check(limit="size_trend_least", over=_distances_by_size, at_least=True)
def test_distance_nears_train(rows: pd.DataFrame) -> Value:
    """Rank correlation of training set size with a lower ratio of V_f on test to V_f on training data."""
    return -rank_correlation(rows["n"], rows["ratio"])
