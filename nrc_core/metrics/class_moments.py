"""Streaming moments of features by class, from which every measure of neural collapse is computed.

They need one pass, float64 and O(h^2) memory, as in `nrc_core.metrics.moments`. The moments of that module with
one-hot targets follow from these moments.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from nrc_core.errors import ConfigError
from nrc_core.metrics.arrays import Labels, Matrix, checked_labels, checked_matrix
from nrc_core.metrics.moments import Moments
from nrc_core.metrics.scales import scale_of


class ClassMoments:
    """Count, mean and spread of each class, and the scatter within classes, batch by batch.

    Attributes:
        counts: number of samples of each class.
        means: mean of each class; zero for a class without samples.
        spreads: for each class, the sum of the squared distances of its samples from the class mean.
        within: scatter of all samples around the means of their classes, (h, h).

    Example:
        >>> moments = ClassMoments.of(torch.tensor([[0.0], [2.0], [5.0]]), torch.tensor([0, 0, 1]), 2)
        >>> moments.means.tolist(), moments.spreads.tolist()
        ([[1.0], [5.0]], [2.0, 0.0])
    """

    def __init__(self, width: int, classes: int, device: torch.device | str = "cpu"):
        self.counts = torch.zeros(classes, dtype=torch.float64, device=device)
        self.means = torch.zeros(classes, width, dtype=torch.float64, device=device)
        self.spreads = torch.zeros(classes, dtype=torch.float64, device=device)
        self.within = torch.zeros(width, width, dtype=torch.float64, device=device)

    @classmethod
    def of(cls, features: Num[Tensor, "n h"], labels: Int[Tensor, " n"], classes: int) -> ClassMoments:
        """Moments of one batch."""
        moments = cls(features.shape[1], classes, features.device)
        moments.update(features, labels)
        return moments

    def update(self, features: Num[Tensor, "n h"], labels: Int[Tensor, " n"]) -> None:
        """Add a batch of samples; ConfigError if they are complex."""
        if features.is_complex():
            raise ConfigError("features must be real: give real and imaginary parts as columns")
        if len(features) == 0:
            return
        h = features.double()
        member = torch.nn.functional.one_hot(labels, len(self.counts)).double()
        counts = member.sum(0)
        # Sums are taken around the first sample, so that equal features have a spread of exactly zero.
        origin = h[0].clone()
        h = h - origin
        means = (member.T @ h) / counts.clamp(min=1)[:, None]
        h = h - means[labels]
        self._add(counts, (means + origin) * (counts > 0)[:, None], member.T @ h.square().sum(1), h.T @ h)

    def merge(self, other: ClassMoments) -> None:
        """Add the samples of another accumulator."""
        if other.means.shape != self.means.shape:
            raise ValueError(
                f"class moments merge only with the same classes and width: {tuple(self.means.shape)} here, "
                f"{tuple(other.means.shape)} given"
            )
        device = self.means.device
        self._add(*(part.to(device) for part in (other.counts, other.means, other.spreads, other.within)))

    def _add(self, counts: Tensor, means: Tensor, spreads: Tensor, within: Tensor) -> None:
        # The pairwise update of Chan, Golub and LeVeque (1983), class by class.
        total = (self.counts + counts).clamp(min=1)
        shift = (means - self.means) * (counts > 0)[:, None]
        weight = self.counts * counts / total
        self.within += within + shift.T @ (weight[:, None] * shift)
        self.spreads += spreads + weight * shift.square().sum(1)
        self.means += shift * (counts / total)[:, None]
        self.counts += counts

    @property
    def n(self) -> int:
        """Number of samples of all classes."""
        return int(self.counts.sum())

    @property
    def within_covariance(self) -> Float[Tensor, "h h"]:
        """Within-class covariance, Sigma_W."""
        return self.within / self.counts.sum()

    @property
    def centred_means(self) -> Float[Tensor, "k h"]:
        """Class means minus their mean, in which all classes have equal weight."""
        return self.means - self.means.mean(0)

    def with_one_hot_targets(self) -> Moments:
        """Moments of the same features with one-hot targets; the sums over classes are the cross-moments.

        sum_i (h_i - mu) (y_ik - p_k) = n_k (mu_k - mu), with p_k = n_k / n and mu the mean of all samples.
        """
        n, (classes, width) = self.counts.sum(), self.means.shape
        share = self.counts / n
        mean = share @ self.means
        shifts = self.means - mean
        cross = (self.counts[:, None] * shifts).T
        moments = Moments(width, classes, self.means.device)
        moments.n = int(n)
        moments.mean = torch.cat([mean, share])
        moments.scatter[:width, :width] = self.within + shifts.T @ (self.counts[:, None] * shifts)
        moments.scatter[:width, width:], moments.scatter[width:, :width] = cross, cross.T
        moments.scatter[width:, width:] = self.counts.diag() - n * torch.outer(share, share)
        return moments


def class_moments(
    features: Matrix, labels: Labels, *, classes: int | None = None, scale: float | None = None
) -> ClassMoments:
    """Check features and labels, and compute the moments by class of the features divided by a scale.

    Args:
        features: (n, h).
        labels: (n,), whole numbers from 0; every class needs a sample.
        classes: K; the number of classes in the labels unless given.
        scale: their own scale unless given. Measures that do not depend on the scale are then right, even if squares of
            the features would overflow or vanish.

    Raises:
        ConfigError: the matrix is not finite, the labels do not fit it, or a class has no samples.
    """
    h = checked_matrix(features, "features")
    y = checked_labels(labels, len(h), from_zero=True).to(h.device)
    largest = int(y.max())
    count = largest + 1 if classes is None else classes
    # More classes than rows are refused before anything of their size is made.
    moments = None
    if largest < count <= len(h):
        moments = ClassMoments.of(h / (scale_of(h) if scale is None else scale), y, count)
    if moments is None or bool((moments.counts == 0).any()):
        raise ConfigError(
            f"labels must be the numbers from 0 to {count - 1}, each with a sample: got labels up to {largest} in "
            f"{len(h)} rows, renumber them as np.unique(labels, return_inverse=True)[1]"
        )
    return moments
