"""A bound on the class-distance normalised variance of one sample by that of another, with all its terms."""

import math

import pandas as pd
import torch

from nrc_core.errors import ConfigError
from nrc_core.metrics.arrays import Labels, Matrix, checked_matrix
from nrc_core.metrics.class_moments import class_moments
from nrc_core.metrics.scales import scale_of


def class_distance_bound(
    train_features: Matrix, train_labels: Labels, test_features: Matrix, test_labels: Labels
) -> pd.DataFrame:
    """Bound on V_f of the test sample by V_f of the training sample, for each pair of classes.

    V_f is that of `class_distance_normalized_variance` for two classes, ``(Var_i + Var_j) / (2 ||mu_i - mu_j||^2)``.
    Galanti, Gyorgy and Hutter (2021) bound the population's by ``(1 + A) V + B`` with V that of the sample. Here the
    test sample stands for the population, and A and B are explicit. Let m_k be the class means of the training sample,
    ``d_k`` the distances of the class means of both samples, D the distance of the two test means, D' that of the two
    training means, and ``e_k`` the absolute difference between the mean of ``||h - m_k||^2`` in the test sample and in
    the training sample::

        1 + A = (1 + (d_i + d_j) / D)^2,    B = (1 + A) (e_i + e_j) / (2 D'^2).

    It always holds, for any two samples: ``Var_k <= mean ||h - m_k||^2`` in the test sample, which is at most the
    variance of the training sample plus ``e_k``, and ``D' <= D + d_i + d_j``. If the two means of a sample coincide,
    its V_f is inf here, and so is the bound.

    Args:
        train_features, test_features: (n, h) and (n', h).
        train_labels, test_labels: (n,) and (n',), whole numbers from 0; every class needs a sample in both.

    Returns:
        One row for each pair of classes, with columns `first` and `second` (the classes), `train` and `test` (V_f of
        the samples), `a`, `b` and `bound`.

    Raises:
        ValueError: the matrices are not finite or differ in width, the labels do not fit them, there are fewer than two
            classes, or a class has no samples in one of them.

    Example:
        >>> train, test = np.array([[0.0], [2.0], [10.0], [12.0]]), np.array([[-1.0], [3.0], [10.0], [12.0]])
        >>> labels = np.array([0, 0, 1, 1])
        >>> class_distance_bound(train, labels, test, labels).round(3).to_dict("records")
        [{'first': 0, 'second': 1, 'train': 0.01, 'test': 0.025, 'a': 0.0, 'b': 0.015, 'bound': 0.025}]
    """
    h, other = checked_matrix(train_features, "train_features"), checked_matrix(test_features, "test_features")
    scale = scale_of(h, other)
    train = class_moments(h, train_labels, scale=scale)
    classes, width = train.means.shape
    if classes < 2:
        raise ConfigError(f"a pair of classes needs two classes: got {classes} in train_labels")
    test = class_moments(other, test_labels, classes=classes, scale=scale)
    if test.means.shape[1] != width:
        raise ConfigError(f"both samples must have the same features: got widths {width} and {test.means.shape[1]}")
    inside, outside = train.spreads / train.counts, test.spreads / test.counts.to(test.spreads)
    shifts = (test.means.to(train.means) - train.means).square().sum(1)
    outside = outside.to(inside)
    errors = (outside + shifts - inside).abs()
    first, second = torch.triu_indices(classes, classes, 1, device=inside.device)

    def over_distance(parts: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
        squared = (means[first] - means[second]).square().sum(1)
        return torch.where(squared > 0, (parts[first] + parts[second]) / (2 * squared), math.inf)

    distance = (test.means[first] - test.means[second]).norm(dim=1).to(inside)
    moved = shifts.sqrt()
    a = torch.where(distance > 0, (1 + (moved[first] + moved[second]) / distance).square() - 1, math.inf)
    v, e = over_distance(inside, train.means), over_distance(errors, train.means)
    table = {
        "first": first,
        "second": second,
        "train": v,
        "test": over_distance(outside, test.means.to(train.means)),
        "a": a,
        "b": torch.where(a.isinf(), math.inf, (1 + a) * e),
        "bound": (1 + a) * (v + e),
    }
    return pd.DataFrame({name: column.cpu().numpy() for name, column in table.items()})
