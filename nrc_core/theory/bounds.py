"""What theory says of measured sites, from their numbers alone; the proofs are in `nrc_core.theory.statements`."""

from __future__ import annotations

import math


def reverse_bound(cka: float, target_rank: int, target_stable_rank: float) -> float:
    """The most of the target variance that features can leave unpredicted, given their CKA with the targets.

    ``||(I - P_H) Y||_F^2 / ||Y||_F^2 <= sqrt(t / s) sqrt(1 - CKA^2)``, hence ``<= sqrt(t) sqrt(1 - CKA^2)``: the lemma
    of `nrc_core.theory.statements` with A = Y. CKA may be that of any projection of the features (NRC2),
    which predicts no better than they do. No condition on NRC1. Above 1 it says nothing.

    Args:
        cka: between 0 and 1; rounding above 1 is clipped, NaN gives NaN.
        target_rank: t, the rank of Y, or more.
        target_stable_rank: s, or less.

    Example:
        >>> round(reverse_bound(0.8, target_rank=2, target_stable_rank=2.0), 12)
        0.6
    """
    return share_bound((1 - min(cka, 1.0)) * (1 + cka), target_rank, target_stable_rank)


def cone_noise() -> float:
    """NRC1 at rank t that a ReLU without bias makes of t equal Gaussian signals: (pi - 2) / (2 (pi - 1)) = 0.267.

    ``relu(p) = (p + |p|) / 2``. For centred Gaussian pre-activations p the halves are uncorrelated, and their variances
    are as 1 to 1 - 2 / pi, whatever the weights. If the p span t dimensions, so does the first half: NRC1 at
    rank t is **at most** the share of the second, (1 - 2 / pi) / (2 - 2 / pi). It is equal to it when every signal z is
    carried by a pair (relu(z), relu(-z)) and the signals are independent with one variance: the eigenvalues
    are then ``Var z / 2`` and ``Var |z| / 2``, t times each. At rank 2t such pairs have no noise.

    Example:
        >>> round(cone_noise(), 6)
        0.266529
    """
    return (math.pi - 2) / (2 * (math.pi - 1))


def decay_beyond_targets(strongest: float, target_dim: int, depth: int) -> float:
    """The weight decay from which on zero is the best that a deep linear network can do.

    `nrc_core.theory.statements.deep_ufm_threshold` solved for the decay, with the first weight in the place of the free
    features, as it is for white inputs. The mean squared error per entry is 2 / t of the objective there, hence
    ``t / 2 weight_decay = (a (m - 1) / m)^(2m / (m + 1)) / (m - 1)`` with m = L - 1 and a the largest standard
    deviation of the targets. A theorem for linear networks on white inputs, a guide for others.

    Args:
        strongest: the largest eigenvalue of the target covariance.
        target_dim: t.
        depth: L, at least 3.

    Raises:
        ValueError: fewer layers, for which the formula is another one.

    Example:
        >>> round(decay_beyond_targets(1.9, target_dim=2, depth=8), 3)
        0.223
    """
    if depth < 3:
        raise ValueError(f"depth must be at least 3: got {depth}")
    m = depth - 1
    return 2 / target_dim * (math.sqrt(strongest) * (m - 1) / m) ** (2 * m / (m + 1)) / (m - 1)


def share_bound(gap: float, rank: int, stable_rank: float) -> float:
    """The most of a variance that lies outside a span: ``sqrt(m / s) sqrt(1 - c^2)``, the lemma's second bound.

    Args:
        gap: ``1 - c^2``.
        rank: m.
        stable_rank: s.
    """
    return math.sqrt(rank / stable_rank * gap)
