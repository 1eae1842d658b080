"""The limit of gradient flow on two-layer ReLU networks for classes: directions, scales and the last weight.

Source: Min, Zhu and Vidal, *Neural Collapse under Gradient Flow on Shallow ReLU Networks for Orthogonally Separable
Data* (2025), theorem 1. The scales are derived here.

The network is ``f(x) = V relu(W^T x)`` with the features ``phi(x) = relu(W^T x)``. Samples of the same class have a
positive cosine, samples of different classes a negative one. In the limit, with all weights of length 1 together, the
features of class k lie on one ray, ``phi(x) = s_k <u_k, x> e_k``, the unit vectors e_k are orthogonal, and
``V = sqrt(K / (K - 1)) (I - 1 1^T / K) [s_1 e_1, ..., s_K e_K]^T``. Here u_k is the max-margin direction of class k
alone (`max_margin_direction`).

The scales follow from the largest smallest margin. With ``a_k = s_k^2``, the margin of a sample of class k is
``sqrt(K / (K - 1)) a_k <u_k, x>``, at least ``sqrt(K / (K - 1)) a_k gamma_k``. The two weights of a neuron have the
same length, so ``2 sum_k a_k = 1``. The smallest margin is largest where all ``a_k gamma_k`` are equal (`scales`).
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import nnls

LEAST = 1e-6  # a smaller margin, as a share of the longest sample, is zero up to rounding


def max_margin_direction(samples: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, " d"], float]:
    """The unit vector u with the largest ``min_i <u, x_i>``, and this margin gamma.

    ``u / gamma`` is the shortest vector with a product of at least 1 with every sample. It is found by non-negative
    least squares, see Lawson and Hanson, *Solving Least Squares Problems* (1974), chapter 23: least distance
    programming.

    Args:
        samples: (n, d), the samples of one class, float64.

    Returns:
        u (d,), of length 1, and gamma, positive.

    Raises:
        ValueError: no direction has a positive product with every sample.

    Example:
        >>> direction, margin = max_margin_direction(np.array([[3.0, 4.0], [4.0, 3.0]]))
        >>> direction.round(4), round(margin, 4)
        (array([0.7071, 0.7071]), 4.9497)
    """
    size = float(np.linalg.norm(samples, axis=1).max()) or 1.0
    system = np.vstack([samples.T / size, np.ones(len(samples))])
    wanted = np.append(np.zeros(samples.shape[1]), 1.0)
    residual = wanted - system @ nnls(system, wanted)[0]
    # With the margin m of the scaled samples, the last entry is m^2 / (1 + m^2); without a direction it is zero.
    if residual[-1] < LEAST**2:
        raise ValueError(
            "no direction has a positive product with every sample: take fewer samples of the class, or more inputs"
        )
    shortest = -residual[:-1] / residual[-1]
    length = float(np.linalg.norm(shortest))
    return shortest / length, size / length


def scales(margins: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """The scales s_k of the classes in the limit: ``s_k^2 = (1 / gamma_k) / (2 sum_l 1 / gamma_l)``.

    Args:
        margins: (K,), gamma_k, positive.

    Returns:
        (K,), with ``2 sum_k s_k^2 = 1``.

    Example:
        >>> scales(np.array([1.0, 1.0]))
        array([0.5, 0.5])
    """
    inverse = 1 / margins
    found: Float[np.ndarray, " k"] = np.sqrt(inverse / (2 * inverse.sum()))
    return found


def last_weight(means: Float[np.ndarray, "k h"], sizes: Float[np.ndarray, " k"]) -> Float[np.ndarray, "k h"]:
    """The last weight V (K, h) in the limit, from the directions of the features of each class and their scales.

    Args:
        means: (K, h), the mean features of the classes, of any length but zero.
        sizes: (K,), s_k.

    Example:
        >>> last_weight(np.eye(2), np.array([0.5, 0.5])).round(4)
        array([[ 0.3536, -0.3536],
               [-0.3536,  0.3536]])
    """
    rays = sizes[:, None] * means / np.linalg.norm(means, axis=1, keepdims=True)
    classes = len(rays)
    weight: Float[np.ndarray, "k h"] = np.sqrt(classes / (classes - 1)) * (rays - rays.mean(0))
    return weight


def separation(samples: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"]) -> tuple[float, float]:
    """The smallest cosine of two samples of the same class, and the largest of two of different classes.

    The data are orthogonally separable (assumption 1 of the source) if the first is positive and the second negative.

    Args:
        samples: (n, d), none of them zero.
        labels: (n,), of two classes or more.

    Example:
        >>> separation(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, -1.0]]), np.array([0, 0, 1]))
        (1.0, 0.0)
    """
    units = samples / np.linalg.norm(samples, axis=1, keepdims=True)
    cosines, same = (units @ units.T).clip(-1, 1), labels[:, None] == labels
    return float(cosines[same].min()), float(cosines[~same].max())
