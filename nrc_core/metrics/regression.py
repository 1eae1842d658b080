"""Neural regression collapse metrics as pure functions of second moments and weights.

Source: Rangamani and Unal, *Deep Neural Regression Collapse* (2026), section 3 and Table 1.
Arrays have samples in rows. There are n samples, h features and t target dimensions; r is the rank. Everything is
computed in float64. A quantity that is not defined (without variance) is NaN, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nrc_core.config.base import NUMERICAL_TOLERANCE
from nrc_core.errors import ConfigError
from nrc_core.metrics.arrays import Matrix, checked_matrix
from nrc_core.metrics.debiasing import SquaredNorms, debiased_covariance_cka
from nrc_core.metrics.moments import Moments
from nrc_core.metrics.threads import on_all_cores

# `nrc4_signal` ignores directions whose variance is at most this share of the largest one, so whose singular value is
# at most a thousandth of the largest one. NUMERICAL_TOLERANCE, for NRC4, is a relative singular value of 1e-6, ten
# times the rounding of float32 features.
SIGNAL_TOLERANCE = 1e-6


class Eigen(NamedTuple):
    """Eigenvalues (h,), largest first and clipped at 0, and eigenvectors (h, h) in columns.

    For a weight with fewer rows than columns, only as many eigenvectors of its `input_products` as rows are kept.
    """

    values: Tensor
    vectors: Tensor

    def first(self, count: int) -> Eigen:
        """All eigenvalues, and only the first eigenvectors."""
        return Eigen(self.values, self.vectors[:, :count])


def eigen(covariance: Float[Tensor, "h h"]) -> Eigen:
    """Eigendecomposition of a covariance; eigenvalues below zero, due to rounding, are set to zero."""
    values, vectors = torch.linalg.eigh(covariance)
    return Eigen(values.flip(-1).clamp(min=0.0), vectors.flip(-1))


def eigen_each(covariances: Sequence[Float[Tensor, "_ _"]]) -> list[Eigen]:
    """`eigen` of several covariances, on the CPU.

    A GPU would process covariances of more than 32 features one after the other (pytorch/pytorch, issue 175585).

    Example:
        >>> [one.values.tolist() for one in eigen_each([torch.eye(1), torch.eye(2).double()])]
        [[1.0], [1.0, 1.0]]
    """
    return on_all_cores(eigen, [covariance.cpu() for covariance in covariances])


def noise_curve(eigenvalues: Float[Tensor, " h"]) -> Float[Tensor, " h"]:
    """NRC1 as a curve: entry k - 1 is the share of variance outside the top k directions, k = 1 ... h."""
    total = eigenvalues.sum()
    if total <= 0:
        return torch.full_like(eigenvalues, math.nan)
    # The sum starts at the smallest value, so that a tail of 1e-20 is not lost in rounding.
    tails = eigenvalues.flip(0).cumsum(0).flip(0)
    return torch.cat([tails[1:], tails.new_zeros(1)]) / total


def covariance_cka(cross: Float[Tensor, "h t"], first: Float[Tensor, "h h"], second: Float[Tensor, "t t"]) -> float:
    """Linear CKA from covariances: ``||C_ab||_F^2 / (||C_aa||_F ||C_bb||_F)``; NaN without variance."""
    scale = torch.linalg.matrix_norm(first) * torch.linalg.matrix_norm(second)
    return (cross.square().sum() / scale).item() if scale > 0 else math.nan


def projected_cka(spectrum: Eigen, moments: Moments, rank: int) -> float:
    """CKA of the targets and the features projected on their top-`rank` subspace (NRC2)."""
    cross = spectrum.vectors[:, :rank].T @ moments.cross_covariance
    return covariance_cka(cross, spectrum.values[:rank].diag(), moments.target_covariance)


def linear_prediction_error(spectrum: Eigen, moments: Moments, tolerance: float) -> tuple[float, int]:
    """Mean squared error per entry of the best linear prediction of the targets, and the number of its directions.

    Directions whose eigenvalue is at most `tolerance` times the largest are left out; the second
    number is the number of directions that are kept. An error below zero, due to rounding, is set to zero.
    """
    kept = int((spectrum.values > tolerance * spectrum.values[0]).sum())
    explained = (spectrum.vectors[:, :kept].T @ moments.cross_covariance).square() / spectrum.values[:kept, None]
    error = (moments.target_covariance.diagonal() - explained.sum(0)).mean().clamp(min=0.0)
    return error.item(), kept


def principal_angles(first: Matrix, second: Matrix) -> Float[Tensor, " r"]:
    """Principal angles in radians, ascending, between the column spans of two matrices with orthonormal columns.

    cos(theta_i) are the singular values of A^T B (Bjorck and Golub, 1973). Spans of p and q dimensions have
    min(p, q) angles. Range [0, pi/2].

    Example:
        >>> principal_angles(torch.eye(3)[:, :1], torch.eye(3)[:, 1:2]).item() == math.pi / 2
        True
    """
    a, b = checked_matrix(first, "first"), checked_matrix(second, "second")
    return torch.linalg.svdvals(a.T @ b).clamp(max=1.0).acos()


def input_products(weight: Float[Tensor, "rows h"]) -> Float[Tensor, "h h"]:
    """W^T W: its eigenvalues and eigenvectors are the squared singular values and right singular vectors of W."""
    double = weight.double()
    return double.T @ double


def alignment_cosines(spectrum: Eigen, inputs: Eigen, rank: int) -> Float[Tensor, " r"]:
    """Cosines of the principal angles between the top feature and the top input subspace; empty without variance.

    `inputs` is the decomposition of the `input_products` of a weight.
    """
    return torch.linalg.svdvals(_alignment_products(spectrum, inputs, rank)).clamp(max=1.0)


def alignment_curves(spectrum: Eigen, inputs: Eigen, most: int) -> tuple[Float[Tensor, " _"], Float[Tensor, " _"]]:
    """Means of the `alignment_cosines` and of the sines of the same angles at ranks 1 to `most`; NaN without angles."""
    product = _alignment_products(spectrum, inputs, most)
    cosines = [torch.linalg.svdvals(product[:rank, :rank]).clamp(max=1.0) for rank in range(1, most + 1)]
    padded, counts = pad_sequence(cosines, batch_first=True), torch.tensor([len(one) for one in cosines])
    there = torch.arange(padded.shape[1]) < counts[:, None]
    return padded.sum(1) / counts, ((1 - padded.square()).sqrt() * there).sum(1) / counts


def _alignment_products(spectrum: Eigen, inputs: Eigen, rank: int) -> Float[Tensor, "r _"]:
    has_variance = inputs.values[0] > 0 and spectrum.values[0] > 0
    return spectrum.vectors[:, :rank].T @ inputs.vectors[:, : rank if has_variance else 0]


def alignment(spectrum: Eigen, inputs: Eigen, rank: int) -> float:
    """Mean of the `alignment_cosines` (NRC3); NaN without variance."""
    return alignment_cosines(spectrum, inputs, rank).mean().item()


def effective_rank(eigenvalues: Float[Tensor, " h"], energy: float = 0.99) -> int:
    """Smallest number of directions that hold the share `energy` of the variance; 0 without variance.

    It shows over-collapse: NRC1 is also zero for features with fewer dimensions than the targets.
    """
    if eigenvalues[0] <= 0:
        return 0
    return int((noise_curve(eigenvalues) > 1 - energy).sum()) + 1


def nrc1(features: Matrix, rank: int) -> float:
    """Noise suppression: the share of feature variance outside the top-`rank` subspace.

    ``1 - Tr(U^T S U) / Tr(S)`` with the centred feature covariance S and its top `rank` eigenvectors U
    (Deep NRC paper, section 3, NRC1). Range [0, 1]; 0 is collapsed; NaN without variance.

    Args:
        features: (n, h), any real dtype.
        rank: 1 <= rank <= h, the target dimension in the paper.

    Raises:
        ValueError: the features are not a finite matrix, or the rank is out of range.

    Example:
        >>> round(nrc1(np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), rank=1), 12)
        0.2
    """
    h = checked_matrix(features, "features")
    _check_rank(rank, h.shape[1])
    return noise_curve(eigen(_self_moments(h)).values)[rank - 1].item()


def nrc2(features: Matrix, targets: Matrix, rank: int | None = None) -> float:
    """Signal-target alignment: linear CKA of the projected features and the targets.

    CKA(H U U^T, Y) with the top `rank` eigenvectors U of the feature covariance (Deep NRC paper,
    section 4.2). Range [0, 1]; 1 is collapsed; NaN if the features or the targets have no variance. The full
    CKA, without projection (section 3), is `linear_cka(features, targets)`.

    Args:
        features: (n, h).
        targets: (n, t).
        rank: 1 <= rank <= h; the target dimension unless given.

    Raises:
        ValueError: the matrices are not finite or differ in their number of rows, or the rank is out of range.

    Example:
        >>> y = np.array([[1.0], [2.0], [4.0]])
        >>> round(nrc2(np.hstack([3 * y, 0 * y]), y), 12)
        1.0
    """
    moments = _moments(features, targets)
    rank = moments.target_covariance.shape[0] if rank is None else rank
    _check_rank(rank, moments.width)
    return projected_cka(eigen(moments.feature_covariance), moments, rank)


def nrc3(features: Matrix, weight: Matrix, rank: int) -> float:
    """Feature-weight alignment: mean cosine of the principal angles between two top subspaces.

    The top `rank` eigenvectors of the feature covariance span one subspace. The top `rank` right singular vectors of
    the layer's weight span the other subspace (Deep NRC paper, sections 3 and 4.2). Range [0, 1]; 1 is collapsed;
    NaN for a zero weight or constant features. If the weight has fewer than `rank`
    rows, its whole row space is used.

    Args:
        features: (n, h), the layer's input.
        weight: (rows, h), as `torch.nn.Linear` keeps it.
        rank: 1 <= rank <= h.

    Raises:
        ValueError: the matrices are not finite or differ in their number of columns, or the rank is out of range.

    Example:
        >>> round(nrc3(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[1.0, 1.0]]), rank=1), 6)
        0.707107
    """
    h, w = checked_matrix(features, "features"), checked_matrix(weight, "weight")
    if h.shape[1] != w.shape[1]:
        raise ConfigError(
            f"the weight must have one column per feature: features {tuple(h.shape)}, weight {tuple(w.shape)}; "
            "pass the weight of the layer that takes these features as input"
        )
    _check_rank(rank, h.shape[1])
    return alignment(eigen(_self_moments(h)), eigen(input_products(w)).first(len(w)), rank)


def nrc4(features: Matrix, targets: Matrix, *, tolerance: float = NUMERICAL_TOLERANCE) -> float:
    """Linear predictability: mean squared error per entry of the best linear prediction of the targets.

    ``||H H^+ Y - Y||_F^2 / (n t)`` with H and Y centred, which is a prediction with an intercept (Deep NRC paper,
    section 3, NRC4; the paper leaves the centring open and does not divide by t). It is to be compared with the
    mean squared error of the network. Range [0, mean target variance].

    Args:
        features: (n, h).
        targets: (n, t).
        tolerance: directions with at most this share of the largest variance are left out.

    Raises:
        ValueError: the matrices are not finite or differ in their number of rows, or the tolerance is not in [0, 1).

    Example:
        >>> nrc4(np.array([[0.0], [1.0], [2.0]]), np.array([[5.0], [7.0], [9.0]]))
        0.0
    """
    check_tolerance(tolerance)
    moments = _moments(features, targets)
    return linear_prediction_error(eigen(moments.feature_covariance), moments, tolerance)[0]


def linear_cka(a: Matrix, b: Matrix) -> float:
    """Linear centred kernel alignment (CKA) of A (n, p) and B (n, q).

    ``||A^T B||_F^2 / (||A^T A||_F ||B^T B||_F)`` with A and B centred (Kornblith et al., 2019). It is computed in
    feature space, O(n (p + q)^2), without an n x n matrix. Range [0, 1]; NaN if A or B has no variance. Invariant
    to rotation, isotropic scale and shift.

    Example:
        >>> round(linear_cka(np.array([[0.0], [1.0]]), np.array([[3.0], [1.0]])), 12)
        1.0
    """
    moments = _moments(a, b)
    return covariance_cka(moments.cross_covariance, moments.feature_covariance, moments.target_covariance)


def debiased_cka(a: Matrix, b: Matrix) -> float:
    """Linear CKA of A (n, p) and B (n, q) without the bias of few samples.

    HSIC(A, B) / sqrt(HSIC(A, A) HSIC(B, B)) with the unbiased estimator of Song et al. (2012), equation 5, in feature
    space, O(n (p + q)^2). For independent A and B it is about 0 for any sizes, while `linear_cka` grows with the
    number of columns for a given n. It is at most 1, reached if A and B are the same up to rotation and scale. It can
    be slightly below 0 by chance; NaN for fewer than four rows or without variance. Invariant to the same changes as
    `linear_cka`.

    Raises:
        ValueError: the matrices are not real and finite, or differ in their number of rows.

    Example:
        >>> noise, other = torch.randn(50, 200), torch.randn(50, 40)
        >>> linear_cka(noise, other) > 0.5, abs(debiased_cka(noise, other)) < 0.1
        (True, True)
    """
    moments = _moments(a, b)
    norms = SquaredNorms()
    norms.update(checked_matrix(a, "features"), checked_matrix(b, "targets"))
    return debiased_covariance_cka(moments, norms)


def stable_rank(matrix: Matrix) -> float:
    """Stable rank: a measure of rank to which small directions add little.

    ``||A||_F^2 / ||A||_2^2`` (Rudelson and Vershynin, 2007), between 1 and the rank; NaN for a zero matrix.
    The matrix is not centred: centre features first, or use `measure`, which centres them.

    Example:
        >>> round(stable_rank(np.diag([2.0, 1.0])), 12)
        1.25
    """
    return spectral_ratio(torch.linalg.svdvals(checked_matrix(matrix, "matrix")).square())


def spectral_ratio(values: Float[Tensor, " h"]) -> float:
    """Sum of non-negative values over the largest one: the stable rank, for squared singular values."""
    largest = values.max()
    return (values.sum() / largest).item() if largest > 0 else math.nan


def _moments(features: Matrix, targets: Matrix) -> Moments:
    h, y = checked_matrix(features, "features"), checked_matrix(targets, "targets")
    if len(h) != len(y):
        raise ConfigError(f"features and targets must have equal rows: got {len(h)} and {len(y)}")
    return Moments.of(h, y)


def _self_moments(features: Tensor) -> Tensor:
    return Moments.of(features, features[:, :0]).feature_covariance


def check_tolerance(tolerance: Any) -> None:
    """Raise ConfigError unless the tolerance is a number in [0, 1)."""
    if not isinstance(tolerance, Real) or not 0 <= float(tolerance) < 1:
        raise ConfigError(f"tolerance is a share of the largest variance, in [0, 1): got {tolerance!r}")


def _check_rank(rank: int, width: int) -> None:
    if isinstance(rank, bool) or not isinstance(rank, Integral) or not 1 <= rank <= width:
        raise ConfigError(f"rank must be between 1 and the number of features, {width}: got {rank}")
