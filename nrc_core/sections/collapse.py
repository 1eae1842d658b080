"""Tables of the collapse of classifiers, with one row for each network, layer or checkpoint."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from nrc_core.results.criteria import last_site_rows, last_sites, weight_sites
from nrc_core.results.results import Results

FIELDS = ["dataset", "architecture", "weight_decay", "label_smoothing"]
NETWORK = [*FIELDS, "seed"]
# The class means around which a variance is measured, and its column: those of the final network, by the definition of
# Hui et al., or those of the moment of the measurement.
MEANS = {"final": "variance", "moment": "variance_current"}


def last_hidden(results: Results, split: str = "train") -> pd.DataFrame:
    """Measurements of the last hidden layer, the input of the head, at every measured iteration of every network."""
    return results.label(last_site_rows(results.history(split)), *FIELDS)


def final_variances(results: Results) -> pd.DataFrame:
    """The variances of Hui et al. at the end of training: one row for each network.

    Returns:
        Columns `key`, those in `NETWORK`, `iterations` (when training ended), `train` (TrainVariance),
        `strong` and `weak` (strong and weak test variance), `weak_least` and `weak_most` (the least and the largest
        weak variance over ten restarts of k-means), `train_error`, `test_error`, `train_loss`.
    """
    train, test = (last_sites(results.final(split)) for split in ("train", "test"))
    quantities = {
        "iterations": train["iteration"],
        "train": train["variance"],
        "strong": test["variance"],
        "weak": test["weak_variance"],
        "weak_least": test["weak_variance_least"],
        "weak_most": test["weak_variance_most"],
        "train_error": train["error"],
        "test_error": test["error"],
        "train_loss": train["loss"],
    }
    table = pd.DataFrame(quantities, index=train.index).reset_index()
    return results.label(table, *NETWORK)[["key", *NETWORK, *quantities]]


def layer_variances(results: Results) -> pd.DataFrame:
    """TrainVariance of every hidden layer at every measured iteration.

    The column `layer` is the number of the site; the first hidden layer has number 1.
    """
    table = weight_sites(results.history("train"))
    return results.label(table[table["site"] > 0], *FIELDS).rename(columns={"site": "layer"})


def half_times(results: Results, means: str = "final") -> pd.DataFrame:
    """Iterations at which TrainVariance had fallen half of its way: one row for each network and hidden layer.

    Args:
        means: the class means around which it is measured, see `MEANS`.

    Returns:
        Columns `key`, those in `NETWORK`, `layer`, and those of `falls`.
    """
    return falls(layer_variances(results), ["key", *NETWORK, "layer"], clock="iteration", value=MEANS[means])


def falls(table: pd.DataFrame, labels: Sequence[str], *, clock: str, value: str) -> pd.DataFrame:
    """Decrease of a quantity over time: one row for each combination of labels.

    Returns:
        The labels, `first` and `final` (the first and the last value) and `half_time` (see `half_time`; NaN if the
        quantity does not decrease).
    """
    ends = []
    for own, rows in table.groupby(list(labels), sort=False):
        rows = rows.sort_values(clock)
        times, values = rows[clock].to_numpy(), rows[value].to_numpy()
        ends.append([*own, values[0], values[-1], half_time(times, values)])
    return pd.DataFrame(ends, columns=[*labels, "first", "final", "half_time"])


def half_time(times: Sequence[float] | np.ndarray, values: Sequence[float] | np.ndarray) -> float:
    """The first time at which the values had fallen half of the way from the first value to the last value.

    Between two measurements the logarithm of time is interpolated, since times are spaced and drawn on a logarithmic
    scale. Times must be above 0. The result is NaN if the last value is not below the first value.

    Example:
        >>> round(half_time([1.0, 10.0, 100.0], [4.0, 3.0, 1.0]), 6), half_time([1.0, 2.0], [1.0, 2.0])
        (17.782794, nan)
    """
    middle = (values[0] + values[-1]) / 2
    if not values[-1] < values[0]:
        return math.nan
    after = int(np.argmax(np.asarray(values) <= middle))
    share = (values[after - 1] - middle) / (values[after - 1] - values[after])
    return float(times[after - 1] * (times[after] / times[after - 1]) ** share)
