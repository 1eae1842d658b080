"""The last weight of a network beside the minimum of the unconstrained features model of regression."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def feature_decay(weight_decay: float, weight_gram: Array, feature_energy: float) -> float:
    """The decay that the features of a network have, as seen from its last weight.

    At a minimum the two penalties are equal: ``feature_decay mean ||h||^2 = weight_decay ||W||^2`` (Andriopoulos et
    al., 2024, Theorem 4.1). In a network, other weights pay for the features; this gives what they pay.

    Args:
        weight_gram: (t, t), W W^T.
        feature_energy: the mean of ||h||^2 over the samples.

    Example:
        >>> feature_decay(0.1, np.array([[4.0]]), 2.0)
        0.2
    """
    return weight_decay * float(np.trace(weight_gram)) / feature_energy


def form_distance(weight_gram: Array, target_covariance: Array, product: float) -> float:
    """Squared distance of W W^T from ``S - sqrt(product) I``, with S the root of the target covariance.

    Both matrices are divided by their Frobenius norms. This is NRC3 of Andriopoulos et al. (2024), with the given
    product of the decays in place of gamma. NaN if one of the matrices is zero.

    Args:
        weight_gram, target_covariance: (t, t).

    Example:
        >>> form_distance(np.diag([2.0, 1.0]), np.diag([9.0, 4.0]), 1.0)
        0.0
    """
    expected = _root(target_covariance) - math.sqrt(product) * np.eye(len(target_covariance))
    sizes = np.linalg.norm(weight_gram), np.linalg.norm(expected)
    if not all(sizes):
        return math.nan
    return float(((weight_gram / sizes[0] - expected / sizes[1]) ** 2).sum())


def shared_distance(weight_gram: Array, target_covariance: Array, depth: int) -> float:
    """Squared distance of W W^T of the last of L weights from the target covariance to the power 1 / L, as above.

    This is the form if all L weights share the decay and the inputs are white: weights with the product B and the
    least sum of squares are balanced, so that ``W W^T = (B B^T)^(1 / L)``, and targets B x have the covariance B B^T.
    For L = 2 it is `form_distance` with a product of zero.

    Example:
        >>> shared_distance(np.diag([2.0, 1.0]), np.diag([16.0, 1.0]), depth=4)
        0.0
    """
    values, vectors = np.linalg.eigh(target_covariance)
    expected = (vectors * values.clip(min=0) ** (1 / depth)) @ vectors.T
    return float(((weight_gram / np.linalg.norm(weight_gram) - expected / np.linalg.norm(expected)) ** 2).sum())


def best_product(weight_gram: Array, target_covariance: Array) -> float:
    """The product between zero and the least variance of the targets for which `form_distance` is least.

    Example:
        >>> round(best_product(np.diag([2.0, 1.0]), np.diag([9.0, 4.0])), 6)
        1.0
    """
    from scipy.optimize import minimize_scalar

    most = float(np.linalg.eigvalsh(_root(target_covariance))[0])
    found = minimize_scalar(
        lambda root: form_distance(weight_gram, target_covariance, root**2),
        bounds=(0, most),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return float(found.x) ** 2


def _root(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
