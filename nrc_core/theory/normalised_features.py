"""The features model of networks with normalised features: free features of length one, cross entropy, a decayed head.

Deep residual networks with LayerNorm before their head approach this model (Súkeník, Lampert and Mondelli, *Neural
Collapse is Globally Optimal in Deep Regularized ResNets and Transformers*, 2025). Its minimum is derived here.

With K classes of equally many samples, features h_i of length at most one, and a head W (K, h) without bias, the
objective is ``mean_i CE(W h_i, y_i) + decay / 2 ||W||^2``. By convexity the cross entropy of a sample of class k is at
least ``log(1 + (K - 1) exp(-m))`` with the mean m of its K - 1 margins, and
``m = K / (K - 1) (w_k - w) h_i <= K / (K - 1) ||w_k - w||``, where w is the mean of the rows w_k. By convexity again,
with a the mean of ``||w_k - w||``, the objective is at least

``log(1 + (K - 1) exp(-a K / (K - 1))) + decay / 2 K a^2``.

The minimum over a is attained by ``w_k = a h_i`` for all samples i of class k, with features at the K corners of a
regular simplex of length one: this is neural collapse. Their coordinates can have the mean zero if ``h >= K``.
"""

import math
from typing import NamedTuple

from scipy.optimize import brentq

from nrc_core.theory.arguments import check_decay, check_whole


class NormalisedMinimum(NamedTuple):
    """The minimum of the features model with normalised features.

    Attributes:
        loss: the value of the objective.
        scale: a, the length of each row of the head.
        weight_norm: the Frobenius norm of the head, ``sqrt(K) a``.
    """

    loss: float
    scale: float
    weight_norm: float


def normalised_features_minimum(classes: int, *, decay: float | int) -> NormalisedMinimum:
    """The minimum over all features and the head, see the beginning of this module.

    The derivative in a is zero where ``K / ((exp(a K / (K - 1)) + K - 1)) = decay K a``, and its left side falls while
    its right side grows, so there is one root. The loss is between 0 and log K.

    Args:
        classes: K, at least 2.
        decay: the decay of the head, positive.

    Raises:
        ValueError: a number out of range.

    Example:
        >>> [round(one, 4) for one in normalised_features_minimum(5, decay=0.005)]
        [0.1986, 3.2436, 7.253]
    """
    check_whole("classes", classes, 2)
    check_decay(decay)
    steepness = classes / (classes - 1)

    def slope(a: float) -> float:
        """The derivative over K: ``decay a - 1 / (exp(s a) + K - 1)``, written without overflow."""
        small = math.exp(-steepness * a)
        return decay * a - small / (1 + (classes - 1) * small)

    scale = brentq(slope, 0.0, 1 / (classes * decay), xtol=1e-15, rtol=1e-14)
    loss = math.log1p((classes - 1) * math.exp(-steepness * scale)) + decay / 2 * classes * scale**2
    return NormalisedMinimum(loss, scale, math.sqrt(classes) * scale)
