"""Checks on classifiers: collapse on training and on test data, by the size of the training set and by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.claims.checks.constructed import Rows, case
from nrc_core.claims.checks.observation import Evidence, Limits, Observation, networks, observe, rank_correlation
from nrc_core.results.criteria import target_dimensions
from nrc_core.results.results import Results
from nrc_core.sections.collapse import half_times, last_hidden, layer_variances
from nrc_core.sections.train_size.tables import by_size

NAMES = {"mlp": "MLP", "resnet": "ResNet", "vgg": "VGG", "densenet": "DenseNet"}
FAMILY = ["dataset", "architecture", "weight_decay", "seed"]
SIGNS = {"strong": -1, "train": 1}  # how the variances go with the size of the training set, by the paper
FEWEST = 3  # points of a rank correlation
LATE = 0.25  # share of the training after which both test variances are compared


def classifiers(evidence: Evidence, **fields: Any) -> Iterator[Results]:
    """The classification networks of every page that has some with these fields."""
    for results in evidence.values():
        part = results.where(task="classification")
        part = part.where(**fields) if len(part.runs) else part
        if len(part.runs):
            yield part


def named(row: Any) -> dict[str, Any]:
    """Group and seed of a network from a row that has its fields."""
    name = f"{row['dataset']}, {NAMES[row['architecture']]}, weight decay {row['weight_decay']:g}"
    return {"group": name, "seed": int(row["seed"])}


def trend(a: pd.Series, b: pd.Series) -> float:
    """Spearman's correlation without the rounding that puts 0.9, of one swap among five, below 0.9."""
    return round(rank_correlation(a, b), 9)


def _curves(evidence: Evidence, **fields: Any) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Every classifier with these fields: group and seed, and its last hidden layer, a row a measured iteration.

    Columns `train`, `strong` and `weak` variance, `loss` (training), `train_error`, `test_error`.
    """
    for results in evidence.values():
        for table in results.once("curves", lambda one: [_curve(part) for part in classifiers({"": one})]):
            for _, rows in table.groupby("key", sort=False):
                first = rows.iloc[0]
                if all(first[name] == value for name, value in fields.items()):
                    yield named(first), rows.sort_values("iteration")


def _curve(results: Results) -> pd.DataFrame:
    train, test = (last_hidden(results, split) for split in ("train", "test"))
    train = train[["key", "iteration", *FAMILY, "variance", "loss", "error"]]
    test = test[["key", "iteration", "variance", "weak_variance", "error"]]
    train = train.rename(columns={"variance": "train", "error": "train_error"})
    test = test.rename(columns={"variance": "strong", "weak_variance": "weak", "error": "test_error"})
    return train.merge(test, on=["key", "iteration"])


def train_collapses_test_does_not(evidence: Evidence, limits: Limits, *, architecture: str) -> Observation:
    """Strong test variance over train variance at the end, where the latter has also fallen to a small share."""
    least, share, found = limits["collapse_gap_factor"], limits["collapse_share_most"], []
    for network, rows in _curves(evidence, architecture=architecture):
        end = rows.iloc[-1]
        value = end["strong"] / end["train"]
        good = value >= least and end["train"] <= share * rows["train"].iloc[0]
        found.append(network | {"value": value, "holds": bool(good)})
    quantity = "strong test variance over train variance at the end (the latter must have collapsed too)"
    return observe(quantity, least, found, at_least=True)


def test_variance_remains(evidence: Evidence, limits: Limits, *, architecture: str) -> Observation:
    """The weak test variance at the end, where the strong one also remains."""
    least, strong, found = limits["weak_variance_least"], limits["strong_variance_least"], []
    for network, rows in _curves(evidence, architecture=architecture):
        end = rows.iloc[-1]
        found.append(network | {"value": end["weak"], "holds": bool(end["weak"] >= least and end["strong"] >= strong)})
    return observe("weak test variance at the end (the strong one must remain too)", least, found, at_least=True)


def weak_below_strong(evidence: Evidence, _: Limits, *, architecture: str) -> Observation:
    """Share of the measured iterations in the last three quarters of training with weak below strong variance."""
    found = []
    for network, rows in _curves(evidence, architecture=architecture):
        late = rows[rows["iteration"] >= LATE * rows["iteration"].max()]
        found.append(network | {"value": (late["weak"] < late["strong"]).mean()})
    quantity = "share of the measured iterations after a quarter of the training with weak below strong variance"
    return observe(quantity, 1.0, found, at_least=True)


def weak_follows_strong(evidence: Evidence, limits: Limits, *, architecture: str) -> Observation:
    """Rank correlation of weak and strong test variance over training."""
    found = [
        network | {"value": trend(rows["weak"], rows["strong"])}
        for network, rows in _curves(evidence, architecture=architecture)
    ]
    quantity = "rank correlation of weak and strong test variance over the measured iterations"
    return observe(quantity, limits["alike_least"], found, at_least=True)


def test_variance_stays_above(evidence: Evidence, limits: Limits, *, dataset: str, architecture: str) -> Observation:
    """Strong test variance over train variance at the end, where the former also remains."""
    least, strong, found = limits["strong_over_train_least"], limits["strong_variance_least"], []
    for network, rows in _curves(evidence, dataset=dataset, architecture=architecture):
        end = rows.iloc[-1]
        value = end["strong"] / end["train"]
        found.append(network | {"value": value, "holds": bool(value >= least and end["strong"] >= strong)})
    quantity = "strong test variance over train variance at the end (the former must remain too)"
    return observe(quantity, least, found, at_least=True)


def training_data_fitted(evidence: Evidence, limits: Limits) -> Observation:
    """Training loss at the end, where no training sample is misclassified either."""
    most, found = limits["fitted_loss_most"], []
    for network, rows in _curves(evidence):
        end = rows.iloc[-1]
        found.append(network | {"value": end["loss"], "holds": bool(end["loss"] <= most and end["train_error"] == 0)})
    return observe("training loss at the end (no sample may be misclassified)", most, found)


def train_variance_remains(evidence: Evidence, limits: Limits, *, datasets: Sequence[str]) -> Observation:
    """Train variance at the end."""
    found = [
        network | {"value": rows["train"].iloc[-1]}
        for dataset in datasets
        for network, rows in _curves(evidence, dataset=dataset)
    ]
    return observe("train variance at the end", limits["train_variance_left"], found, at_least=True, strict=True)


def random_labels_collapse(evidence: Evidence, limits: Limits) -> Observation:
    """What is left of the train variance of networks given random labels, whose test accuracy is that of chance.

    Networks that have not learned their labels by heart say nothing.
    """
    most, share, found = limits["chance_margin_most"], limits["collapse_share_most"], []
    for results in classifiers(evidence):
        options = results.runs.set_index("key")["dataset_options"]
        classes = target_dimensions(results.final())
        for network, rows in _curves({"": results}):
            key, end = rows["key"].iloc[0], rows.iloc[-1]
            if options[key].get("labels") == "random" and end["train_error"] == 0:
                left = end["train"] / rows["train"].iloc[0]
                good = left <= share and 1 - end["test_error"] - 1 / classes[key] <= most
                found.append(network | {"value": left, "holds": bool(good)})
    return observe("train variance left, of that at the start (test accuracy must be chance)", share, found)


def weak_collapse_of_decisions(_: Evidence, __: Limits) -> Observation:
    """Weak variance of decisions as one-hot features, whose strong variance says whether there are errors."""
    quantity = "weak variance of decisions as features (the strong one must be positive exactly if some are wrong)"
    return observe(quantity, 0.0, _variances_of_decisions())


@case
def _variances_of_decisions() -> Rows:
    from nrc_core.metrics.classes import strong_test_variance, weak_test_variance

    labels, found = np.arange(400) % 4, []
    for wrong in (0, 1, 100):
        decisions = np.where(np.arange(400) < wrong, (labels + 1) % 4, labels)
        features = np.eye(4)[decisions]
        weak, strong = weak_test_variance(features, 4), strong_test_variance(features, labels)
        good = weak == 0 and (strong > 0) == (wrong > 0)
        found.append({"group": f"{wrong} of 400 decisions wrong", "seed": -1, "value": weak, "holds": bool(good)})
    return found


def trend_with_size(evidence: Evidence, limits: Limits, *, of: str, rule: str = "loss") -> Observation:
    """Rank correlation of training set size with lower strong or higher train variance; `of` both: the lesser."""
    names = tuple(SIGNS) if of == "both" else (of,)
    found = [
        network | {"value": min(SIGNS[name] * trend(rows["n"], rows[name]) for name in names)}
        for network, rows in _by_size(evidence, rule)
    ]
    what = {"strong": "lower strong test variance", "train": "higher train variance", "both": "either, the lesser one"}
    quantity = f"rank correlation of the size of the training set with {what[of]}"
    return observe(quantity, limits["size_trend_least"], found, at_least=True)


def trend_of_the_stopping(evidence: Evidence, limits: Limits) -> Observation:
    """Rank correlation of training set size and train variance where every sample is seen equally often."""
    found = [network | {"value": trend(rows["n"], rows["train"])} for network, rows in _by_size(evidence, "epochs")]
    quantity = "rank correlation of training set size and train variance after equally many epochs"
    return observe(quantity, limits["trend_least"], found)


def _by_size(evidence: Evidence, rule: str) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Every seed with several sizes under a rule of when to stop: its networks at the end, a row a size."""
    for results in evidence.values():
        for table in results.once("by size", lambda one: [by_size(part) for part in classifiers({"": one})]):
            for _, rows in table[table["rule"] == rule].groupby(FAMILY, sort=False):
                if rows["n"].nunique() >= FEWEST:
                    yield named(rows.iloc[0]), rows


def cascade_in_size(evidence: Evidence, _: Limits) -> Observation:
    """Train variance of the layer before over that of the next, the lesser of the two steps to the last one."""
    found = []
    for results in classifiers(evidence, architecture="mlp"):
        table = layer_variances(results)
        table = table[table["iteration"] == table.groupby("key")["iteration"].transform("max")]
        found += _steps(table, "variance")
    quantity = "train variance of first over penultimate and of penultimate over last layer, the lesser one"
    return observe(quantity, 1.0, found, at_least=True, strict=True)


def cascade_in_time(evidence: Evidence, _: Limits) -> Observation:
    """The same of the times at which the layers have done half of their decrease; none if one does not decrease."""
    found = []
    for results in classifiers(evidence, architecture="mlp"):
        found += _steps(half_times(results), "half_time")
    quantity = "time of half the decrease, first over penultimate and penultimate over last layer, the lesser one"
    return observe(quantity, 1.0, found, at_least=True)


def _steps(table: pd.DataFrame, column: str) -> list[dict[str, Any]]:
    """Of every network with three hidden layers or more: first over penultimate, penultimate over last, the lesser."""
    found = []
    for _, rows in table.groupby("key", sort=False):
        values = rows.sort_values("layer")[column].to_numpy()
        if len(values) > 2:
            steps = [values[0] / values[-2], values[-2] / values[-1]]
            found.append(named(rows.iloc[0]) | {"value": float(np.min(steps))})  # NaN if one of them is
    return found


def one_hot_conditions_agree(evidence: Evidence, limits: Limits) -> Observation:
    """The lesser of the rank correlations over sites of NRC1 with its form for classes, and of NRC2 with its."""
    found = []
    for results in classifiers(evidence, loss="mse"):
        for network, rows in networks({"": results}):
            pairs = (("nrc1", "nc1_share"), ("nrc2", "nc2_cka"))
            group = f"{network['group']}, weight decay {rows['weight_decay'].iloc[0]:g}"
            value = min(trend(rows[one], rows[other]) for one, other in pairs)
            found.append(network | {"group": group, "value": value})
    quantity = "rank correlation over sites of NRC1 and NC1, and of NRC2 and NC2, the lesser one"
    return observe(quantity, limits["trend_least"], found, at_least=True)


CLASSIFICATION = {
    function.__name__: function
    for function in (
        train_collapses_test_does_not,
        test_variance_remains,
        weak_below_strong,
        weak_follows_strong,
        test_variance_stays_above,
        training_data_fitted,
        train_variance_remains,
        random_labels_collapse,
        weak_collapse_of_decisions,
        trend_with_size,
        trend_of_the_stopping,
        cascade_in_size,
        cascade_in_time,
        one_hot_conditions_agree,
    )
}
