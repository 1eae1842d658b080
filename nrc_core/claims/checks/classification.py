"""Checks of classifiers: collapse on training and on test data, by the size of the training set and by layer."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.claims.checks.constructed import Rows, case
from nrc_core.claims.checks.observation import Found, Items, Limits, Value, check
from nrc_core.claims.checks.subjects import FEWEST, kept, networks, parts, rank_correlation
from nrc_core.results.criteria import target_dimensions
from nrc_core.results.results import Results
from nrc_core.sections.collapse import MEANS, half_times, last_hidden
from nrc_core.sections.train_size.tables import by_size

NAMES = {"mlp": "MLP", "resnet": "ResNet", "vgg": "VGG", "densenet": "DenseNet"}
FAMILY = ["dataset", "architecture", "weight_decay", "seed"]
SIGNS = {"strong": -1, "train": 1}  # sign of the trend of a variance with the size of the training set, in the paper
AROUND = {"final": "the class means of the final network", "moment": "the class means of the moment"}
LATE = 0.25  # share of the training after which both test variances are compared


def classifiers(results: Results, **fields: Any) -> Iterator[Results]:
    """The classification networks of a page that have the given values of fields, if there are any."""
    part = results.where(task="classification")
    part = part.where(**fields) if len(part.runs) else part
    if len(part.runs):
        yield part


def named(row: Any) -> str:
    """The group of a network, from a row with the fields of the network."""
    return f"{row['dataset']}, {NAMES[row['architecture']]}, weight decay {row['weight_decay']:g}"


@kept
def over_training(results: Results) -> Items:
    """Yield the measurements of the last hidden layer of every classifier, by iteration.

    Columns with the ending `_test` are of test samples, the others of training samples.
    """
    for part in classifiers(results):
        train, test = (last_hidden(part, split) for split in ("train", "test"))
        yield from parts(
            train.merge(test, on=["key", "iteration"], suffixes=("", "_test")), group=named, order="iteration"
        )


@kept
def _all_curves(results: Results) -> Items:
    """Yield the measurements of the last hidden layer of every classifier, by iteration.

    Columns: `train`, `strong` and `weak` (variances), `moment` (train variance around the class means of the moment),
    `loss` (on training data), `train_error`, `test_error`.
    """
    for part in classifiers(results):
        train, test = (last_hidden(part, split) for split in ("train", "test"))
        train = train[["key", "iteration", *FAMILY, *MEANS.values(), "loss", "error"]]
        test = test[["key", "iteration", "variance", "weak_variance", "error"]]
        train = train.rename(columns={"variance": "train", "variance_current": "moment", "error": "train_error"})
        test = test.rename(columns={"variance": "strong", "weak_variance": "weak", "error": "test_error"})
        yield from parts(train.merge(test, on=["key", "iteration"]), group=named, order="iteration")


def _curves(results: Results, datasets: Sequence[str] = (), architectures: Sequence[str] = ()) -> Items:
    """Yield the same as `_all_curves`, only for the given data sets and architectures, if any."""
    for network, rows in _all_curves(results):
        first = rows.iloc[0]
        among = not datasets or first["dataset"] in datasets
        if among and (not architectures or first["architecture"] in architectures):
            yield network, rows


def _remaining(rows: pd.DataFrame, limits: Limits) -> bool:
    """Whether the strong test variance remains at the end."""
    return bool(rows["strong"].iloc[-1] >= limits["strong_variance_least"])


@check(limit="collapse_gap_factor", over=_curves, at_least=True)
def train_collapses_test_does_not(rows: pd.DataFrame, limits: Limits) -> Found:
    """Strong test variance over train variance at the end (the latter must have collapsed too)."""
    end = rows.iloc[-1]
    return end["strong"] / end["train"], end["train"] <= limits["collapse_share_most"] * rows["train"].iloc[0]


@check(limit="weak_variance_least", over=_curves, at_least=True)
def test_variance_remains(rows: pd.DataFrame, limits: Limits) -> Found:
    """Weak test variance at the end (the strong one must remain too)."""
    return rows["weak"].iloc[-1], _remaining(rows, limits)


@check(limit=1.0, over=_curves, at_least=True)
def weak_below_strong(rows: pd.DataFrame) -> Value:
    """Share of the measured iterations after a quarter of the training with weak below strong variance."""
    late = rows[rows["iteration"] >= LATE * rows["iteration"].max()]
    return (late["weak"] < late["strong"]).mean()


@check(limit="alike_least", over=_curves, at_least=True)
def weak_follows_strong(rows: pd.DataFrame) -> Value:
    """Rank correlation of weak and strong test variance over the measured iterations."""
    return rank_correlation(rows["weak"], rows["strong"])


@check(limit="strong_over_train_least", over=_curves, at_least=True)
def test_variance_stays_above(rows: pd.DataFrame, limits: Limits) -> Found:
    """Strong test variance over train variance at the end (the former must remain too)."""
    return rows["strong"].iloc[-1] / rows["train"].iloc[-1], _remaining(rows, limits)


@check(limit="fitted_loss_most", over=_curves, needs="the paper's number of iterations")
def training_data_fitted(rows: pd.DataFrame, iterations: int = 1) -> Found | None:
    """Training loss at the end (no sample may be misclassified).

    Networks that are trained for fewer iterations say nothing about what the paper's number of them leads to.
    """
    end = rows.iloc[-1]
    return (end["loss"], end["train_error"] == 0) if end["iteration"] >= iterations else None


@check(limit="train_variance_left", over=_curves, at_least=True, strict=True)
def train_variance_remains(rows: pd.DataFrame) -> Value:
    """Train variance at the end."""
    return rows["train"].iloc[-1]


def _learned_by_heart(results: Results) -> Items:
    """Yield the networks that learned all their random labels, with the number of classes."""
    options = results.runs.set_index("key")["dataset_options"]
    classes = target_dimensions(results.final())
    for network, rows in _all_curves(results):
        key = rows["key"].iloc[0]
        if options[key].get("labels") == "random" and rows["train_error"].iloc[-1] == 0:
            yield network, rows, int(classes[key])


def _left(means: str = "final") -> str:
    return f"train variance around {AROUND[means]} at the end, over that at the start (test accuracy must be chance)"


@check(limit="collapse_share_most", over=_learned_by_heart, quantity=_left)
def random_labels_collapse(rows: pd.DataFrame, classes: int, limits: Limits, means: str = "final") -> Found:
    """Train variance left, of that at the start (test accuracy must be chance).

    The networks are trained on random labels. The value is their train variance at the end over their train variance
    at the start, around the class means of the final network or of the moment. Their test accuracy must be at chance
    level.
    """
    variance = rows["train" if means == "final" else "moment"]
    left = variance.iloc[-1] / variance.iloc[0]
    above_chance = 1 - rows["test_error"].iloc[-1] - 1 / classes
    return left, above_chance <= limits["chance_margin_most"]


@case(limit=0.0)
def weak_collapse_of_decisions() -> Rows:
    """Weak variance of decisions as features (the strong one must be positive exactly if some are wrong)."""
    from nrc_core.metrics.classes import strong_test_variance, weak_test_variance

    labels, found = np.arange(400) % 4, []
    for wrong in (0, 1, 100):
        decisions = np.where(np.arange(400) < wrong, (labels + 1) % 4, labels)
        features = np.eye(4)[decisions]
        weak, strong = weak_test_variance(features, 4), strong_test_variance(features, labels)
        good = weak == 0 and (strong > 0) == (wrong > 0)
        found.append({"group": f"{wrong} of 400 decisions wrong", "seed": -1, "value": weak, "holds": bool(good)})
    return found


@kept
def networks_by_size(results: Results, rule: str = "loss") -> Items:
    """Yield for every seed with three sizes or more under a stopping rule its networks at the end, one row a size."""
    for part in classifiers(results):
        table = by_size(part)
        seeds = table[table["rule"] == rule].groupby(FAMILY, sort=False)
        yield from parts(seeds.filter(lambda rows: rows["n"].nunique() >= FEWEST), FAMILY, group=named)


def _with_size(of: str) -> str:
    what = {"strong": "lower strong test variance", "train": "higher train variance", "both": "either, the lesser one"}
    return f"rank correlation of the size of the training set with {what[of]}"


@check(limit="size_trend_least", over=networks_by_size, at_least=True, quantity=_with_size)
def trend_with_size(rows: pd.DataFrame, of: str) -> Value:
    """Rank correlation of training set size with lower strong or higher train variance; `of` both: the lesser."""
    names = tuple(SIGNS) if of == "both" else (of,)
    return min(SIGNS[name] * rank_correlation(rows["n"], rows[name]) for name in names)


@check(limit="trend_least", over=partial(networks_by_size, rule="epochs"))
def trend_of_the_stopping(rows: pd.DataFrame) -> Value:
    """Rank correlation of training set size and train variance after equally many epochs."""
    return rank_correlation(rows["n"], rows["train"])


@kept
def _layers(results: Results, means: str = "final") -> Items:
    """Yield `half_times` of every MLP with three hidden layers or more, one row for each layer."""
    for part in classifiers(results, architecture="mlp"):
        deep = half_times(part, means).groupby("key", sort=False).filter(lambda rows: len(rows) >= 3)
        yield from parts(deep, group=named, order="layer")


def _least_step(layers: pd.Series) -> float:
    """The lesser ratio of first over penultimate and penultimate over last layer; NaN if one ratio is NaN."""
    values = layers.to_numpy()
    return float(np.min([values[0] / values[-2], values[-2] / values[-1]]))


@check(limit=1.0, over=_layers, at_least=True, strict=True)
def cascade_in_size(layers: pd.DataFrame) -> Value:
    """Train variance of first over penultimate and of penultimate over last layer, the lesser one.

    The value is the lesser of two ratios: the variance of the first layer over the variance of the penultimate layer,
    and the variance of the penultimate layer over the variance of the last layer.
    """
    return _least_step(layers["final"])


def _time(means: str = "final") -> str:
    what = "first over penultimate and penultimate over last layer, the lesser one"
    return f"time of half the decrease around {AROUND[means]}, {what}"


@check(limit=1.0, over=_layers, at_least=True, quantity=_time)
def cascade_in_time(layers: pd.DataFrame) -> Value:
    """Time of half the decrease, first over penultimate and penultimate over last layer, the lesser one.

    The value is the lesser of the same two ratios for the times at which layers have done half of their decrease, of
    variances around the class means of the final network or of the moment. It is NaN if one of the layers does not
    decrease.
    """
    return _least_step(layers["half_time"])


def _one_hot(results: Results) -> Items:
    """Yield the weight sites of every classifier that was trained with the squared error."""
    for part in classifiers(results, loss="mse"):
        yield from networks(part, group=lambda row: f"{row['dataset']}, weight decay {row['weight_decay']:g}")


@check(limit="trend_least", over=_one_hot, at_least=True)
def one_hot_conditions_agree(rows: pd.DataFrame) -> Value:
    """Rank correlation over sites of NRC1 and NC1, and of NRC2 and NC2, the lesser one."""
    return min(rank_correlation(rows[one], rows[other]) for one, other in (("nrc1", "nc1_share"), ("nrc2", "nc2_cka")))
