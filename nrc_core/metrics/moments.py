"""Streaming second moments of features and targets.

Every neural regression collapse condition at a site is a function of `n`, the means of the features
H (n, h) and the targets Y (n, t), their centred second moments, and the weight that the site feeds. The moments
of all sites need one pass over the data, float64 and O((h + t)^2) memory, without any n x n matrix.
"""

from __future__ import annotations

import math
from copy import copy

import torch
from jaxtyping import Float, Num
from torch import Tensor

from nrc_core.errors import ConfigError

# BLOCK_ROWS is the number of rows that a CPU processes at a time. It is small enough that the rows stay in the cache
# from the copy to the product, and that sums of products lose little to rounding. It is large enough that the product
# takes nearly all of the time. Products are computed in strips of about STRIP_COLUMNS columns, on and above the
# diagonal only; the part below follows by symmetry.
BLOCK_ROWS, STRIP_COLUMNS = 1024, 64


class Moments:
    """Means and centred second moments of features and targets, accumulated batch by batch.

    The update is the pairwise update of Chan, Golub and LeVeque (1983). It is as accurate as two passes over the data,
    even if the mean is much larger than the spread. All sums are in float64. The blocks of a batch are added up around
    the first row of the batch, so a large mean costs digits only when whole batches are combined.

    With `members=M`, the object holds the moments of M networks of one shape, which see the same number of samples.
    All tensors then have a leading dimension of M, and `each` gives the moments of every member.

    Attributes:
        width: h, the number of features.
        n: number of samples (of every member).
        mean: mean of features and targets side by side, (h + t,) or (M, h + t).
        scatter: centred sum of products of features and targets, (h + t, h + t) or (M, h + t, h + t).

    Example:
        >>> moments = Moments.of(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [3.0]]))
        >>> moments.n, moments.feature_covariance.item(), moments.cross_covariance.item()
        (2, 1.0, 1.0)
    """

    def __init__(self, width: int, target_dim: int, device: torch.device | str = "cpu", *, members: int | None = None):
        size, stack = width + target_dim, () if members is None else (members,)
        self.width = width
        self.n = 0
        self.mean = torch.zeros(*stack, size, dtype=torch.float64, device=device)
        self.scatter = torch.zeros(*stack, size, size, dtype=torch.float64, device=device)

    @classmethod
    def of(cls, features: Num[Tensor, "*m n h"], targets: Num[Tensor, "*#m n t"]) -> Moments:
        """Moments of one batch, with as many members as the features have."""
        members = None if features.ndim == 2 else len(features)
        moments = cls(features.shape[-1], targets.shape[-1], features.device, members=members)
        moments.update(features, targets)
        return moments

    def update(self, features: Num[Tensor, "*m n h"], targets: Num[Tensor, "*#m n t"]) -> None:
        """Add a batch with the same number of samples for every member; targets without members are for all members.

        Besides the batch, this needs the memory of one block of rows in float64; on a GPU the block is the batch.

        Raises:
            ValueError: the numbers of members, features or targets differ from these moments, or values are complex.
        """
        *members, size = self.mean.shape
        found = *features.shape[:-2], features.shape[-1], targets.shape[-1]
        if found != (*members, self.width, size - self.width):
            raise ValueError(
                f"features must come as {(*members, 'n', self.width)}, targets with {size - self.width} columns: "
                f"got {tuple(features.shape)} and {tuple(targets.shape)}"
            )
        if features.is_complex() or targets.is_complex():
            raise ConfigError("features and targets must be real: give real and imaginary parts as columns")
        n = features.shape[-2]
        if n == 0:
            return
        on_cpu = self.mean.device.type == "cpu"
        most = min(n, BLOCK_ROWS) if on_cpu else n
        strip = math.ceil(size / max(1, size // STRIP_COLUMNS)) if on_cpu else size
        shared = targets.expand(*members, n, -1)
        origin = torch.cat([features[..., :1, :].double(), shared[..., :1, :].double()], dim=-1)
        centre = torch.zeros_like(origin)  # the mean of the rows so far, minus the origin
        memory = self.mean.new_empty(*members, most + 1, size)
        for start in range(0, n, most):
            stop = min(start + most, n)
            block = memory[..., : stop - start + 1, :]
            rows = block[..., :-1, :]
            rows[..., : self.width] = features[..., start:stop, :]
            rows[..., self.width :] = shared[..., start:stop, :]
            rows -= origin  # so that constant columns have a variance of exactly zero
            mean = rows.mean(dim=-2, keepdim=True)
            rows -= mean
            shift = mean - centre
            # The difference of means adds to the scatter. As one more row, it is part of the same product.
            block[..., -1:, :] = shift * math.sqrt(start * (stop - start) / stop)
            for left in range(0, size, strip):
                product = block[..., left : left + strip].mT @ block[..., left:]
                self.scatter[..., left : left + strip, left:] += product
            centre += shift * ((stop - start) / stop)
        for left in range(0, size, strip):
            right = left + strip
            self.scatter[..., right:, left:right] = self.scatter[..., left:right, right:].mT
        self._move(n, (origin - self.mean[..., None, :] + centre).squeeze(-2))

    def merge(self, other: Moments) -> None:
        """Add the samples of another accumulator, for example of another worker or another shard."""
        if (other.width, other.mean.shape) != (self.width, self.mean.shape):
            raise ValueError(f"moments merge only with the same sizes: {self._sizes} here, {other._sizes} given")
        self.scatter += other.scatter.to(self.scatter.device)
        self._move(other.n, other.mean.to(self.mean.device) - self.mean)

    def each(self) -> list[Moments]:
        """The moments of every member, only for reading: they share tensors with this object, but not `n`.

        Raises:
            ValueError: these are the moments of one network, without members.

        Example:
            >>> moments = Moments.of(torch.tensor([[[0.0], [2.0]], [[0.0], [4.0]]]), torch.zeros(2, 1))
            >>> [one.feature_mean.item() for one in moments.each()]
            [1.0, 2.0]
        """
        if self.mean.ndim == 1:
            raise ValueError(
                "moments of one network have no members: make them with members=M, or use them as they are"
            )
        return [self._with(mean, scatter) for mean, scatter in zip(self.mean, self.scatter, strict=True)]

    def cpu(self) -> Moments:
        """The same moments on the CPU."""
        return self._with(self.mean.cpu(), self.scatter.cpu())

    def _with(self, mean: Tensor, scatter: Tensor) -> Moments:
        one = copy(self)
        one.mean, one.scatter = mean, scatter
        return one

    def _move(self, n: int, shift: Tensor) -> None:
        """Count n more samples. Their own scatter is already added; their mean minus the old mean is `shift`."""
        if n == 0:
            return
        total = self.n + n
        self.scatter += shift[..., :, None] * shift[..., None, :] * (self.n * n / total)
        self.mean += shift * (n / total)
        self.n = total

    @property
    def _sizes(self) -> str:
        stack = "".join(f"{members} members, " for members in self.mean.shape[:-1])
        return f"{stack}(h, t) = {(self.width, self.mean.shape[-1] - self.width)}"

    @property
    def parts(self) -> tuple[slice, slice]:
        """Slices of the features and the targets in `mean` and in both dimensions of `scatter`."""
        return slice(0, self.width), slice(self.width, self.mean.shape[-1])

    @property
    def feature_mean(self) -> Float[Tensor, "*m h"]:
        """Mean of the features."""
        return self.mean[..., : self.width]

    @property
    def feature_covariance(self) -> Float[Tensor, "*m h h"]:
        """Centred feature covariance, S_HH / n."""
        return self.scatter[..., : self.width, : self.width] / self.n

    @property
    def cross_covariance(self) -> Float[Tensor, "*m h t"]:
        """Centred covariance of features and targets, S_HY / n."""
        return self.scatter[..., : self.width, self.width :] / self.n

    @property
    def target_covariance(self) -> Float[Tensor, "*m t t"]:
        """Centred target covariance, S_YY / n."""
        return self.scatter[..., self.width :, self.width :] / self.n
