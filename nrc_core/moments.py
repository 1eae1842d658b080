"""Streaming second moments of features and targets, and the hooks that feed them from any network.

Every neural regression collapse condition at a site is a function of `n`, the means of the features
H (n, h) and the targets Y (n, t), their centred second moments, and the weight the site feeds. One
pass over the data, all sites at once, float64, O((h + t)^2) memory: no n x n matrix anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nrc_core.config import OUTPUT

FEATURES = ("post", "pre")


class Moments:
    """Means and centred second moments of features and targets, accumulated batch by batch.

    The update is the pairwise one of Chan, Golub and LeVeque (1983), which is as accurate as
    two passes even when the mean is much larger than the spread. All sums are in float64.

    Example:
        >>> moments = Moments.of(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [3.0]]))
        >>> moments.n, moments.feature_covariance.item(), moments.cross_covariance.item()
        (2, 1.0, 1.0)
    """

    def __init__(self, width: int, target_dim: int, device: torch.device | str = "cpu"):
        size = width + target_dim
        self.width = width
        self.n = 0
        self.mean = torch.zeros(size, dtype=torch.float64, device=device)
        self.scatter = torch.zeros(size, size, dtype=torch.float64, device=device)

    @classmethod
    def of(cls, features: Float[Tensor, "n h"], targets: Float[Tensor, "n t"]) -> Moments:
        """Moments of one batch."""
        moments = cls(features.shape[1], targets.shape[1], features.device)
        moments.update(features, targets)
        return moments

    def update(self, features: Float[Tensor, "n h"], targets: Float[Tensor, "n t"]) -> None:
        """Add a batch of samples."""
        if len(features) == 0:
            return
        joint = torch.cat([features.double(), targets.double()], dim=1)
        origin = joint[0].clone()  # so that constant columns have a variance of exactly zero
        joint -= origin
        mean = joint.mean(dim=0)
        joint -= mean
        self._add(len(joint), origin + mean, joint.T @ joint)

    def merge(self, other: Moments) -> None:
        """Add the samples another accumulator has seen (another worker's, another shard's)."""
        if (other.width, other.mean.shape) != (self.width, self.mean.shape):
            raise ValueError(
                f"moments merge only with the same sizes: (h, t) = {self._sizes} here, {other._sizes} given"
            )
        self._add(other.n, other.mean.to(self.mean.device), other.scatter.to(self.mean.device))

    def _add(self, n: int, mean: Tensor, scatter: Tensor) -> None:
        if n == 0:
            return
        total = self.n + n
        shift = mean - self.mean
        self.scatter += scatter + torch.outer(shift, shift) * (self.n * n / total)
        self.mean += shift * (n / total)
        self.n = total

    @property
    def _sizes(self) -> tuple[int, int]:
        return self.width, len(self.mean) - self.width

    @property
    def feature_mean(self) -> Float[Tensor, " h"]:
        """Mean of the features."""
        return self.mean[: self.width]

    @property
    def feature_covariance(self) -> Float[Tensor, "h h"]:
        """Centred feature covariance, S_HH / n."""
        return self.scatter[: self.width, : self.width] / self.n

    @property
    def cross_covariance(self) -> Float[Tensor, "h t"]:
        """Centred covariance of features and targets, S_HY / n."""
        return self.scatter[: self.width, self.width :] / self.n

    @property
    def target_covariance(self) -> Float[Tensor, "t t"]:
        """Centred target covariance, S_YY / n."""
        return self.scatter[self.width :, self.width :] / self.n


@dataclass
class Site:
    """Where features are measured: the input of a weight layer, or the network's output.

    `weight` is (rows, h), its right singular vectors span the input subspace of the layer; it is
    None at the output, which feeds no weight.
    """

    name: str
    weight: Float[Tensor, "rows h"] | None
    moments: Moments


def weight_matrix(layer: nn.Linear | nn.Conv2d) -> Float[Tensor, "rows h"]:
    """The weight of a layer as a matrix with one column per input unit or input channel.

    A convolution's filters (c_out, c_in, k, k) become (c_out k k, c_in), as in the Deep NRC paper,
    section 4.2.
    """
    weight = layer.weight.detach()
    if isinstance(layer, nn.Linear):
        return weight
    if layer.groups != 1:
        raise ValueError(f"grouped convolutions have no one input subspace: groups = {layer.groups}, use groups = 1")
    return weight.permute(0, 2, 3, 1).reshape(-1, layer.in_channels)


def pool(activation: Tensor, *, channels_first: bool) -> Float[Tensor, "n h"]:
    """Average over every dimension but samples and features (global average pooling)."""
    if activation.ndim == 2:
        return activation
    return activation.flatten(2).mean(2) if channels_first else activation.flatten(1, -2).mean(1)


@contextmanager
def recorded(model: nn.Module) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
    """Record (input, output), pooled, of every linear and convolutional layer in order of execution."""
    record: dict[str, tuple[Tensor, Tensor]] = {}

    def hook(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if name in record:
            raise ValueError(f"layer {name!r} ran twice in one pass: a shared layer is not one site, give it copies")
        channels_first = isinstance(layer, nn.Conv2d)
        record[name] = (
            pool(inputs[0], channels_first=channels_first),
            pool(output, channels_first=channels_first),
        )

    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)}
    handles = [layer.register_forward_hook(partial(hook, name)) for name, layer in layers.items()]
    try:
        yield record
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def collect(
    model: nn.Module, x: Tensor, y: Float[Tensor, "n t"], *, features: str = "post", batch_size: int = 4096
) -> list[Site]:
    """Moments at every site of a network in one pass over the data.

    Site i is the input of weight layer i, in order of execution, site 0 the first layer's input;
    the last site is the network's output. `features="post"` takes that input as it is, after the
    activation; "pre" takes the output of the weight layer before it, which is the same features
    before the activation in a plain chain of layers (the first site and the output have no other).

    Raises ValueError for another word, when the model has no linear or convolutional layer, when a layer runs twice,
    or when "pre" is asked of a network that is not such a chain.
    """
    if features not in FEATURES:
        raise ValueError(f"features must be one of {', '.join(FEATURES)}: got {features!r}")
    training = model.training
    model.eval()
    sites: list[Site] = []
    with recorded(model) as record:
        for start in range(0, len(x), batch_size):
            record.clear()
            output = model(x[start : start + batch_size])
            if not record:
                raise ValueError(f"{type(model).__name__} has no linear or convolutional layer, hence no site")
            batch = _features(record, features) | {OUTPUT: pool(output, channels_first=True)}
            targets = y[start : start + batch_size]
            if not sites:
                sites = _sites(model, batch, targets)
            for site, values in zip(sites, batch.values(), strict=True):
                site.moments.update(values, targets)
    model.train(training)
    return sites


def _features(record: dict[str, tuple[Tensor, Tensor]], features: str) -> dict[str, Tensor]:
    inputs = {name: pair[0] for name, pair in record.items()}
    if features == "post":
        return inputs
    before = {name: record[previous][1] for previous, name in pairwise(record)}
    for name, values in before.items():
        if values.shape != inputs[name].shape:
            raise ValueError(
                f"features before the activation exist in a chain of layers; {name!r} takes {inputs[name].shape[1]} "
                f"features but the layer before it gives {values.shape[1]}: use features='post'"
            )
    return inputs | before


def _sites(model: nn.Module, batch: dict[str, Tensor], targets: Tensor) -> list[Site]:
    modules = dict(model.named_modules())
    weights = {name: weight_matrix(modules[name]) for name in batch if name != OUTPUT}
    return [
        Site(name, weights.get(name), Moments(values.shape[1], targets.shape[1], values.device))
        for name, values in batch.items()
    ]
