"""Coding rates of features, as measures and as a training loss (maximal coding rate reduction).

Source: Yu, Chan, You, Song and Ma, *Learning Diverse and Discriminative Representations via the Principle of Maximal
Coding Rate Reduction* (2020). There the samples are columns; here they are rows.
"""

import math
from numbers import Real

import torch
from jaxtyping import Float
from torch import Tensor

from nrc_core.errors import ConfigError, shown
from nrc_core.metrics.arrays import Labels, Matrix, checked_labels, checked_matrix

EPSILON_SQUARED = 0.5  # of the source's experiments
# Sums of the eigenvalues of h / (n epsilon^2) Z^T Z between which the Gram matrix is exact to about 1e-12.
BY_GRAM = (1e-2, 1e4)
# Above this sum, the last digits of the features may change the rate by 1e-6 and more, however it is computed.
MOST = 1e20


def coding_rate(features: Matrix, *, epsilon_squared: float | Real = EPSILON_SQUARED) -> Float[Tensor, ""]:
    """Coding rate of features: how many nats a sample needs up to an error of epsilon (Yu et al., 2020).

    ``R(Z) = 1/2 log det(I + h / (n epsilon^2) Z^T Z)``. The features are used as they are, not centred; the source
    scales each sample to length 1 first. Range [0, inf); 0 only if all features are 0.

    Args:
        features: Z, (n, h). Gradients flow back to a tensor.
        epsilon_squared: square of the error allowed, above 0.

    Returns:
        A tensor without dimensions, in float64.

    Raises:
        ConfigError: the features are not a finite real matrix, epsilon_squared is not above 0, or the features are so
            large that rounding decides their rate.

    Example:
        >>> round(coding_rate(torch.eye(2)).item() / math.log(3), 12)
        1.0
    """
    z, epsilon_squared = _checked(features), _positive(epsilon_squared)
    return _log_determinant(z, epsilon_squared) / 2


def coding_rate_reduction(
    features: Matrix, labels: Labels, *, epsilon_squared: float | Real = EPSILON_SQUARED
) -> Float[Tensor, ""]:
    """Coding rate reduction: the `coding_rate` of all features minus the mean rate of each class (Yu et al., 2020).

    ``R(Z) - sum_k n_k / (2 n) log det(I + h / (n_k epsilon^2) Z_k^T Z_k)``, with Z_k the n_k rows of class k. As a
    training objective it is to be made large, with samples scaled to length 1. Range [0, inf); 0 if there is one class.

    Args:
        features: Z, (n, h). Gradients flow back to a tensor.
        labels: (n,), any whole numbers; classes without samples count nothing, so a batch may lack some.
        epsilon_squared: as in `coding_rate`.

    Returns:
        A tensor without dimensions, in float64.

    Raises:
        ConfigError: as `coding_rate`, or the labels do not fit the features.

    Example:
        >>> z = torch.eye(2, requires_grad=True)
        >>> reduction = coding_rate_reduction(z, torch.tensor([0, 1]))
        >>> round(reduction.item() / math.log(9 / 5), 12)
        0.5
    """
    z, epsilon_squared = _checked(features), _positive(epsilon_squared)
    y = checked_labels(labels, len(z)).to(z.device)
    parts = [z[y == label] for label in y.unique()]
    rates = [len(part) / len(z) * _log_determinant(part, epsilon_squared) for part in parts]
    return (_log_determinant(z, epsilon_squared) - torch.stack(rates).sum()) / 2


def _log_determinant(z: Float[Tensor, "n h"], epsilon_squared: float) -> Float[Tensor, ""]:
    """``log det(I + h / (n epsilon^2) Z^T Z)``, for features of ordinary size by the smaller one of the Gram matrices.

    This is several times faster than singular values, as a training loss needs it, and samples of length 1 always have
    ordinary size. A Gram matrix of large features loses the small eigenvalues by rounding, and one of small features is
    lost beside the identity; singular values keep both.
    """
    n, width = z.shape
    gram = z.T @ z if width <= n else z @ z.T
    factor, squares = width / (n * epsilon_squared), gram.detach().trace().item()
    if not factor * squares <= MOST:
        raise ConfigError(
            f"features must have a mean square length of at most {MOST * epsilon_squared / width:.3g}, or rounding "
            f"decides their coding rate: got {squares / n:.3g}; scale each sample to length 1"
        )
    if not BY_GRAM[0] <= factor * squares <= BY_GRAM[1]:
        return (math.sqrt(factor) * torch.linalg.svdvals(z)).square().log1p().sum()
    identity = torch.eye(len(gram), dtype=z.dtype, device=z.device)
    triangle = torch.linalg.cholesky(identity + factor * gram)
    return 2 * triangle.diagonal().log().sum()


def _checked(features: Matrix) -> Float[Tensor, "n h"]:
    """The features in float64, still a part of the graph of gradients."""
    checked = checked_matrix(features, "features")
    return features.double() if isinstance(features, Tensor) else checked


def _positive(epsilon_squared: float | Real) -> float:
    number = isinstance(epsilon_squared, Real) and not isinstance(epsilon_squared, bool)
    if not (number and 0 < float(epsilon_squared) < math.inf):
        raise ConfigError(f"epsilon_squared must be a number above 0: got {shown(epsilon_squared)}")
    return float(epsilon_squared)
