"""Deep linear unconstrained features models with cross entropy: the losses of three structures.

Source: Garrod and Keating, *The Persistence of Neural Collapse Despite Low-Rank Bias* (2025), where decays are equal.

The objective, with L weights, features H_1 that are free, and K classes of n samples each: the mean cross entropy of
the logits ``Z = W_L ... W_1 H_1`` and ``decay / 2 (||H_1||^2 + sum_l ||W_l||^2)``. For given logits with the singular
values s_i, the penalty is at least ``(L + 1) / 2 decay sum_i s_i^(2 / (L + 1))``, and balanced factors attain it. So a
structure of the logits has a loss in one variable, its scale.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor

from nrc_core.theory.arguments import check_decay, check_whole
from nrc_core.theory.factors import Factors

STRUCTURES = ("collapse", "pairs", "planar")
ROUNDING = 1e-9  # singular values of a structure are larger, or zero; a small power of a rounding error is not small
SCALES = np.geomspace(1e-4, 1e4, 2000)  # the loss is computed on this grid first, since it has two minima


def cross_entropy_ufm_loss(structure: str, *, classes: int, depth: int, decay: float | int, samples: int = 1) -> float:
    """The loss of a structure of the logits in the deep linear model with cross entropy, with the best scale.

    ``min_a g(a) + (L + 1) / 2 decay sum_i (a sqrt(n) s_i)^(2 / (L + 1))`` over a from 0 on, with the mean cross entropy
    g and the singular values s_i of `logits`. The result is at most log K, the loss of zero.

    * "collapse": ``I - 1 1^T / K``, with K - 1 singular values of 1. ``g = log(1 + (K - 1) exp(-a))``.
    * "pairs": blocks [[1, -1], [-1, 1]], with K / 2 singular values of 2; if K is odd, one class is alone, with 1 on
      the diagonal. ``g = log(1 + exp(-2 a) + (K - 2) exp(-a))`` for a class in a pair.
    * "planar": class j has the direction of angle 2 pi j / K in a plane, and logits are inner products. The two
      singular values are K / 2. ``g = log sum_j exp(a (cos(2 pi j / K) - 1))``.

    Args:
        structure: one of "collapse", "pairs", "planar".
        classes: K, at least 2; at least 3 for "planar", because two directions are on one line.
        depth: L, the number of weights, at least 1.
        decay: the weight decay of all factors, positive.
        samples: n, the number of samples of each class.

    Raises:
        ValueError: an unknown structure or a number out of range.

    Example:
        >>> [round(cross_entropy_ufm_loss(one, classes=10, depth=3, decay=1e-3), 5) for one in ("collapse", "pairs")]
        [0.05392, 0.04267]
    """
    return best_scale(structure, classes=classes, depth=depth, decay=decay, samples=samples)[1]


def best_scale(
    structure: str, *, classes: int, depth: int, decay: float | int, samples: int = 1
) -> tuple[float, float]:
    """The best scale of a structure, 0 if no scale is better than none, and its loss; arguments as above.

    Example:
        >>> best_scale("pairs", classes=4, depth=2, decay=10.0)[0]
        0.0
    """
    check_whole("classes", classes, 3 if structure == "planar" else 2)
    check_whole("depth", depth, 1)
    check_whole("samples", samples, 1)
    check_decay(decay)
    pattern = logits(structure, classes)
    power, values = 2 / (depth + 1), np.linalg.svd(pattern, compute_uv=False)
    values = values[values > ROUNDING] * math.sqrt(samples)
    weight = (depth + 1) / 2 * decay * (values**power).sum()
    margins = np.diagonal(pattern) - pattern  # how far the right class is ahead

    def loss(scale: float) -> float:
        return float(np.log(np.exp(-scale * margins).sum(0)).mean() + weight * scale**power)

    return _least(loss, math.log(classes))


def logits(structure: str, classes: int) -> NDArray[np.float64]:
    """The logits of a structure for one sample of each class and scale 1; classes in rows, samples in columns.

    Raises:
        ValueError: an unknown structure.

    Example:
        >>> logits("pairs", 3).tolist()
        [[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if structure == "collapse":
        return np.eye(classes) - 1 / classes
    if structure == "pairs":
        pattern = np.eye(classes)
        first = np.arange(0, classes - 1, 2)
        pattern[first, first + 1] = pattern[first + 1, first] = -1
        return pattern
    if structure == "planar":
        angles = 2 * np.pi * np.arange(classes) / classes
        return np.cos(angles[:, None] - angles)
    raise ValueError(f"structure must be one of {', '.join(STRUCTURES)}: got {structure!r}")


def cross_entropy_objective(factors: Factors, *, decay: float | int) -> Float[Tensor, ""]:
    """The objective of given factors; there are as many classes as outputs.

    Args:
        factors: of any widths; the samples must be a multiple of the outputs.
        decay: the weight decay of all factors.

    Raises:
        ValueError: the samples are not a multiple of the outputs.

    Example:
        >>> cross_entropy_objective(Factors.of(np.zeros((3, 6)), np.zeros((2, 3))), decay=0.1).exp().item()
        2.0
    """
    signal = factors.features
    for weight in factors.weights:
        signal = weight @ signal
    return torch.nn.functional.cross_entropy(signal.T, factors.labels().T) + factors.penalty(decay)


def _least(loss: Callable[[float], float], at_zero: float) -> tuple[float, float]:
    """The least value over scales from 0 on, and where it is."""
    place = int(np.argmin([loss(scale) for scale in SCALES]))
    low, high = SCALES[max(place - 1, 0)], SCALES[min(place + 1, len(SCALES) - 1)]
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12 * high})
    return (float(found.x), float(found.fun)) if found.fun < at_zero else (0.0, at_zero)


def hessian(structure: str, *, classes: int, depth: int, decay: float, width: int) -> Float[Tensor, "p p"]:
    """The Hessian of the objective by all entries of the factors, at a structure with one sample of each class.

    Args:
        width: d, the number of rows of H_1 and of all weights but the last; at least the rank of the structure.

    Raises:
        ValueError: the width is too small, or as `cross_entropy_ufm_loss`.

    Example:
        >>> values = torch.linalg.eigvalsh(hessian("collapse", classes=4, depth=1, decay=0.01, width=4))
        >>> len(values), int((values.abs() < 1e-9).sum()), bool(values[0] > -1e-9)
        (32, 6, True)
    """
    factors = structure_factors(structure, classes=classes, depth=depth, decay=decay, width=width)
    each = [factors.features, *factors.weights]

    def objective(flat: Tensor) -> Tensor:
        parts = flat.split([factor.numel() for factor in each])
        features, *weights = [part.reshape(factor.shape) for part, factor in zip(parts, each, strict=True)]
        return cross_entropy_objective(Factors(features, tuple(weights)), decay=decay)

    flat = torch.cat([factor.flatten() for factor in each])
    found: Tensor = torch.autograd.functional.hessian(objective, flat)
    return found


def structure_factors(structure: str, *, classes: int, depth: int, decay: float, width: int) -> Factors:
    """Balanced factors H_1, W_1 to W_L of a structure, with one sample of each class.

    Raises:
        ValueError: as `hessian`.

    Example:
        >>> found = structure_factors("pairs", classes=4, depth=2, decay=0.01, width=3)
        >>> tuple(found.features.shape), [tuple(weight.shape) for weight in found.weights]
        ((3, 4), [(3, 3), (4, 3)])
    """
    scale, _ = best_scale(structure, classes=classes, depth=depth, decay=decay)
    left, values, right = np.linalg.svd(scale * logits(structure, classes))
    rank = int((values > ROUNDING).sum())
    if width < rank:
        raise ValueError(f"width must be at least {rank}, the rank of {structure!r}: got {width}")
    roots = np.zeros(width)
    roots[:rank] = values[:rank] ** (1 / (depth + 1))
    first, last = np.zeros((width, classes)), np.zeros((classes, width))
    first[:rank], last[:, :rank] = roots[:rank, None] * right[:rank], left[:, :rank] * roots[:rank]
    return Factors.of(first, *[np.diag(roots)] * (depth - 1), last)


def solution_dimension(rank: int, *, depth: int, width: int) -> int:
    """The dimension of the set of solutions of a structure: ``L (r d - r (r + 1) / 2)``.

    Rotations of the d dimensions between two neighbouring factors, of which there are L, leave the logits and the norms
    unchanged. A rotation moves the factors, unless it acts outside their r dimensions only. So each place between two
    factors gives ``d (d - 1) / 2 - (d - r) (d - r - 1) / 2`` dimensions. The source counts ``L r (d - r)`` for
    structures with equal singular values. This is the dimension of r-dimensional subspaces; it leaves out the rotations
    inside them.

    Example:
        >>> solution_dimension(3, depth=2, width=5)
        18
    """
    return depth * (rank * width - rank * (rank + 1) // 2)
