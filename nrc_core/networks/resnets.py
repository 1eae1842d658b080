"""Residual networks for images, and the scaling of pixels that all networks for images share."""

import re
from collections.abc import Sequence
from typing import Any

import torch
import torchvision
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from nrc_core.config.base import check_depth, check_sizes
from nrc_core.data.images import in_order, map_format

BLOCKS: dict[int, tuple[type[BasicBlock | Bottleneck], list[int]]] = {
    18: (BasicBlock, [2, 2, 2, 2]),
    34: (BasicBlock, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
}
STEM_SHAPES = {"small": (3, 1, 1), "imagenet": (7, 2, 3)}  # kernel size, stride and padding of the convolution
RESNET_SITES = r"layer\d\.\d+\.conv\d|fc.*"  # neither the stem nor the shortcuts
TORCHVISION_WIDTH = 64
REGRESSION_DEPTHS = {"resnet": (18, 34)}


class ScalesPixels(nn.Module):
    """A network for images of bytes. It scales them with the mean and spread of the training images."""

    pixel_mean: Tensor
    pixel_spread: Tensor

    def set_pixels(
        self, pixel_mean: Sequence[float], pixel_spread: Sequence[float], memory_format: torch.memory_format
    ) -> None:
        """Store the mean and spread of pixels, and use one order in memory for the weights and the feature maps."""
        for name, values in (("pixel_mean", pixel_mean), ("pixel_spread", pixel_spread)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1))
        self.memory_format = memory_format
        self.to(memory_format=memory_format)

    def scaled(self, x: UInt8[Tensor, "n c height width"]) -> Float[Tensor, "n c height width"]:
        """Images whose pixels have mean 0 and spread 1 in each channel of the training images."""
        return in_order((x.float() - self.pixel_mean) / self.pixel_spread, self.memory_format)


class AnyResNet(torchvision.models.ResNet):
    """torchvision's ResNet of any depth in `BLOCKS`, any width and any number of channels, with either stem and head.

    It takes scaled images. For the arguments see `ResNet` and `nrc_core.networks.classifiers.classifier`.
    """

    def __init__(self, depth: int, width: int, channels: int, outputs: int, *, stem: str, head: str = "linear"):
        block, blocks = BLOCKS[depth]
        self.width, self.channels, self.stem = width, channels, stem  # needed while torchvision builds the stages
        super().__init__(block, blocks, num_classes=outputs)
        if stem == "small":
            self.maxpool = nn.Identity()
        if width != TORCHVISION_WIDTH or head != "linear":
            self.fc = _head(head, 8 * width * block.expansion, outputs)

    def _make_layer(self, block: Any, planes: int, blocks: int, *rest: Any, **more: Any) -> nn.Sequential:
        """Make a stage as torchvision does, except for its width; before the first stage, make the stem."""
        own = (self.width, self.channels, self.stem) != (TORCHVISION_WIDTH, 3, "imagenet")
        if planes == TORCHVISION_WIDTH and own:
            self.inplanes = self.width
            self.conv1 = stem_convolution(self.stem, self.channels, self.width)
            self.bn1 = nn.BatchNorm2d(self.width)
        return super()._make_layer(block, planes * self.width // TORCHVISION_WIDTH, blocks, *rest, **more)


class ResNet(ScalesPixels, AnyResNet):
    """torchvision's ResNet-18 or ResNet-34, untrained, for images of bytes; the network scales the images itself.

    Sites are the inputs of the convolutions of the four stages, without the stem and the shortcuts, and the
    inputs of the head's linear layers: 16 + 1 for ResNet-18 and 32 + 1 for ResNet-34, as in the
    released code of the Deep NRC paper.

    Args:
        depth: 18 or 34.
        width: number of channels of the first stage, doubled at each of the other three; 64 in torchvision.
        target_dim: t, the number of outputs.
        head: "linear" as in torchvision, or "layernorm" as in the released code: a linear layer,
            LayerNorm, ReLU and a linear layer.
        pixel_mean, pixel_spread: mean and spread of each channel of the training images, 0 to 255.

    Raises:
        ValueError: a depth or size is not possible.

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
        check_depth("resnet", depth, REGRESSION_DEPTHS)
        check_sizes(width=width, target_dim=target_dim)
        super().__init__(depth, width, 3, target_dim, stem="imagenet", head=head)
        self.sites = site_names(self, RESNET_SITES)
        self.set_pixels(pixel_mean, pixel_spread, map_format(width))

    def forward(self, x: UInt8[Tensor, "n c height width"]) -> Float[Tensor, "n t"]:
        """Predictions for images."""
        return super().forward(self.scaled(x))


def stem_convolution(stem: str, channels: int, width: int) -> nn.Conv2d:
    """The first convolution of a network, with `width` channels as its output."""
    return nn.Conv2d(channels, width, *STEM_SHAPES[stem], bias=False)


def site_names(network: nn.Module, pattern: str) -> tuple[str, ...]:
    """The names of the linear layers and convolutions that match a pattern, in order."""
    layers = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    return tuple(name for name in layers if re.fullmatch(pattern, name))


def _head(kind: str, width: int, outputs: int) -> nn.Module:
    if kind == "linear":
        return nn.Linear(width, outputs)
    return nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, outputs))
