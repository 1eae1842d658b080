"""The factors of deep unconstrained features models."""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor


class Factors(NamedTuple):
    """The factors of a deep unconstrained features model, with samples in columns.

    Attributes:
        features: (h, N), H_1, with the samples of a class side by side.
        weights: W_1 to W_L.
    """

    features: Float[Tensor, "h n"]
    weights: tuple[Float[Tensor, "_ _"], ...]

    @classmethod
    def of(cls, *arrays: NDArray[Any]) -> "Factors":
        """The factors from H_1, W_1 to W_L as arrays, in double precision.

        Example:
            >>> [tuple(weight.shape) for weight in Factors.of(np.eye(3), np.ones((2, 3))).weights]
            [(2, 3)]
        """
        features, *weights = [torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64)) for array in arrays]
        return cls(features, tuple(weights))

    def labels(self) -> Float[Tensor, "k n"]:
        """The one-hot labels of the samples; there are as many classes as outputs.

        Raises:
            ValueError: the samples are not a multiple of the outputs.

        Example:
            >>> Factors.of(np.zeros((3, 4)), np.zeros((2, 3))).labels().tolist()
            [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]
        """
        classes, total = len(self.weights[-1]), self.features.shape[1]
        if total % classes:
            raise ValueError(f"samples must be a multiple of the {classes} classes: got {total}")
        return torch.eye(classes, dtype=self.features.dtype).repeat_interleave(total // classes, dim=1)

    def penalty(self, decay: float | int) -> Float[Tensor, ""]:
        """``decay / 2 (||H_1||^2 + sum_l ||W_l||^2)``.

        Example:
            >>> Factors.of(np.ones((2, 2)), np.eye(2)).penalty(0.5).item()
            1.5
        """
        squares = torch.stack([factor.square().sum() for factor in (self.features, *self.weights)])
        return decay / 2 * squares.sum()
