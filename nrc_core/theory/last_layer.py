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


def squared_distance(one: Array, other: Array) -> float:
    """Squared distance of two matrices, each divided by its Frobenius norm; NaN if one of them is zero.

    Example:
        >>> squared_distance(np.diag([3.0, 4.0]), np.diag([6.0, 8.0]))
        0.0
    """
    sizes = np.linalg.norm(one), np.linalg.norm(other)
    return float(((one / sizes[0] - other / sizes[1]) ** 2).sum()) if all(sizes) else math.nan


def form_distance(weight_gram: Array, target_covariance: Array, product: float) -> float:
    """The `squared_distance` of W W^T from ``S - sqrt(product) I``, with S the root of the target covariance.

    This is NRC3 of Andriopoulos et al. (2024), with the given product of the decays in place of gamma.

    Args:
        weight_gram, target_covariance: (t, t).

    Example:
        >>> form_distance(np.diag([2.0, 1.0]), np.diag([9.0, 4.0]), 1.0)
        0.0
    """
    root = power(target_covariance, 1 / 2)
    return squared_distance(weight_gram, root - math.sqrt(product) * np.eye(len(root)))


def best_product(weight_gram: Array, target_covariance: Array) -> float:
    """The product between zero and the least variance of the targets for which `form_distance` is least.

    Example:
        >>> round(best_product(np.diag([2.0, 1.0]), np.diag([9.0, 4.0])), 6)
        1.0
    """
    from scipy.optimize import minimize_scalar  # it takes a second to import

    most = math.sqrt(max(0.0, np.linalg.eigvalsh(target_covariance)[0]))
    found = minimize_scalar(
        lambda root: form_distance(weight_gram, target_covariance, root**2),
        bounds=(0, most),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return float(found.x) ** 2


def shared_form(target_covariance: Array, depth: int) -> Array:
    """W W^T of the last of L weights that share the decay, up to a factor: the target covariance to the power 1 / L.

    It holds if the inputs are white. Weights with the product B and the least sum of squares are balanced, so that
    ``W W^T = (B B^T)^(1 / L)``, and targets B x have the covariance B B^T.

    Args:
        target_covariance: (t, t).
        depth: L, the number of weights.

    Example:
        >>> shared_form(np.diag([16.0, 1.0]), depth=4).tolist()
        [[2.0, 0.0], [0.0, 1.0]]
    """
    return power(target_covariance, 1 / depth)


def power(covariance: Array, exponent: float) -> Array:
    """A covariance to a positive power; eigenvalues below zero, due to rounding, are set to zero.

    Example:
        >>> power(np.diag([9.0, 4.0]), 1 / 2).tolist()
        [[3.0, 0.0], [0.0, 2.0]]
    """
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * values.clip(min=0) ** exponent) @ vectors.T
