"""Bounds on measured quantities, computed from other measured quantities.

The proofs are in `nrc_core.theory.statements`.
"""

import math


def reverse_bound(cka: float, target_rank: int, target_stable_rank: float) -> float:
    """Bound on the share of the target variance that features leave unpredicted, from their CKA with the targets.

    ``||(I - P_H) Y||_F^2 / ||Y||_F^2 <= sqrt(t / s) sqrt(1 - CKA^2)``, hence ``<= sqrt(t) sqrt(1 - CKA^2)``: the lemma
    of `nrc_core.theory.statements` with A = Y. The CKA may be that of any projection of the features (NRC2),
    because a projection predicts no better than the features. There is no condition on NRC1. A bound above 1 says
    nothing.

    Args:
        cka: between 0 and 1; a value above 1 by rounding counts as 1; NaN gives NaN.
        target_rank: t, the rank of Y or a larger number.
        target_stable_rank: s, the stable rank of Y or a smaller number.

    Example:
        >>> round(reverse_bound(0.8, target_rank=2, target_stable_rank=2.0), 12)
        0.6
    """
    return share_bound((1 - min(cka, 1.0)) * (1 + cka), target_rank, target_stable_rank)


def cone_noise() -> float:
    """NRC1 at rank t of t equal Gaussian signals behind a ReLU without bias: (pi - 2) / (2 (pi - 1)) = 0.267.

    ``relu(p) = (p + |p|) / 2``. For centred Gaussian pre-activations p the two terms are uncorrelated. The ratio of
    their variances is 1 to 1 - 2 / pi, whatever the weights are. If the p span t dimensions, the first term spans t
    too, so NRC1 at rank t is **at most** the share of the second term, (1 - 2 / pi) / (2 - 2 / pi). The two are equal
    if each signal z has a pair of units (relu(z), relu(-z)) and the signals are independent with the same variance:
    then the eigenvalues are ``Var z / 2`` and ``Var |z| / 2``, t times each. At rank 2t such pairs have no noise.

    Example:
        >>> round(cone_noise(), 6)
        0.266529
    """
    return (math.pi - 2) / (2 * (math.pi - 1))


def decay_beyond_targets(strongest: float, target_dim: int, depth: int) -> float:
    """The least weight decay at which weights of zero are the best for a deep linear network.

    This is `nrc_core.theory.statements.deep_ufm_threshold` solved for the decay. The first weight takes the place of
    the free features, which is correct for white inputs. The mean squared error per entry is 2 / t times the objective
    of that function, hence ``t / 2 weight_decay = (a (m - 1) / m)^(2m / (m + 1)) / (m - 1)``, with m = L - 1 and a the
    largest standard deviation of the targets. This is a theorem for linear networks on white inputs, and a guide for
    other networks.

    Args:
        strongest: the largest eigenvalue of the target covariance.
        target_dim: t, number of targets.
        depth: L, number of layers, at least 3.

    Raises:
        ValueError: fewer than three layers, which need another formula.

    Example:
        >>> round(decay_beyond_targets(1.9, target_dim=2, depth=8), 3)
        0.223
    """
    if depth < 3:
        raise ValueError(f"depth must be at least 3: got {depth}")
    m = depth - 1
    return 2 / target_dim * (math.sqrt(strongest) * (m - 1) / m) ** (2 * m / (m + 1)) / (m - 1)


def deep_zero_from(depth: int) -> float:
    """The least c at which zero is the best u of a direction of deviation 1.

    The problem is that of `nrc_core.theory.statements.deep_ufm_threshold`. The value is
    ``((L - 1) / L)^(2L / (L + 1)) / (L - 1)`` for L > 1, and 1 for L = 1. A direction of deviation a
    is zero from ``a^(2L / (L + 1))`` times this value on.

    Example:
        >>> [round(deep_zero_from(depth), 4) for depth in (1, 2, 3, 4)]
        [1.0, 0.3969, 0.2722, 0.2104]
    """
    return 1.0 if depth == 1 else ((depth - 1) / depth) ** (2 * depth / (depth + 1)) / (depth - 1)


def share_bound(gap: float, rank: int, stable_rank: float) -> float:
    """Bound on the share of a variance outside a span: ``sqrt(m / s) sqrt(1 - c^2)``, the second bound of the lemma.

    Args:
        gap: ``1 - c^2``, with the CKA c.
        rank: m, the rank.
        stable_rank: s, the stable rank.
    """
    return math.sqrt(rank / stable_rank * gap)
