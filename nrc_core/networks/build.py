"""The MLP, and the untrained network of a regression run."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nrc_core.config.base import check_sizes
from nrc_core.config.regression import RunConfig
from nrc_core.data.dataset import Dataset
from nrc_core.errors import ConfigError

if TYPE_CHECKING:
    from nrc_core.networks.resnets import ResNet


class MLP(nn.Module):
    """A multilayer perceptron with ReLU between its weight layers.

    f(x) = W_L relu(W_{L-1} ... relu(W_1 x)), as in the Deep NRC paper, Appendix A, and in its released
    code: no bias by default, PyTorch's default initialisation, no normalisation.

    Args:
        input_dim: d, the number of inputs.
        width: h, the number of units of every hidden layer.
        depth: L, the number of weight layers, at least 1.
        target_dim: t, the number of outputs.
        bias: add a bias to every weight layer.

    Raises:
        ValueError: a size below 1.

    Example:
        >>> MLP(8, 256, 8, 2)(torch.zeros(5, 8)).shape
        torch.Size([5, 2])
    """

    def __init__(self, input_dim: int, width: int, depth: int, target_dim: int, *, bias: bool = False):
        super().__init__()
        check_sizes(input_dim=input_dim, width=width, depth=depth, target_dim=target_dim)
        widths = [input_dim, *[width] * (depth - 1), target_dim]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs, bias=bias), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Predictions (n, t) for inputs (n, d)."""
        return self.layers(x)


def build_model(config: RunConfig, dataset: Dataset) -> MLP | ResNet:
    """The untrained network of a run; the same seed always gives the same weights.

    Raises:
        ConfigError: the run has an MLP and images, or a ResNet and vectors.
    """
    if dataset.images != (config.architecture == "resnet"):
        kind, fit = ("images", "resnet") if dataset.images else ("vectors", "mlp")
        raise ConfigError(f"{dataset.name!r} are {kind}, for architecture {fit!r}: got {config.architecture!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return _resnet(config, dataset) if dataset.images else _mlp(config, dataset)


def _mlp(config: RunConfig, dataset: Dataset) -> MLP:
    model = MLP(dataset.input_dim, config.width, config.depth, dataset.target_dim, bias=config.bias)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(config.init_scale)
    return model


def _resnet(config: RunConfig, dataset: Dataset) -> ResNet:
    from nrc_core.networks.resnets import ResNet  # torchvision takes seconds to import; MLPs do not need it

    return ResNet(
        config.depth,
        config.width,
        dataset.target_dim,
        head=config.head,
        pixel_mean=dataset.pixel_mean or (),
        pixel_spread=dataset.pixel_spread or (),
    )
