"""Unconstrained features models of ordinal regression: ordered classes on a line with fixed thresholds.

Source: Ma, Obuchi and Tanaka, *Neural Collapse in Cumulative Link Models for Ordinal Regression* (2025). The reduction
to one equation, which shows that there are two phases and no third, is derived here.

Class q of Q has the probability ``g(b_q - z) - g(b_(q-1) - z)`` at the latent variable ``z = w^T h``, with the link g
and the thresholds ``b_0 < ... < b_Q``, all finite; probabilities are not divided by their sum. With
``l_q = -log`` of it, the objective is ``mean_i l_(q_i)(w^T h_i) + c_h / 2 mean_i ||h_i||^2 + c_w / 2 ||w||^2``.

For given latent variables, the shortest features lie on the line of w: ``||h_i|| = |z_i| / ||w||``. Then the best norm
is ``||w||^4 = (c_h / c_w) mean_i z_i^2``, and what is left, with c = c_h c_w, is
``F(z) = mean_i l_(q_i)(z_i) + sqrt(c mean_i z_i^2)``. Each l_q is convex, so F is convex, and its minimum gives all
samples of a class the same z. Zero is the minimum if and only if ``c >= C = sum_q pi_q l_q'(0)^2`` (`critical_decay`).
Otherwise ``l_q'(z_q) + m z_q = 0`` with ``m = sqrt(c / mean z^2)``: one root for each class, and one equation for m.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_expit, log_ndtr

from nrc_core.theory.arguments import check_decay

Array = NDArray[np.float64]
Numbers = Sequence[float | int] | NDArray[Any]


@dataclass(frozen=True)
class OrdinalMinimum:
    """The minimum of the unconstrained features model of ordinal regression.

    Attributes:
        latent: (Q,), the latent variable of each class, in the unit of the thresholds.
        weight_norm: the norm of w.
        loss: the value of the objective.
    """

    latent: Float[np.ndarray, "q"]
    weight_norm: float
    loss: float


def ordinal_ufm_minimum(
    thresholds: Numbers, *, decay: float | int, link: str = "logit", shares: Numbers | None = None
) -> OrdinalMinimum:
    """The minimum over all features and w, see the beginning of this module, with c_h = c_w = decay, so c = decay^2.

    Args:
        thresholds: (Q + 1,), b_0 to b_Q, finite and increasing, of two classes or more.
        decay: the decay of the features and of w, positive.
        link: g, one of "logit", "probit", and "cloglog" (complementary log-log), which is not symmetric.
        shares: (Q,), the shares pi_q of the classes, positive, with the sum 1; equal shares unless given.

    Raises:
        ValueError: thresholds that are not finite or do not increase, an unknown link, or shares or a decay out of
            range.

    Example:
        >>> found = ordinal_ufm_minimum([-4, -2, 2, 4], decay=0.01)
        >>> found.latent.round(3).tolist(), round(found.weight_norm, 3), round(found.loss, 3)
        ([-2.969, 0.0, 2.969], 1.557, 0.63)
    """
    lower, upper, pi = _checked(thresholds, shares)
    check_decay(decay)
    of_class = likelihood(link, lower, upper)
    zeros = np.zeros(len(pi))
    if decay**2 >= (pi * of_class.slope(zeros) ** 2).sum():
        return OrdinalMinimum(zeros, 0.0, float((pi * of_class.loss(zeros)).sum()))

    def excess(logarithm: float) -> float:
        """m times the norm of z over the decay, less 1; this grows with m."""
        return math.exp(logarithm) * _norm(_latent(math.exp(logarithm), of_class), pi) / decay - 1

    low, high = math.log(decay) - 1, math.log(decay) + 1
    while excess(low) > 0:
        low -= 2
    while excess(high) < 0:
        high += 2
    force = math.exp(brentq(excess, low, high, xtol=1e-14, rtol=1e-14))
    latent = _latent(force, of_class)
    norm = _norm(latent, pi)
    return OrdinalMinimum(latent, math.sqrt(norm), float((pi * of_class.loss(latent)).sum() + decay * norm))


def critical_decay(thresholds: Numbers, *, link: str = "logit", shares: Numbers | None = None) -> float:
    """The least decay at which zero is the minimum: ``sqrt C = sqrt(sum_q pi_q l_q'(0)^2)``.

    Arguments and errors are those of `ordinal_ufm_minimum`.

    Example:
        >>> shares = [1 / 3, 1 / 6, 1 / 12, 1 / 6, 1 / 4]
        >>> round(critical_decay([-5, -3, -1, 1, 3, 5], shares=shares) ** 2, 6)
        0.677688
    """
    lower, upper, pi = _checked(thresholds, shares)
    slopes = likelihood(link, lower, upper).slope(np.zeros(len(pi)))
    return math.sqrt((pi * slopes**2).sum())


def undecayed_latent(thresholds: Numbers, *, link: str = "logit") -> Float[np.ndarray, "q"]:
    """The limit of the latent variables as the decay goes to zero: the minimum of l_q for each class.

    If the link is symmetric, this is the middle of the class, ``(b_(q-1) + b_q) / 2``.

    Raises:
        ValueError: as `ordinal_ufm_minimum`.

    Example:
        >>> undecayed_latent([-1, 1, 5]).round(9).tolist()
        [0.0, 3.0]
    """
    lower, upper, _ = _checked(thresholds, None)
    return _latent(0.0, likelihood(link, lower, upper))


@dataclass(frozen=True)
class Likelihood:
    """l and its derivative at one z for each class or sample; l' changes its sign between `lower` and `upper`.

    Attributes:
        loss: function from z to l.
        slope: function from z to l'.
        lower, upper: the thresholds.
    """

    loss: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    lower: Array
    upper: Array


def likelihood(link: str, lower: Array, upper: Array) -> Likelihood:
    """The negative log-likelihood between given thresholds.

    Args:
        link: g, one of "logit", "probit", "cloglog".
        lower, upper: the lower and the upper threshold of each class, or of each sample.

    Raises:
        ValueError: an unknown link.

    Example:
        >>> one = likelihood("logit", np.array([-1.0]), np.array([1.0]))
        >>> one.loss(np.zeros(1)).round(4).item(), one.slope(np.zeros(1)).item()
        (0.7719, 0.0)
    """
    if link not in LINKS:
        raise ValueError(f"link must be one of {', '.join(LINKS)}: got {link!r}")
    density, between = LINKS[link]

    def loss(z: Array) -> Array:
        return -between(lower - z, upper - z)

    def slope(z: Array) -> Array:
        v, u = lower - z, upper - z
        share = between(v, u)
        return np.exp(density(u) - share) - np.exp(density(v) - share)

    return Likelihood(loss, slope, lower, upper)


def _latent(force: float, of_class: Likelihood) -> Array:
    """The root of ``l_q'(z) + force z`` for each class; this function of z is increasing."""
    found = np.zeros_like(of_class.lower)
    for q, (low, high) in enumerate(zip(of_class.lower, of_class.upper, strict=True)):

        def pull(z: float, q: int = q) -> float:
            return float(of_class.slope(np.full_like(found, z))[q]) + force * z

        found[q] = brentq(pull, min(low, 0.0), max(high, 0.0), xtol=1e-14, rtol=1e-14)
    return found


def _norm(latent: Array, pi: Array) -> float:
    return math.sqrt((pi * latent**2).sum())


def _checked(thresholds: Numbers, shares: Numbers | None) -> tuple[Array, Array, Array]:
    """The lower and upper threshold and the share of each class."""
    b = np.asarray(thresholds, dtype=np.float64)
    if b.ndim != 1 or len(b) < 3 or not np.isfinite(b).all() or not (np.diff(b) > 0).all():
        raise ValueError(f"thresholds must be three or more finite numbers that increase: got {b.tolist()}")
    classes = len(b) - 1
    pi = np.full(classes, 1 / classes) if shares is None else np.asarray(shares, dtype=np.float64)
    if pi.shape != (classes,) or not (pi > 0).all() or not math.isclose(pi.sum(), 1, abs_tol=1e-9):
        raise ValueError(f"shares must be {classes} positive numbers with the sum 1: got {pi.tolist()}")
    return b[:-1], b[1:], pi


def _log_difference(larger: Array, smaller: Array) -> Array:
    """``log(exp(larger) - exp(smaller))``."""
    return larger + np.log(-np.expm1(smaller - larger))


def _between_logit(v: Array, u: Array) -> Array:
    """``log(g(u) - g(v)) = log(g(u) g(-v) (1 - exp(v - u)))``."""
    return log_expit(u) + log_expit(-v) + np.log(-np.expm1(v - u))


def _between_probit(v: Array, u: Array) -> Array:
    """In the upper tail the difference is taken of ``1 - g``, which is ``g(-z)``, so that no digits are lost."""
    upper = v > 0
    return _log_difference(log_ndtr(np.where(upper, -v, u)), log_ndtr(np.where(upper, -u, v)))


def _between_cloglog(v: Array, u: Array) -> Array:
    """``g(z) = 1 - exp(-exp z)``."""
    return _log_difference(-np.exp(v), -np.exp(u))


def _density_logit(z: Array) -> Array:
    return log_expit(z) + log_expit(-z)


def _density_probit(z: Array) -> Array:
    return -(z**2) / 2 - math.log(2 * math.pi) / 2


def _density_cloglog(z: Array) -> Array:
    return z - np.exp(z)


# For each link: the logarithm of the density g', and of g(u) - g(v).
LINKS: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    "logit": (_density_logit, _between_logit),
    "probit": (_density_probit, _between_probit),
    "cloglog": (_density_cloglog, _between_cloglog),
}
