"""CKA without the bias of few samples, from one pass over the data.

Song et al. (2012), *Feature selection via dependence maximization*, equation 5: with K and L the n x n Gram matrices,
their diagonals set to zero,

    n (n - 3) HSIC = tr(K L) + (1'K1)(1'L1) / ((n - 1)(n - 2)) - 2 (1'K L1) / (n - 2)

is unbiased, and blind to where the features' and the targets' zero is. Around the means, rows of X X' sum to zero, so
those of K to minus the squared norms d_i = ||x_i||^2 (of L to minus e_i = ||y_i||^2), and it becomes

    n (n - 3) HSIC = ||X'Y||_F^2 - n / (n - 2) sum_i d_i e_i + (sum_i d_i)(sum_i e_i) / ((n - 1)(n - 2)):

second moments and three sums of products of squared norms. CKA is then as ever, HSIC(X, Y) over the root of
HSIC(X, X) HSIC(Y, Y); independent features have about 0, where the plain one has up to 1.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Num
from torch import Tensor

from nrc_core.metrics.moments import BLOCK_ROWS, Moments

LEAST_ROWS = 4  # with fewer there is no unbiased HSIC
ROUNDING = 1e-12  # relative: a smaller HSIC of something with itself is zero


class SquaredNorms:
    """Sums of products of the squared norms of features and targets, batch by batch, in float64.

    They are kept around the mean of the first batch, and moved to that of all rows in the end: with z a row from
    there, its features and targets z_1 and z_2, a = (||z_1||^2, ||z_2||^2) and m the mean of z,

        ||z_p - m_p||^2 = a_p - 2 m_p z_p + ||m_p||^2,

    so that sums of a a', of z a' and of what `Moments` has are enough.
    """

    def __init__(self, width: int, target_dim: int, device: torch.device | str = "cpu"):
        size = width + target_dim
        self._parts = (slice(0, width), slice(width, size))
        self._centre: Tensor | None = None
        self._squares = torch.zeros(2, 2, dtype=torch.float64, device=device)  # sum of a a'
        self._mixed = torch.zeros(size, 2, dtype=torch.float64, device=device)  # sum of z a'

    def update(self, features: Num[Tensor, "n h"], targets: Num[Tensor, "n t"]) -> None:
        """Add a batch of samples."""
        if self._centre is None:
            # Around its first row, so that a constant has its own mean to the last bit, on every processor.
            firsts = [part[:1].double() for part in (features, targets)]
            self._centre = torch.cat(
                [
                    first[0] + (part.double() - first).mean(0)
                    for first, part in zip(firsts, (features, targets), strict=True)
                ]
            )
        for start in range(0, len(features), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            z = [
                given[rows].double() - self._centre[part]
                for given, part in zip((features, targets), self._parts, strict=True)
            ]
            a = torch.stack([torch.linalg.vector_norm(part, dim=1).square() for part in z], dim=1)
            self._squares += a.T @ a
            for part, rows_of in zip(self._parts, z, strict=True):
                self._mixed[part] += rows_of.T @ a

    def products(self, moments: Moments) -> Float[Tensor, "2 2"]:
        """Sums over the samples of d d, d e and e e around the mean; `moments` are those of the same samples."""
        if self._centre is None:
            raise ValueError("squared norms of no samples: add a batch first")
        n, mean = moments.n, moments.mean - self._centre
        about = moments.scatter + n * torch.outer(mean, mean)  # sum of z z'
        norms = torch.stack([about[part, part].trace() for part in self._parts])  # sum of a
        shift = torch.stack([mean[part].square().sum() for part in self._parts])
        along = torch.stack([mean[part] @ self._mixed[part] for part in self._parts])  # sum of (m_p z_p) a_q
        both = torch.stack(
            [torch.stack([mean[p] @ about[p, q] @ mean[q] for q in self._parts]) for p in self._parts]
        )  # sum of (m_p z_p)(m_q z_q)
        return (
            self._squares
            - 2 * (along + along.T)
            + 4 * both
            + torch.outer(norms, shift)
            + torch.outer(shift, norms)
            - 3 * n * torch.outer(shift, shift)
        )


def debiased_covariance_cka(moments: Moments, norms: SquaredNorms) -> float:
    """The debiased CKA of features and targets; NaN for fewer than four samples or no variance."""
    n = moments.n
    if n < LEAST_ROWS:
        return math.nan
    products = norms.products(moments)
    parts = (slice(0, moments.width), slice(moments.width, len(moments.mean)))
    norm = [moments.scatter[part, part].trace() for part in parts]

    def hsic(first: int, second: int) -> float:
        square = moments.scatter[parts[first], parts[second]].square().sum()
        value = square - n / (n - 2) * products[first, second] + norm[first] * norm[second] / ((n - 1) * (n - 2))
        return 0.0 if first == second and value <= ROUNDING * square else value.item()

    own = hsic(0, 0) * hsic(1, 1)
    return hsic(0, 1) / math.sqrt(own) if own > 0 else math.nan
