"""CKA without the bias of few samples, from one pass over the data.

Source: Song et al. (2012), *Feature selection via dependence maximization*, equation 5. Let K and L be the n x n Gram
matrices with their diagonals set to zero. The estimator

    n (n - 3) HSIC = tr(K L) + (1'K1)(1'L1) / ((n - 1)(n - 2)) - 2 (1'K L1) / (n - 2)

is unbiased, and a shift of the features or of the targets does not change it. So X and Y can be centred. Then each row
of X X' sums to zero, row i of K sums to -d_i with d_i = ||x_i||^2, row i of L sums to -e_i with e_i = ||y_i||^2, and

    n (n - 3) HSIC = ||X'Y||_F^2 - n / (n - 2) sum_i d_i e_i + (sum_i d_i)(sum_i e_i) / ((n - 1)(n - 2)).

This needs only second moments and three sums of products of squared norms. CKA is HSIC(X, Y) over the square root of
HSIC(X, X) HSIC(Y, Y). For independent features it is about 0, while the CKA with bias can be up to 1.
"""

import math

import torch
from jaxtyping import Float, Num
from torch import Tensor

from nrc_core.metrics.moments import BLOCK_ROWS, Moments

LEAST_ROWS = 4  # with fewer there is no unbiased HSIC
ROUNDING = 1e-12  # a smaller HSIC of a variable with itself, relative to its first term, counts as zero


class SquaredNorms:
    """Sums of products of the squared norms of features and targets, batch by batch, in float64.

    The sums are taken around the mean of the first batch, and at the end they are moved to the mean of all rows.
    Let z be a row minus the mean of the first batch, z_1 its features, z_2 its targets, a = (||z_1||^2, ||z_2||^2),
    and m the mean of z. Then

        ||z_p - m_p||^2 = a_p - 2 m_p z_p + ||m_p||^2,

    so the sums of a a' and of z a', together with the sums in `Moments`, are enough.
    """

    def __init__(self) -> None:
        self._centres: list[Tensor] = []  # means of features and of targets in the first batch
        zero = torch.zeros((), dtype=torch.float64)
        self._squares = zero  # sum of a a'
        self._mixed = [zero, zero]  # sums of z_1 a' and of z_2 a'

    def update(self, features: Num[Tensor, "n h"], targets: Num[Tensor, "n t"]) -> None:
        """Add a batch of samples."""
        if not self._centres:
            # The mean is computed around the first row, so that the mean of a constant is exact on every processor.
            self._centres = [part[0] + (part - part[0]).mean(0) for part in (features.double(), targets.double())]
        for block in zip(features.split(BLOCK_ROWS), targets.split(BLOCK_ROWS), strict=True):
            z = [part.double() - centre for part, centre in zip(block, self._centres, strict=True)]
            a = torch.stack([torch.linalg.vector_norm(part, dim=1).square() for part in z], dim=1)
            self._squares = self._squares + a.T @ a
            self._mixed = [mixed + part.T @ a for mixed, part in zip(self._mixed, z, strict=True)]

    def products(self, moments: Moments) -> Float[Tensor, "2 2"]:
        """Sums over the samples of d d, d e and e e around the mean; `moments` must be of the same samples."""
        if not self._centres:
            raise ValueError("squared norms of no samples: add a batch first")
        n, parts, mean = moments.n, moments.parts, moments.mean - torch.cat(self._centres)
        about = moments.scatter + n * torch.outer(mean, mean)  # sum of z z'
        norms = torch.stack([about[part, part].trace() for part in parts])  # sum of a
        shift = torch.stack([mean[part].square().sum() for part in parts])
        # Sums of (m_p z_p) a_q, and of (m_p z_p)(m_q z_q).
        along = torch.stack([mean[part] @ mixed for part, mixed in zip(parts, self._mixed, strict=True)])
        both = torch.stack([torch.stack([mean[p] @ about[p, q] @ mean[q] for q in parts]) for p in parts])
        return (
            self._squares
            - 2 * (along + along.T)
            + 4 * both
            + torch.outer(norms, shift)
            + torch.outer(shift, norms)
            - 3 * n * torch.outer(shift, shift)
        )


def debiased_covariance_cka(moments: Moments, norms: SquaredNorms) -> float:
    """Debiased CKA of features and targets; NaN for fewer than four samples or without variance."""
    n = moments.n
    if n < LEAST_ROWS:
        return math.nan
    products = norms.products(moments)
    parts = moments.parts
    norm = [moments.scatter[part, part].trace() for part in parts]

    def hsic(first: int, second: int) -> float:
        square = moments.scatter[parts[first], parts[second]].square().sum()
        value = square - n / (n - 2) * products[first, second] + norm[first] * norm[second] / ((n - 1) * (n - 2))
        return 0.0 if first == second and value <= ROUNDING * square else value.item()

    own = hsic(0, 0) * hsic(1, 1)
    return hsic(0, 1) / math.sqrt(own) if own > 0 else math.nan
