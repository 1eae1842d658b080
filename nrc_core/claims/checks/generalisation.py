"""Checks of how the collapse of classifiers goes with their test error: before collapse, and over training sets."""

import numpy as np
import pandas as pd

from nrc_core.claims.checks.classification import classifiers, named, networks_by_size, over_training
from nrc_core.claims.checks.constructed import Rows, case
from nrc_core.claims.checks.observation import Items, Limits, Value, check
from nrc_core.claims.checks.subjects import kept, parts, rank_correlation
from nrc_core.results.results import Results
from nrc_core.sections.collapse import half_times, layer_variances

# The variance of `networks_by_size`, and the sign of its correlation with the test error in the paper.
AGAINST_ERROR = {"strong": 1, "train": -1}


@case(limit="strong_variance_least", at_least=True)
def same_decisions_without_collapse() -> Rows:
    """Lower one of train and strong test variance, for a network that decides as a collapsed one does.

    A network with collapsed features gets additional features that its head does not use. The decisions on training and
    test samples must be the same.
    """
    from nrc_core.metrics.classes import strong_test_variance, train_variance

    generator, classes = np.random.default_rng(0), 4
    variances, same = [], True
    for split, measure in (("train", train_variance), ("test", strong_test_variance)):
        labels = generator.permutation(np.arange(400) % classes)
        decided = np.where(np.arange(400) < 20, (labels + 1) % classes, labels) if split == "test" else labels
        collapsed, unused = np.eye(classes)[decided], generator.standard_normal((400, classes))
        head = np.vstack([np.eye(classes), np.zeros((classes, classes))])
        features = np.hstack([collapsed, unused])
        same = same and bool(((features @ head).argmax(1) == decided).all())
        variances.append(measure(features, labels))
    return [{"group": "one network", "seed": -1, "value": float(min(variances)), "holds": same}]


@check(limit="error_excess_most", over=over_training, needs="an end that is collapsed, and a measured time before")
def as_good_before_collapse(rows: pd.DataFrame, limits: Limits) -> Value | None:
    """Share of test samples misclassified at the last measured time before collapse, less that at the end.

    At the end, the train variance must have collapsed. Before, the variance by the class means of the moment is not
    close to 0, and several times that at the end.
    """
    end, current = rows.iloc[-1], rows["variance_current"]
    if end["variance"] > limits["collapse_share_most"] * rows["variance"].iloc[0]:
        return None
    far = (current > limits["train_variance_left"]) & (current >= limits["collapse_gap_factor"] * current.iloc[-1])
    return rows.loc[far, "error_test"].iloc[-1] - end["error_test"] if far.any() else None


@check(limit="collapse_share_most", over=over_training)
def training_features_collapse(rows: pd.DataFrame) -> Value:
    """Train variance left at the end, of that at the start."""
    return rows["variance"].iloc[-1] / rows["variance"].iloc[0]


def _against_error(of: str) -> str:
    what = {"train": "train variance with test accuracy", "strong": "strong test variance with test error"}
    return f"rank correlation of {what[of]} over the sizes of the training set"


@check(limit="size_trend_least", over=networks_by_size, at_least=True, quantity=_against_error)
def error_with_variance(rows: pd.DataFrame, of: str) -> Value:
    """Rank correlation of a variance with the test error, or for `of` train with the test accuracy, over sizes."""
    return AGAINST_ERROR[of] * rank_correlation(rows[of], rows["test_error"])


@kept
def _first_layers(results: Results) -> Items:
    """Yield the train variance of the first hidden layer of every MLP with three hidden layers or more, over time."""
    for part in classifiers(results, architecture="mlp"):
        layers = half_times(part).groupby("key")["layer"].agg(["count", "min"])
        table = layer_variances(part)
        deep = table["key"].map(layers["count"]) >= 3
        yield from parts(
            table[deep & (table["layer"] == table["key"].map(layers["min"]))], group=named, order="iteration"
        )


@check(limit="saturated_change_most", over=_first_layers)
def first_layer_saturates(rows: pd.DataFrame) -> Value:
    """Share of its train variance that the first layer loses in the last half of the training.

    The variance at half of the iterations is interpolated between the nearest measured iterations.
    """
    last = rows["iteration"].iloc[-1]
    middle = float(np.interp(last / 2, rows["iteration"], rows["variance"]))
    return 1 - rows["variance"].iloc[-1] / middle
