"""Checks on classifiers: collapse on training and on test data, by the size of the training set and by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.claims.checks.constructed import Row, Rows, case, each
from nrc_core.claims.checks.observation import Evidence, Found, Limits, Value, check, networks, rank_correlation
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


def _curves(
    evidence: Evidence, dataset: str | None = None, architecture: str | None = None
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Every classifier, on a data set or of an architecture if one is given: group and seed, and its last hidden
    layer, a row a measured iteration.

    Columns `train`, `strong` and `weak` variance, `loss` (training), `train_error`, `test_error`.
    """
    for results in evidence.values():
        for table in results.once("curves", lambda one: [_curve(part) for part in classifiers({"": one})]):
            for _, rows in table.groupby("key", sort=False):
                first = rows.iloc[0]
                if dataset in (None, first["dataset"]) and architecture in (None, first["architecture"]):
                    yield named(first), rows.sort_values("iteration")


def _curve(results: Results) -> pd.DataFrame:
    train, test = (last_hidden(results, split) for split in ("train", "test"))
    train = train[["key", "iteration", *FAMILY, "variance", "loss", "error"]]
    test = test[["key", "iteration", "variance", "weak_variance", "error"]]
    train = train.rename(columns={"variance": "train", "error": "train_error"})
    test = test.rename(columns={"variance": "strong", "weak_variance": "weak", "error": "test_error"})
    return train.merge(test, on=["key", "iteration"])


def _remaining(rows: pd.DataFrame, limits: Limits) -> bool:
    """Whether the strong test variance remains at the end."""
    return bool(rows["strong"].iloc[-1] >= limits["strong_variance_least"])


@check(limit="collapse_gap_factor", over=_curves, at_least=True)
def train_collapses_test_does_not(rows: pd.DataFrame, limits: Limits) -> Found:
    """Strong test variance over train variance at the end (the latter must have collapsed too)."""
    end = rows.iloc[-1]
    value = end["strong"] / end["train"]
    collapsed = end["train"] <= limits["collapse_share_most"] * rows["train"].iloc[0]
    return value, value >= limits["collapse_gap_factor"] and collapsed


@check(limit="weak_variance_least", over=_curves, at_least=True)
def test_variance_remains(rows: pd.DataFrame, limits: Limits) -> Found:
    """Weak test variance at the end (the strong one must remain too)."""
    value = rows["weak"].iloc[-1]
    return value, value >= limits["weak_variance_least"] and _remaining(rows, limits)


@check(limit=1.0, over=_curves, at_least=True)
def weak_below_strong(rows: pd.DataFrame) -> Value:
    """Share of the measured iterations after a quarter of the training with weak below strong variance."""
    late = rows[rows["iteration"] >= LATE * rows["iteration"].max()]
    return (late["weak"] < late["strong"]).mean()


@check(limit="alike_least", over=_curves, at_least=True)
def weak_follows_strong(rows: pd.DataFrame) -> Value:
    """Rank correlation of weak and strong test variance over the measured iterations."""
    return trend(rows["weak"], rows["strong"])


@check(limit="strong_over_train_least", over=_curves, at_least=True)
def test_variance_stays_above(rows: pd.DataFrame, limits: Limits) -> Found:
    """Strong test variance over train variance at the end (the former must remain too)."""
    value = rows["strong"].iloc[-1] / rows["train"].iloc[-1]
    return value, value >= limits["strong_over_train_least"] and _remaining(rows, limits)


@check(limit="fitted_loss_most", over=_curves)
def training_data_fitted(rows: pd.DataFrame, limits: Limits) -> Found:
    """Training loss at the end (no sample may be misclassified)."""
    end = rows.iloc[-1]
    return end["loss"], end["loss"] <= limits["fitted_loss_most"] and end["train_error"] == 0


def _curves_of(evidence: Evidence, datasets: Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    for dataset in datasets:
        yield from _curves(evidence, dataset=dataset)


@check(limit="train_variance_left", over=_curves_of, at_least=True, strict=True)
def train_variance_remains(rows: pd.DataFrame) -> Value:
    """Train variance at the end."""
    return rows["train"].iloc[-1]


def _learned_by_heart(evidence: Evidence) -> Iterator[tuple[dict[str, Any], pd.DataFrame, int]]:
    """Networks given random labels that have learned them all, with the number of classes; others say nothing."""
    for results in classifiers(evidence):
        options = results.runs.set_index("key")["dataset_options"]
        classes = target_dimensions(results.final())
        for network, rows in _curves({"": results}):
            key = rows["key"].iloc[0]
            if options[key].get("labels") == "random" and rows["train_error"].iloc[-1] == 0:
                yield network, rows, int(classes[key])


@check(limit="collapse_share_most", over=_learned_by_heart)
def random_labels_collapse(rows: pd.DataFrame, classes: int, limits: Limits) -> Found:
    """Train variance left, of that at the start (test accuracy must be chance).

    What is left of the train variance of networks given random labels, whose test accuracy is that of chance.
    """
    left = rows["train"].iloc[-1] / rows["train"].iloc[0]
    above_chance = 1 - rows["test_error"].iloc[-1] - 1 / classes
    return left, left <= limits["collapse_share_most"] and above_chance <= limits["chance_margin_most"]


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


@check(limit=0.0, over=each(_variances_of_decisions))
def weak_collapse_of_decisions(row: Row) -> Found:
    """Weak variance of decisions as features (the strong one must be positive exactly if some are wrong)."""
    return row["value"], row["holds"]


def _by_size(evidence: Evidence, rule: str = "loss") -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Every seed with several sizes under a rule of when to stop: its networks at the end, a row a size."""
    for results in evidence.values():
        for table in results.once("by size", lambda one: [by_size(part) for part in classifiers({"": one})]):
            for _, rows in table[table["rule"] == rule].groupby(FAMILY, sort=False):
                if rows["n"].nunique() >= FEWEST:
                    yield named(rows.iloc[0]), rows


def _with_size(of: str) -> str:
    what = {"strong": "lower strong test variance", "train": "higher train variance", "both": "either, the lesser one"}
    return f"rank correlation of the size of the training set with {what[of]}"


@check(limit="size_trend_least", over=_by_size, at_least=True, quantity=_with_size)
def trend_with_size(rows: pd.DataFrame, of: str) -> Value:
    """Rank correlation of training set size with lower strong or higher train variance; `of` both: the lesser."""
    names = tuple(SIGNS) if of == "both" else (of,)
    return min(SIGNS[name] * trend(rows["n"], rows[name]) for name in names)


@check(limit="trend_least", over=partial(_by_size, rule="epochs"))
def trend_of_the_stopping(rows: pd.DataFrame) -> Value:
    """Rank correlation of training set size and train variance after equally many epochs."""
    return trend(rows["n"], rows["train"])


def _variances(evidence: Evidence) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Of every MLP the train variance of its hidden layers at the end."""
    for results in classifiers(evidence, architecture="mlp"):
        table = layer_variances(results)
        yield from _layers(table[table["iteration"] == table.groupby("key")["iteration"].transform("max")], "variance")


def _half_times(evidence: Evidence) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Of every MLP the times at which its hidden layers have done half of their decrease."""
    for results in classifiers(evidence, architecture="mlp"):
        yield from _layers(half_times(results), "half_time")


def _layers(table: pd.DataFrame, column: str) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    for _, rows in table.groupby("key", sort=False):
        yield named(rows.iloc[0]), rows.sort_values("layer")[column].to_numpy()


def _least_step(values: np.ndarray) -> float | None:
    """First over penultimate, penultimate over last of three layers or more, the lesser; NaN if one of them is."""
    return None if len(values) < 3 else float(np.min([values[0] / values[-2], values[-2] / values[-1]]))


@check(limit=1.0, over=_variances, at_least=True, strict=True)
def cascade_in_size(values: np.ndarray) -> Value | None:
    """Train variance of first over penultimate and of penultimate over last layer, the lesser one.

    Train variance of the layer before over that of the next, the lesser of the two steps to the last one.
    """
    return _least_step(values)


@check(limit=1.0, over=_half_times, at_least=True)
def cascade_in_time(values: np.ndarray) -> Value | None:
    """Time of half the decrease, first over penultimate and penultimate over last layer, the lesser one.

    The same of the times at which the layers have done half of their decrease; none if one does not decrease.
    """
    return _least_step(values)


def _one_hot(evidence: Evidence) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Every classifier trained with the squared error: its weight sites."""
    for results in classifiers(evidence, loss="mse"):
        for network, rows in networks({"": results}):
            group = f"{network['group']}, weight decay {rows['weight_decay'].iloc[0]:g}"
            yield network | {"group": group}, rows


@check(limit="trend_least", over=_one_hot, at_least=True)
def one_hot_conditions_agree(rows: pd.DataFrame) -> Value:
    """Rank correlation over sites of NRC1 and NC1, and of NRC2 and NC2, the lesser one."""
    return min(trend(rows[one], rows[other]) for one, other in (("nrc1", "nc1_share"), ("nrc2", "nc2_cka")))
