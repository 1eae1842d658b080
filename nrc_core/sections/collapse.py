"""What classification runs say about collapse: small tables, one row a network, layer or checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from nrc_core.results.criteria import weight_sites
from nrc_core.results.results import Results

NETWORK = ["dataset", "architecture", "weight_decay", "label_smoothing", "seed"]


def last_hidden(results: Results, split: str = "train") -> pd.DataFrame:
    """The last-hidden-layer features, which the head takes, at every measured iteration of every network."""
    table = weight_sites(results.history(split))
    return _labelled(results, table[table["site"] == table.groupby("key")["site"].transform("max")])


def final_variances(results: Results) -> pd.DataFrame:
    """The variances of Hui et al. at the end of training: one row a network.

    Returns:
        Columns `key`, those of the network, `iterations` (after which it ended), `train`, `strong` and `weak` (test)
        variance, `weak_least` and `weak_most` (of ten restarts of k-means), `train_error`, `test_error`,
        `train_loss`.
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
    """TrainVariance of every hidden layer at every measured iteration; `layer` is its site, 1 the first hidden one."""
    table = weight_sites(results.history("train"))
    return _labelled(results, table[table["site"] > 0]).rename(columns={"site": "layer"})


def half_times(results: Results) -> pd.DataFrame:
    """When each hidden layer had done half of the decrease of its TrainVariance: one row a network and layer.

    Returns:
        Columns `key`, those of the network, `layer`, `first` and `final` variance, `half_time` (iterations, NaN
        where the variance did not decrease).
    """
    rows = []
    for (key, layer), run in layer_variances(results).groupby(["key", "layer"], sort=False):
        run = run.sort_values("iteration")
        values = run["variance"].to_numpy()
        found = {"key": key, **run.iloc[0][NETWORK].to_dict(), "layer": layer}
        found |= {"first": values[0], "final": values[-1], "half_time": half_time(run["iteration"].to_numpy(), values)}
        rows.append(found)
    return pd.DataFrame(rows)


def half_time(times: Sequence[float] | np.ndarray, values: Sequence[float] | np.ndarray) -> float:
    """The first time at which half of the way from the first value down to the last one was gone.

    Between measurements, times (above 0) are interpolated in their logarithm, as they are spaced and drawn; NaN where
    the last value is not below the first.

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


def noise_onsets(results: Results, limit: float) -> pd.DataFrame:
    """Regression: when noise suppression sets in at every site, for the cascade of the other paper.

    Returns:
        Columns `key, dataset, seed, site`, `final` (NRC1), `half_time` (epochs, see `half_time`, of NRC1 from its
        first measured value) and `onset`, the first measured epoch from which on NRC1 is at most `limit` (NaN: never).
    """
    rows = []
    table = results.label(weight_sites(results.history("train")), "dataset")
    for (key, site), run in table[table["site"] > 0].groupby(["key", "site"], sort=False):
        run = run.sort_values("epoch")
        values, epochs = run["nrc1"].to_numpy(), run["epoch"].to_numpy()
        above = np.flatnonzero(~(values <= limit))
        start = 0 if len(above) == 0 else above[-1] + 1
        onset = float(epochs[start]) if start < len(epochs) else math.nan
        found = {"key": key, "dataset": run["dataset"].iloc[0], "seed": int(run["seed"].iloc[0]), "site": site}
        rows.append(found | {"final": values[-1], "half_time": half_time(epochs, values), "onset": onset})
    return pd.DataFrame(rows)


def by_size(results: Results) -> pd.DataFrame:
    """The final variances by the size of the training set and the rule by which training stopped.

    Returns:
        Columns of `final_variances`, `n` training rows and `rule`: "loss", "iterations" or "epochs". The largest
        set is trained alike by the last two, and stands under both.
    """
    table = final_variances(results)
    runs = results.runs.set_index("key").loc[table["key"]]
    table["n"] = [results.provenance[key]["data"]["n_train"] for key in table["key"]]
    stopped, planned = runs["stop_loss"].notna().to_numpy(), runs["iterations"].to_numpy()
    longest, largest = planned.max(), table["n"].max()
    rules = {
        "loss": stopped,
        "iterations": ~stopped & (planned == longest),
        "epochs": ~stopped & (planned == longest * table["n"].to_numpy() // largest),
    }
    return pd.concat([table[chosen].assign(rule=rule) for rule, chosen in rules.items() if chosen.any()])


def by_checkpoint(results: Results) -> pd.DataFrame:
    """What became of every pre-trained network that was fine-tuned: one row each.

    Returns:
        Columns `pretraining_key`, those of the network, `start` (the iteration it was taken at), `control` (pre-trained
        with other options for the equal-time control), `variance` (TrainVariance of the pre-training at `start`) and
        `variance_current` (by the class means of that moment, which networks of different ends have in common),
        test accuracies `by_validation` and `by_test` (which rows the learning rate was chosen on) and `probe`, and
        `learning_rate`, the one chosen on validation rows.
    """
    transfers = results.runs[results.runs["task"] == "transfer"]
    hidden = last_hidden(results.where(task="classification"))
    moments = hidden.set_index(["key", "iteration"])
    labels = hidden.drop_duplicates("key").set_index("key")
    rows = []
    for run in transfers.to_dict("records"):
        key, start, tried = run["pretraining_key"], int(run["start"]), results.downstream
        tried = tried[tried["key"] == run["key"]].dropna(subset="validation_error")
        tuned, probed = tried[tried["kind"] == "fine-tuning"], tried[tried["kind"] == "linear probe"]
        chosen = tuned.loc[tuned["validation_error"].idxmin()]
        rows.append(
            {
                "pretraining_key": key,
                **labels.loc[key, NETWORK].to_dict(),
                "start": start,
                "control": run["pretraining"]["stop_iteration"] is not None,
                **moments.loc[(key, start), ["variance", "variance_current"]].to_dict(),
                "by_validation": 1 - chosen["test_error"],
                "by_test": 1 - tuned["test_error"].min(),
                "probe": 1 - probed.loc[probed["validation_error"].idxmin(), "test_error"],
                "learning_rate": chosen["setting"],
            }
        )
    return pd.DataFrame(rows)


def _at_end(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["iteration"] == table.groupby("key")["iteration"].transform("max")]


def _labelled(results: Results, table: pd.DataFrame) -> pd.DataFrame:
    fields = ["key", *(name for name in NETWORK if name != "seed")]
    return table.merge(results.runs[fields], on="key")
