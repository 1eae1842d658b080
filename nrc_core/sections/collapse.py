"""Tables of the collapse of classifiers, with one row for each network, layer or checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.results.criteria import weight_sites
from nrc_core.results.results import Results

NETWORK = ["dataset", "architecture", "weight_decay", "label_smoothing", "seed"]


def last_hidden(results: Results, split: str = "train") -> pd.DataFrame:
    """Measurements of the last hidden layer, the input of the head, at every measured iteration of every network."""
    table = weight_sites(results.history(split))
    return _labelled(results, table[table["site"] == table.groupby("key")["site"].transform("max")])


def final_variances(results: Results) -> pd.DataFrame:
    """The variances of Hui et al. at the end of training: one row for each network.

    Returns:
        Columns `key`, those in `NETWORK`, `iterations` (when training ended), `train` (TrainVariance),
        `strong` and `weak` (strong and weak test variance), `weak_least` and `weak_most` (the least and the largest
        weak variance over ten restarts of k-means), `train_error`, `test_error`, `train_loss`.
    """
    ends = {split: _at_end(last_hidden(results, split)).set_index("key") for split in ("train", "test")}
    train, test = ends["train"], ends["test"].loc[ends["train"].index]
    return (
        train[[*NETWORK]]
        .assign(
            iterations=train["iteration"],
            train=train["variance"],
            strong=test["variance"],
            weak=test["weak_variance"],
            weak_least=test["weak_variance_least"],
            weak_most=test["weak_variance_most"],
            train_error=train["error"],
            test_error=test["error"],
            train_loss=train["loss"],
        )
        .reset_index()
    )


def layer_variances(results: Results) -> pd.DataFrame:
    """TrainVariance of every hidden layer at every measured iteration.

    The column `layer` is the number of the site; the first hidden layer has number 1.
    """
    table = weight_sites(results.history("train"))
    return _labelled(results, table[table["site"] > 0]).rename(columns={"site": "layer"})


def half_times(results: Results) -> pd.DataFrame:
    """Iterations at which TrainVariance had fallen half of its way: one row for each network and hidden layer.

    Returns:
        Columns `key`, those in `NETWORK`, `layer`, `first` and `final` (the first and the last variance), `half_time`
        (iterations; NaN if the variance did not decrease).
    """
    return pd.DataFrame(
        labels | {"first": values[0], "final": values[-1], "half_time": half_time(times, values)}
        for labels, times, values in courses(
            layer_variances(results), ["key", *NETWORK, "layer"], clock="iteration", value="variance"
        )
    )


def courses(
    table: pd.DataFrame, labels: Sequence[str], *, clock: str, value: str
) -> Iterator[tuple[dict[str, Any], np.ndarray, np.ndarray]]:
    """Yield labels, times and values of a quantity in the order of time, once for all rows with the same labels."""
    for own, rows in table.groupby(list(labels), sort=False):
        rows = rows.sort_values(clock)
        yield dict(zip(labels, own, strict=True)), rows[clock].to_numpy(), rows[value].to_numpy()


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


def _at_end(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["iteration"] == table.groupby("key")["iteration"].transform("max")]


def _labelled(results: Results, table: pd.DataFrame) -> pd.DataFrame:
    fields = ["key", *(name for name in NETWORK if name != "seed")]
    return table.merge(results.runs[fields], on="key")
