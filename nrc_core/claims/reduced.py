"""Networks smaller than the paper's: what they lack to give a verdict at reduced size.

They may give one if (a) their losses have settled (regression), or the training data are fitted or the loss has
settled (classifiers), and (b) their exposure to weight decay is that of the paper's network, within a factor. A third
condition, enough seeds in every group of a claim, is checked by `verdicts.decide`.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.results.results import Results
from nrc_core.sections.departures import of_the_paper, planned
from nrc_core.sections.dynamics import LOSSES, settled_epoch
from nrc_core.sections.experiments import trains_classifiers

LEAST_EPOCHS = 10  # a line is fitted to the losses of at least so many epochs, as in `settled_epoch`


def lacking(results: Results, experiment: str, arguments: Mapping[str, Any], limits: Mapping[str, float]) -> list[str]:
    """What the networks of a page lack to stand for the paper's, in words; empty if they lack nothing.

    Args:
        results: those of the page, with losses.
        arguments: those of a claim. If they name data sets or architectures, only networks of these count. If they have
            a number of iterations, the claim is about networks that are trained for as many.
        limits: thresholds by name.
    """
    name = ("reduced", experiment, limits["settled_change_most"])
    table = results.once(name, lambda one: compared(one, experiment, limits))
    for column in ("dataset", "architecture"):
        if wanted := arguments.get(f"{column}s"):
            table = table[table[column].isin(wanted)]
    fitted, factor = limits["fitted_loss_reduced"], limits["exposure_factor_most"]
    loss = f"neither settled nor below {fitted:g}" if trains_classifiers(experiment) else "not settled"
    failing = {
        f"with a loss that has {loss}": ~(table["settled"].astype(bool) | (table["loss"] <= fitted)),
        f"without an exposure within a factor of {factor:g} of the paper's": ~(table["factor"] <= factor),
    }
    if iterations := arguments.get("iterations"):
        failing[f"trained for fewer than {iterations:,} iterations"] = ~(table["iterations"] >= iterations)
    return [f"{sum(fails)} of {len(table)} {what}" for what, fails in failing.items() if fails.any()]


def compared(results: Results, experiment: str, limits: Mapping[str, float]) -> pd.DataFrame:
    """How far each network has trained, and how far its exposure is from that of the paper's network.

    Returns:
        Columns `key, dataset, architecture`, `settled` (whether the losses have), `loss` (of a classifier on all its
        training data at the end; NaN for regression), `factor`, the larger of the two exposures over the smaller
        one, at least 1; of several networks of the paper, the nearest counts; and `iterations` (planned, of a
        classifier; missing for regression).
    """
    losses = dict(list(results.losses.groupby("key")))
    classified = trains_classifiers(experiment)
    final = results.final().groupby("key")["loss"].first() if classified else pd.Series(dtype=float)
    rows = []
    for run in of_the_paper(results.runs, experiment).to_dict("records"):
        key, n = run["key"], results.provenance[run["key"]]["data"]["n_train"]
        if key not in losses:
            settled = False
        elif classified:
            settled = final_change(losses[key], n / run["batch_size"]) <= limits["settled_change_most"]
        else:
            settled = all(settled_epoch(losses[key], column, limits) is not None for column in LOSSES)
        named = {name: run[name] for name in ("key", "dataset", "architecture")}
        trained = {"settled": settled, "loss": final.get(key), "iterations": run.get("iterations")}
        rows.append(named | trained | {"factor": _factor(run, experiment, n)})
    columns = ["key", "dataset", "architecture", "settled", "loss", "factor", "iterations"]
    return pd.DataFrame(rows, columns=columns).astype({"loss": float, "iterations": float})


def final_change(losses: pd.DataFrame, steps: float | int) -> float:
    """Share by which the batch loss of a classifier changes in ten epochs, in the last tenth of its training.

    With cosine annealing every loss comes to rest in the last iterations, because the learning rate goes to zero. So
    the training is measured by the sum of its learning rates: its last tenth is where the last tenth of this sum is
    spent, which is about the last two fifths of the iterations. The logarithm of the loss is fitted there by a line
    over this sum, which is scaled so that the whole training has its number of epochs. As in `settled_epoch`, at least
    ten epochs are needed. The result is infinite if the training has fewer, and NaN if a loss is not finite.

    Args:
        losses: columns `iteration, learning_rate, batch_loss`.
        steps: iterations of an epoch.

    Example:
        >>> losses = pd.DataFrame({"iteration": range(1, 101), "batch_loss": 2.0 ** -np.arange(100)})
        >>> losses["learning_rate"] = 1.0
        >>> round(final_change(losses, 1), 6), final_change(losses, 20)
        (6.931472, inf)
    """
    run = losses.sort_values("iteration")
    rates = run["learning_rate"].to_numpy()
    epochs = run["iteration"].iloc[-1] / steps
    if epochs < LEAST_EPOCHS:
        return math.inf
    spent = rates.cumsum() / rates.sum() * epochs
    window = spent >= epochs - max(LEAST_EPOCHS, epochs / 10)
    if window.sum() < 3:  # too few for a line
        return math.inf
    logarithms = np.log(run["batch_loss"].clip(lower=np.finfo(float).tiny).to_numpy()[window])
    slope, _ = np.polyfit(spent[window], logarithms, 1, w=np.sqrt(rates[window]))
    return float(abs(10 * slope))


def _factor(run: Mapping[str, Any], experiment: str, rows: int) -> float:
    """The factor between the exposure of a run and that of the paper's network; infinite if the latter is not known.

    The paper's network has the paper's weight decay or, in a sweep, that of the run. The number of rows that the paper
    has decides the exposure of networks that are trained by epochs; it is not known if the run has fewer rows.
    """
    configs = planned(experiment, run["dataset"], run["architecture"])
    if run["dataset_options"].get("samples") is not None:
        return math.inf
    alike = [dataclasses.replace(one, weight_decay=run["weight_decay"]) for one in configs]
    return min((_between(run["exposure"], one.exposure(rows)) for one in (*configs, *alike)), default=math.inf)


def _between(one: float, other: float) -> float:
    """The factor between two exposures; networks without weight decay are alike."""
    if one == other:
        return 1.0
    if not min(one, other) > 0:
        return math.inf
    return max(one / other, other / one)
