"""A data set as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Dataset:
    """A data set that is split into training and test rows.

    Attributes:
        x_train, x_test: (n, d) float32, scaled to zero mean and unit variance on the training rows; or images,
            (n, c, height, width) uint8, not scaled.
        y_train, y_test: (n, t) float32, scaled in the same way; or one-hot.
        provenance: where the data come from; content keys contain its `identity`.
        pixel_mean, pixel_spread: mean and standard deviation of the training images, one number for each channel.
            Networks scale images by them. None for other inputs.
        classes: names of the classes of one-hot targets; None for regression.
    """

    name: str
    x_train: Float[Tensor, "n d"] | UInt8[Tensor, "n c height width"]
    y_train: Float[Tensor, "n t"]
    x_test: Float[Tensor, "m d"] | UInt8[Tensor, "m c height width"]
    y_test: Float[Tensor, "m t"]
    provenance: Mapping[str, Any]
    pixel_mean: tuple[float, ...] | None = None
    pixel_spread: tuple[float, ...] | None = None
    classes: tuple[str, ...] | None = None

    @property
    def input_dim(self) -> int:
        """d; for images the number of channels."""
        return self.x_train.shape[1]

    @property
    def images(self) -> bool:
        """Whether the inputs are images."""
        return self.pixel_mean is not None

    @property
    def target_dim(self) -> int:
        """t."""
        return self.y_train.shape[1]

    def to(self, device: torch.device | str) -> Dataset:
        """The same data on a device."""
        tensors = ("x_train", "y_train", "x_test", "y_test")
        return replace(self, **{name: getattr(self, name).to(device) for name in tensors})
