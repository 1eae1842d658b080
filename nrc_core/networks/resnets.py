"""Residual networks for images, and which of their layers are sites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torchvision
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from nrc_core.data.images import in_order, map_format

BLOCKS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3]}
TORCHVISION_WIDTH = 64


class ResNet(torchvision.models.ResNet):
    """torchvision's ResNet-18 or ResNet-34, from scratch, on images of bytes that it scales itself.

    Its sites are the inputs of the convolutions of the four stages, without those of the stem and of
    the shortcuts, and of the head's linear layers: 16 + 1 for ResNet-18, 32 + 1 for ResNet-34, as the
    released code of the Deep NRC paper has them.

    Args:
        depth: 18 or 34.
        width: channels of the first stage, doubled at each of the three others; 64 is torchvision's.
        target_dim: t.
        head: "linear", torchvision's, or "layernorm", the released code's: a linear layer,
            LayerNorm, ReLU and a linear layer.
        pixel_mean, pixel_spread: of each channel of the training images, 0 to 255.

    Raises:
        ValueError: a size that is not offered.

    Example:
        >>> network = ResNet(18, 64, 2, pixel_mean=(128.0,) * 3, pixel_spread=(64.0,) * 3)
        >>> network(torch.zeros(5, 3, 32, 32, dtype=torch.uint8)).shape, len(network.sites)
        (torch.Size([5, 2]), 17)
    """

    def __init__(
        self,
        depth: int,
        width: int,
        target_dim: int,
        *,
        head: str = "linear",
        pixel_mean: Sequence[float],
        pixel_spread: Sequence[float],
    ):
        if depth not in BLOCKS:
            raise ValueError(f"depth must be one of {list(BLOCKS)}: got {depth}")
        if min(width, target_dim) < 1:
            raise ValueError(f"width and target_dim must be at least 1: got {width} and {target_dim}")
        self.width = width  # needed while torchvision builds the stages
        super().__init__(BasicBlock, BLOCKS[depth], num_classes=target_dim)
        if width != TORCHVISION_WIDTH or head != "linear":
            self.fc = _head(head, 8 * width, target_dim)
        for name, values in (("pixel_mean", pixel_mean), ("pixel_spread", pixel_spread)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1))
        self.sites = tuple(name for name, layer in self.named_modules() if _is_site(name, layer))
        self.to(memory_format=map_format(width))

    def forward(self, x: UInt8[Tensor, "n c height width"]) -> Float[Tensor, "n t"]:
        """Predictions for images."""
        scaled = (x.float() - self.pixel_mean) / self.pixel_spread
        return super().forward(in_order(scaled, map_format(self.width)))

    def _make_layer(self, block: Any, planes: int, blocks: int, *rest: Any, **more: Any) -> nn.Sequential:
        """A stage as torchvision makes it, but for its width; the first one follows the stem."""
        if planes == TORCHVISION_WIDTH != self.width:
            self.inplanes = self.width
            self.conv1 = nn.Conv2d(3, self.width, kernel_size=7, stride=2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(self.width)
        return super()._make_layer(block, planes * self.width // TORCHVISION_WIDTH, blocks, *rest, **more)


def _head(kind: str, width: int, target_dim: int) -> nn.Module:
    if kind == "linear":
        return nn.Linear(width, target_dim)
    return nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, target_dim))


def _is_site(name: str, layer: nn.Module) -> bool:
    stage, head = name.startswith("layer") and "downsample" not in name, name.split(".")[0] == "fc"
    return (stage and isinstance(layer, nn.Conv2d)) or (head and isinstance(layer, nn.Linear))
