"""Geometry of class means and weights in classification: distances from a simplex, NC5, uniformity on the sphere.

They are other measures of what NC2 and NC3 of `nrc_core.metrics.classes` measure, and NC5. Two further measures of NC1
are there already: `train_variance` is the quotient of traces ``tr Sigma_W / tr Sigma_B``, and `nc1` uses the
pseudo-inverse of Sigma_B without the directions in which class means do not differ, of which K - 1 remain at most.
None of these measures depends on the scale of the features or the weight, so they are computed at a scale of 1.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from nrc_core.errors import ConfigError
from nrc_core.metrics.arrays import Labels, Matrix, checked_matrix
from nrc_core.metrics.class_moments import class_moments
from nrc_core.metrics.scales import directions, scale_of


class Uniformity(NamedTuple):
    """Logarithmic inverse distances between the directions of class means, over all pairs of classes."""

    mean: float
    deviation: float  # standard deviation; 0 when collapsed


def means_simplex_distance(features: Matrix, labels: Labels) -> float:
    """Distance of the class means from a simplex equiangular tight frame, by their Gram matrix (a measure of NC2).

    ``||G / ||G||_F - (I - 1 1^T / K) / sqrt(K - 1)||_F`` with ``G = M M^T``, M the class means minus their mean (Zhu et
    al., *A Geometric Analysis of Neural Collapse with Unconstrained Features*, 2021; Kothapalli, *Neural Collapse: A
    Review on Modelling Principles and Generalization*, 2023). Range [0, sqrt 2); 0 is collapsed; always 0 for two
    classes; NaN for one class or if all means coincide. `nc2` measures lengths and angles apart.

    Args:
        features: (n, h).
        labels: (n,), whole numbers from 0; every class needs a sample.

    Raises:
        ValueError: as `train_variance`.

    Example:
        >>> round(means_simplex_distance(5 * np.eye(3) + 1, np.array([0, 1, 2])), 12)
        0.0
    """
    means = class_moments(features, labels).centred_means
    return _simplex_distance(means, means)


def weight_simplex_distance(weight: Matrix) -> float:
    """Distance of the head's weight from a simplex equiangular tight frame: `means_simplex_distance` of ``W W^T``.

    The rows are used as they are, not centred (Zhu et al., 2021; Kothapalli, 2023): of rows whose mean is not zero the
    distance cannot be 0. Range [0, sqrt 2]; NaN for one class or a weight of zeros.

    Args:
        weight: W, (K, h).

    Raises:
        ValueError: the weight is not a finite matrix.

    Example:
        >>> round(weight_simplex_distance(np.array([[3.0], [-3.0]])), 12)
        0.0
    """
    w = checked_matrix(weight, "weight")
    return _simplex_distance(w, w)


def duality_simplex_distance(features: Matrix, labels: Labels, weight: Matrix) -> float:
    """Distance of ``W M^T`` from the Gram matrix of a simplex: `means_simplex_distance` with ``G = W M^T``.

    W is the head's weight and M the class means minus their mean (Zhu et al., 2021; Kothapalli, 2023, as a measure of
    NC3). If means and weight are simplices and proportional, it is 0. The reverse is not true: a weight that undoes any
    form of the means gives 0 too, so `nc3` has to be seen beside it. Range [0, 2]; NaN for one class or a product of
    zeros.

    Args:
        features: (n, h).
        labels: (n,), whole numbers from 0; every class needs a sample.
        weight: W, (K, h).

    Raises:
        ValueError: as `train_variance`, or the weight is not (K, h).

    Example:
        >>> round(duality_simplex_distance(np.eye(3), np.array([0, 1, 2]), 2 * np.eye(3) - 2 / 3), 12)
        0.0
    """
    means, w = class_moments(features, labels).centred_means, checked_matrix(weight, "weight")
    if w.shape != means.shape:
        raise ConfigError(f"the weight must be of shape {tuple(means.shape)}: got {tuple(w.shape)}")
    return _simplex_distance(w.to(means), means)


def _simplex_distance(first: Float[Tensor, "k h"], second: Float[Tensor, "k h"]) -> float:
    """Distance of the normalised product of two matrices from the normalised Gram matrix of a simplex."""
    product = (first / scale_of(first)) @ (second / scale_of(second)).T
    product = product / scale_of(product)
    classes, norm = len(product), product.norm()
    if classes < 2 or norm <= 0:
        return math.nan
    simplex = torch.eye(classes, dtype=product.dtype, device=product.device) - 1 / classes
    return (product / norm - simplex / math.sqrt(classes - 1)).norm().item()


def nc5(features: Matrix, labels: Labels, other_features: Matrix) -> float:
    """NC5, orthogonality to other data: mean absolute cosine of the class means with the mean of other samples.

    ``1/K sum_k |cos(mu_k, m)|`` with m the mean of the features of samples that are of none of the classes (Ammar et
    al., *NECO: Neural Collapse Based Out-of-distribution Detection*, 2024). The means are not centred, so a shift of
    all features changes it. Range [0, 1]; 0 is collapsed; NaN if one of the means is zero.

    Args:
        features: (n, h), of samples of the classes.
        labels: (n,), whole numbers from 0; every class needs a sample.
        other_features: (n', h), of samples out of the distribution.

    Raises:
        ValueError: as `train_variance`, or the other features are not a finite matrix of the same width.

    Example:
        >>> round(nc5(np.eye(2), np.array([0, 1]), np.array([[3.0, 3.0], [1.0, 1.0]])), 6)
        0.707107
    """
    means, other = class_moments(features, labels).means, checked_matrix(other_features, "other_features")
    if other.shape[1] != means.shape[1]:
        raise ConfigError(f"both must have the same features: got widths {means.shape[1]} and {other.shape[1]}")
    mean = (other / scale_of(other)).to(means).mean(0)
    return (directions(means) @ directions(mean[None]).T).abs().mean().item()


def hyperspherical_uniformity(features: Matrix, labels: Labels) -> Uniformity:
    """How evenly the directions of the class means lie on the sphere, for any number of classes (generalised NC2).

    Mean and standard deviation, over pairs of classes, of ``log(1 / ||u_i - u_j||)`` with u_k the class means minus
    their mean, scaled to length 1 (Wu and Papyan, *Linguistic Collapse*, 2024, who give the deviation over the mean;
    Liu et al., *Generalizing and Decoupling Neural Collapse via Hyperspherical Uniformity Gap*, 2023). On a simplex the
    mean is ``-1/2 log(2 K / (K - 1))``, the least there is, and the deviation 0. More classes than h + 1 cannot be at
    equal distances, but their distances may still be nearly so. The deviation is not divided by the mean, which may be
    0. Both are NaN if there is one class or a class mean lies at the centre; the mean is inf and the deviation NaN if
    two directions coincide.

    Args:
        features: (n, h).
        labels: (n,), whole numbers from 0; every class needs a sample.

    Raises:
        ValueError: as `train_variance`.

    Example:
        >>> hyperspherical_uniformity(np.array([[0.0], [4.0]]), np.array([0, 1])).mean / math.log(2)
        -1.0
    """
    means = class_moments(features, labels).centred_means
    if len(means) < 2 or bool((means == 0).all(1).any()):
        return Uniformity(math.nan, math.nan)
    inverse = -torch.nn.functional.pdist(directions(means)).log()
    return Uniformity(inverse.mean().item(), inverse.std(correction=0).item())
