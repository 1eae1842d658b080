"""Classification networks for images that scale their own pixels, and which of their layers are sites."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn


class Classifier(nn.Module):
    """A network behind the scaling of pixels by channel; `sites` names the layers whose inputs are measured."""

    def __init__(self, network: nn.Module, *, pixel_mean: Sequence[float], pixel_spread: Sequence[float]):
        super().__init__()
        self.network = network
        for name, values in (("pixel_mean", pixel_mean), ("pixel_spread", pixel_spread)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1))
        self.sites = tuple(name for name, layer in self.named_modules() if isinstance(layer, nn.Linear))

    def forward(self, x: UInt8[Tensor, "n c height width"]) -> Float[Tensor, "n k"]:
        """Logits of images."""
        return self.network((x.float() - self.pixel_mean) / self.pixel_spread)


def classifier(
    architecture: str,
    *,
    depth: int,
    width: int,
    channels: int,
    image_size: tuple[int, int],
    classes: int,
    stem: str = "small",
    pixel_mean: Sequence[float],
    pixel_spread: Sequence[float],
) -> Classifier:
    """An untrained MLP with biases: `depth` linear layers, ReLU between them."""
    if architecture != "mlp" or stem != "small":
        raise ValueError(f"architecture must be mlp with the small stem: got {architecture!r}, {stem!r}")
    widths = [channels * image_size[0] * image_size[1], *[width] * (depth - 1), classes]
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return Classifier(nn.Sequential(*layers[:-1]), pixel_mean=pixel_mean, pixel_spread=pixel_spread)
