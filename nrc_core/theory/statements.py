"""Theoretical statements about regression collapse: Proposition 1, and unconstrained features models.

Sources: Rangamani and Unal, *Deep Neural Regression Collapse* (2026), section 4.4 and Appendix C;
Andriopoulos et al., *The Prevalence of Neural Collapse in Neural Multivariate Regression* (2024),
Theorems 4.1 and 4.3. Arrays have samples in rows. The functions centre them and compute in float64.

The lemma behind the bounds. Let K = A A^T and G = B B^T be Gram matrices of two sets of features, c their
CKA, P the projection on the columns of B, and Q = I - P. Then ||Q K||_F^2 <= (1 - c^2) ||K||_F^2.
Proof: G = P G P, so c ||K|| ||G|| = <K, G> = <P K P, G> <= ||P K P|| ||G||, hence ||P K P||^2 >= c^2 ||K||^2; and
||Q K||^2 <= ||K||^2 - ||P K P||^2, because P K P and Q K are orthogonal parts of K.
With eigenvalues k_i and eigenvectors u_i of K, m of them non-zero, and q_i = ||Q u_i||^2 in [0, 1] the lemma reads
sum k_i^2 q_i <= (1 - c^2) sum k_i^2, while the share of A's variance outside the span of B is
sum k_i q_i / sum k_i. So that share is at most
* 1 - c^2, when the k_i are equal;
* sqrt(m / s) sqrt(1 - c^2), always, with s the stable rank of A: sum k_i q_i <= sqrt(sum q_i) sqrt(sum k_i^2 q_i)
  by Cauchy and Schwarz, sum q_i <= m, and sum k_i^2 <= k_1 sum k_i = (sum k_i)^2 / s.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nrc_core.metrics.arrays import Matrix, checked_matrix
from nrc_core.metrics.regression import eigen, spectral_ratio
from nrc_core.theory.arguments import check_decay
from nrc_core.theory.bounds import deep_zero_from, share_bound


@dataclass(frozen=True)
class Proposition1:
    """The two sides of Proposition 1 (Deep NRC paper, Appendix C), as printed and as proved here.

    Attributes:
        target_rank: t, the rank of Y; H_sig is H on its top t directions.
        epsilon_1: NRC1 at rank t, ``1 - ||H_sig||^2 / ||H||^2``.
        epsilon_2: ``1 - CKA(H, Y)``.
        cka_signal: CKA(H_sig, Y).
        residual: ``||(I - P_Y) H|| / ||H||``, the quantity that the proposition bounds.
        printed_bound: ``sqrt(epsilon_1) + sqrt(epsilon_2)``, the bound of the paper, which is false.
        flat_bound: ``sqrt(e_1 + (1 - e_1) (1 - cka_signal^2))``, for an H_sig with equal singular values. The
            lemma bounds the share of H_sig outside the span of Y. H_sig and H_noise have orthogonal rows, so
            the squares of their residuals add, and the residual of H_noise is at most its norm. The bound is at
            most the sum of roots ``sqrt(e_1) + sqrt(1 - cka_signal^2)``.
        general_bound: the bound for any spectrum, with ``min(1, sqrt(t / s) sqrt(1 - cka_signal^2))`` in place of
            ``1 - cka_signal^2``; s is the stable rank of H_sig.
        unpredicted: ``||(I - P_H) Y||^2 / ||Y||^2``, NRC4 as a share of the target variance.
        reverse_bound: a bound on `unpredicted` for any spectrum, see `nrc_core.theory.bounds.reverse_bound`.
        white_bound: a bound on `unpredicted` for a Y with equal singular values, ``1 - cka_signal^2``.
    """

    target_rank: int
    epsilon_1: float
    epsilon_2: float
    cka_signal: float
    residual: float
    printed_bound: float
    flat_bound: float
    general_bound: float
    unpredicted: float
    reverse_bound: float
    white_bound: float


def proposition_1(features: Matrix, targets: Matrix) -> Proposition1:
    """Compute all quantities of Proposition 1 for given features and targets.

    ``1 - CKA`` and ``1 - CKA^2`` are computed as squared distances of Gram matrices of unit norm, so they do
    not lose digits near CKA = 1.

    Args:
        features: (n, h), any real dtype.
        targets: (n, t), any rank from 1 on.

    Raises:
        ValueError: different numbers of rows, values that are not finite, or features or targets without variance.

    Example:
        >>> found = proposition_1(*counter_example(delta=0.01, samples=8))
        >>> round(found.printed_bound, 3), round(found.residual, 3), round(found.flat_bound, 3)
        (0.541, 0.707, 0.707)
    """
    h, y = _centred(features, "features"), _centred(targets, "targets")
    if len(h) != len(y):
        raise ValueError(f"features and targets must have equal rows: got {len(h)} and {len(y)}")
    width = h.shape[1]
    # The triangular factor has fewer rows, and the inner products of its columns are the same.
    joint = torch.linalg.qr(torch.cat([h, y], dim=1), mode="r")[1]
    h, y = joint[:, :width], joint[:, width:]
    left, values, _ = torch.linalg.svd(h, full_matrices=False)
    h_span, y_span = left[:, : _rank(values)], _span(y)
    t = y_span.shape[1]
    k, total = _unit_gram(h), values.square().sum()
    signal, g = _unit_gram(left[:, :t] * values[:t]), _unit_gram(y)
    epsilon_1 = (values[t:].square().sum() / total).item()
    epsilon_2 = ((k - g).square().sum() / 2).item()
    cka = (signal * g).sum()
    gap = (signal - cka * g).square().sum().item()
    outside = h - y_span @ (y_span.T @ h)
    unpredicted = (y - h_span @ (h_span.T @ y)).square().sum() / y.square().sum()
    general = min(1.0, share_bound(gap, t, spectral_ratio(values[:t].square())))
    return Proposition1(
        target_rank=t,
        epsilon_1=epsilon_1,
        epsilon_2=epsilon_2,
        cka_signal=cka.item(),
        residual=(outside.square().sum() / total).sqrt().item(),
        printed_bound=math.sqrt(epsilon_1) + math.sqrt(epsilon_2),
        flat_bound=math.sqrt(epsilon_1 + (1 - epsilon_1) * gap),
        general_bound=math.sqrt(epsilon_1 + (1 - epsilon_1) * general),
        unpredicted=unpredicted.item(),
        reverse_bound=share_bound(gap, t, spectral_ratio(torch.linalg.svdvals(y).square())),
        white_bound=gap,
    )


def counter_example(delta: float, samples: int) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 2"]]:
    """Features and targets that break Proposition 1 as printed: H = [a, c], Y = [a, delta b].

    a, b, c are orthogonal, centred and of equal norm. H has equal singular values and rank t = 2, so epsilon_1 = 0.
    Half of its energy is outside the span of Y, so the residual is 1 / sqrt 2. ``CKA = 1 / sqrt(2 (1 + delta^4))``.
    At delta = 1 the printed bound equals 1 / sqrt 2 too. For a smaller delta the bound is smaller, down to
    ``sqrt(1 - 1 / sqrt 2)``.

    Args:
        delta: not zero, because Y would then have rank 1.
        samples: a multiple of 4; the entries of a, b, c are +1 and -1, so their inner products are exact.

    Raises:
        ValueError: delta is zero or not finite, or samples is not a positive multiple of 4.

    Example:
        >>> counter_example(0.5, samples=4)[1].tolist()
        [[1.0, 0.5], [1.0, -0.5], [-1.0, 0.5], [-1.0, -0.5]]
    """
    if delta == 0 or not math.isfinite(delta):
        raise ValueError(f"delta must be finite and not zero, for targets of rank 2: got {delta}")
    if samples < 4 or samples % 4:
        raise ValueError(f"samples must be a positive multiple of 4: got {samples}")
    signs = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    a, b, c = signs.repeat(samples // 4, 1).T
    return torch.stack([a, c], dim=1), torch.stack([a, delta * b], dim=1)


@dataclass(frozen=True)
class UfmMinimum:
    """The global minimum of the unconstrained features model.

    Attributes:
        weight_gram: (t, t), W W^T.
        rank: rank of W, the number of target directions that the minimum keeps.
        loss: the value of the objective.
    """

    weight_gram: Float[Tensor, "t t"]
    rank: int
    loss: float


def ufm_minimum(target_covariance: Float[Tensor, "t t"], feature_decay: float, weight_decay: float) -> UfmMinimum:
    """The minimum over W, H and b when features are free, as a soft threshold on the target directions.

    Objective ``||H W^T + 1 b^T - Y||^2 / 2n + feature_decay ||H||^2 / 2n + weight_decay ||W||^2 / 2``, with t features
    or more (Andriopoulos et al., 2024, Theorem 4.1). With c = feature_decay weight_decay and target covariance
    U diag(l) U^T: ``W W^T = sqrt(feature_decay / weight_decay) U diag(e) U^T, e_j = max(0, sqrt(l_j) - sqrt(c))``, and
    the loss is ``sum_j (sqrt(l_j) - e_j)^2 / 2 + sqrt(c) e_j``. From c = l_1 on, W and H are zero.
    Proof: given Z = H W^T the two penalties sum to at least sqrt(c / n) ||Z||_*, and balanced factors attain it;
    the remaining problem in Z is the proximal map of the nuclear norm.

    Raises:
        ValueError: a decay is not positive.

    Example:
        >>> found = ufm_minimum(torch.eye(2), feature_decay=0.25, weight_decay=1.0)
        >>> found.weight_gram.round(decimals=12).tolist(), found.rank, round(found.loss, 12)
        ([[0.25, 0.0], [0.0, 0.25]], 2, 0.75)
    """
    check_decay(feature_decay, weight_decay)
    values, vectors = eigen(target_covariance.double())
    scale, threshold = values.sqrt(), math.sqrt(feature_decay * weight_decay)
    kept = (scale - threshold).clamp(min=0.0)
    gram = math.sqrt(feature_decay / weight_decay) * (vectors * kept) @ vectors.T
    loss = ((scale - kept).square() / 2 + threshold * kept).sum()
    return UfmMinimum(gram, int((kept > 0).sum()), loss.item())


def deep_ufm_threshold(feature_decay: float, weight_decays: Sequence[float]) -> float:
    """The least standard deviation of a target direction that a deep linear unconstrained features model keeps.

    The model has a product of L weights on free features, and each weight has its own decay. The rest of the objective
    is as in `ufm_minimum`. With
    ``c = (feature_decay prod(weight_decays))^(1 / (L + 1))`` a direction of standard deviation a solves
    ``min_u (u - a)^2 / 2 + (L + 1) / 2 c u^(2 / (L + 1))``, by the inequality of means between the L + 1 factors.
    For L = 1 the minimum moves away from zero at a = c, without a jump. For L > 1 zero is always a local minimum. Zero
    is the global minimum up to ``a = L / (L - 1) ((L - 1) c)^((L + 1) / 2L)``, where u jumps to (L - 1) / L of a.
    Proof: u > 0 is no worse than 0 iff a >= u / 2 + (L + 1) / 2 c u^((1 - L) / (1 + L)); minimise over u.

    Raises:
        ValueError: there is no weight, or a decay is not positive.

    Example:
        >>> round(deep_ufm_threshold(0.04, [1.0]), 12), round(deep_ufm_threshold(0.001, [1.0, 1.0]), 12)
        (0.2, 0.355655882008)
    """
    check_decay(feature_decay, *weight_decays)
    depth = len(weight_decays)
    if depth == 0:
        raise ValueError("a deep model has at least one weight: weight_decays is empty")
    c = (feature_decay * math.prod(weight_decays)) ** (1 / (depth + 1))
    return (c / deep_zero_from(depth)) ** ((depth + 1) / (2 * depth))


def deep_ufm_kept(target_covariance: Float[Tensor, "t t"], feature_decay: float, weight_decays: Sequence[float]) -> int:
    """Number of target directions that the minimum of a deep linear unconstrained features model keeps.

    Example:
        >>> deep_ufm_kept(torch.diag(torch.tensor([1.0, 0.1])), 0.001, [1.0, 1.0])
        1
    """
    deviations = eigen(target_covariance.double()).values.sqrt()
    return int((deviations > deep_ufm_threshold(feature_decay, weight_decays)).sum())


def unregularised_solution(weight: Matrix, targets: Matrix, free: Matrix) -> Float[Tensor, "n h"]:
    """Features of zero loss for a given weight: H = Y W^+T + Z (I - W^+ W), one for every Z.

    The minima of ``||H W^T - Y||^2`` (Deep NRC paper, section 4.4, with samples in columns). W W^+ = I, so
    H W^T = Y. The weight maps the second term to zero, so that term may have any variance in any direction of the
    null space. Therefore zero loss does not decide NRC3.

    Args:
        weight: (t, h), the weight W, of rank t.
        targets: (n, t), the targets Y.
        free: (n, h), the matrix Z.

    Raises:
        ValueError: the weight does not have full row rank, so that it cannot fit all targets.

    Example:
        >>> found = unregularised_solution(np.array([[2.0, 0.0]]), np.array([[6.0]]), np.array([[7.0, 5.0]]))
        >>> found.round(decimals=12).tolist()
        [[3.0, 5.0]]
    """
    w, y, z = (torch.as_tensor(array).detach().double() for array in (weight, targets, free))
    if _rank(torch.linalg.svdvals(w)) < len(w):
        raise ValueError(f"the weight must have full row rank: {len(w)} rows are linearly dependent")
    inverse = torch.linalg.pinv(w)
    return y @ inverse.T + z - z @ w.T @ inverse.T


def _centred(array: Matrix, name: str) -> Tensor:
    tensor = checked_matrix(array, name)
    centred = tensor - tensor[:1]  # so that constant columns are exactly zero
    centred = centred - centred.mean(dim=0)
    if not centred.any():
        raise ValueError(f"{name} must vary: there is no bound for constants")
    return centred


def _rank(singular_values: Tensor) -> int:
    """Number of singular values that are larger than rounding errors."""
    tolerance = 100 * torch.finfo(torch.float64).eps * len(singular_values) * singular_values.max()
    return int((singular_values > tolerance).sum())


def _span(matrix: Tensor) -> Tensor:
    left, values, _ = torch.linalg.svd(matrix, full_matrices=False)
    return left[:, : _rank(values)]


def _unit_gram(matrix: Tensor) -> Tensor:
    gram = matrix @ matrix.T
    return gram / torch.linalg.matrix_norm(gram)
