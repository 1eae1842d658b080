"""Training of small residual networks with normalised features, and the measurement of their collapse at the end."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nrc_core.config.residual import ATTENTION, ONE_MAP, TWO_MAPS, ResidualConfig
from nrc_core.data.dataset import Dataset
from nrc_core.errors import ConfigError, TrainingDiverged
from nrc_core.metrics.class_moments import ClassMoments
from nrc_core.metrics.classes import duality, frame, variability, variance_ratio

Value = tuple[str, int, float]  # quantity, index, value
MAPS = {ONE_MAP: 1, TWO_MAPS: 2, ATTENTION: 4}  # weights of a block, each (h, h)
POOLED = 4  # pixels in each direction that are averaged for tokens
SMALL = 1e-12  # added to the variance in LayerNorm, so that lengths are at most one


@dataclass(frozen=True)
class Network:
    """The weights of a residual network.

    Attributes:
        block: one of `nrc_core.config.residual.BLOCKS`.
        maps: (L, maps of a block, h, h); with attention those of queries, keys and values, then that after the ReLU.
        head: (K, h).
    """

    block: str
    maps: Tensor
    head: Tensor

    def features(self, inputs: Tensor) -> Tensor:
        """The features of length one before the head, (n, h).

        Args:
            inputs: (n, h), or with attention (n, tokens, h); then tokens are averaged after the last block.
        """
        h = inputs
        add = ADDED[self.block]
        for maps in self.maps.unbind():
            h = add(h, *maps.unbind())
        return layer_norm(h.mean(1) if self.block == ATTENTION else h)

    def double(self) -> "Network":
        """The same weights in double precision."""
        return Network(self.block, self.maps.detach().double(), self.head.detach().double())


def layer_norm(h: Tensor) -> Tensor:
    """LayerNorm without weights, to length one: the coordinates minus their mean, over the length of the result."""
    return functional.layer_norm(h, h.shape[-1:], eps=SMALL) / math.sqrt(h.shape[-1])


def _one_map(h: Tensor, w: Tensor) -> Tensor:
    return h + layer_norm(h).relu() @ w.T


def _two_maps(h: Tensor, w: Tensor, v: Tensor) -> Tensor:
    return h + (layer_norm(h) @ w.T).relu() @ v.T


def _attention(h: Tensor, query: Tensor, key: Tensor, value: Tensor, w: Tensor) -> Tensor:
    """One head of attention, then one map for every token. Scores are as with LayerNorm to the usual length sqrt(h)."""
    u = layer_norm(h)
    scores = math.sqrt(h.shape[-1]) * (u @ query.T) @ (u @ key.T).mT
    return _one_map(h + scores.softmax(-1) @ (u @ value.T), w)


ADDED: dict[str, Callable[..., Tensor]] = {ONE_MAP: _one_map, TWO_MAPS: _two_maps, ATTENTION: _attention}


def residual(config: ResidualConfig, dataset: Dataset) -> list[dict[str, Any]]:
    """Train one network and measure it: rows of start (always 0), quantity, index (always 0) and value.

    Quantities of the training pictures at the end, in double precision: `loss`, the objective ``cross entropy + decay /
    2 sum of squares of all weights``; its parts `cross_entropy`, `block_decay` and `head_decay`; `gradient`, the norm
    of its gradient; `head_norm`, the Frobenius norm of the head; `error`, the share of wrong answers. Of the features
    of length one before the head: `variance_ratio`, that of `nrc_core.metrics.classes.train_variance`, which is the
    trace of the covariance within classes over that of the class means; `nc1`; `nc2_norms` and `nc2_angles`; `nc3`;
    see `nrc_core.metrics.classes`.

    Raises:
        ConfigError: the data set has no images in classes, or lacks a digit, or the width does not fit it.
        TrainingDiverged: the loss is no longer finite.
    """
    inputs, labels = task(config, dataset)
    network = _trained(config, inputs.float(), labels)
    values = _measured(config, network.double(), inputs, labels)
    loss = next(values)
    if not math.isfinite(loss[2]):
        raise TrainingDiverged(
            f"{config.short_name}: the loss is no longer finite with {config.depth} blocks (learning rate "
            f"{config.learning_rate:g}): try a smaller learning_rate"
        )
    return [{"start": 0, "quantity": name, "index": index, "value": value} for name, index, value in (loss, *values)]


def task(config: ResidualConfig, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """The inputs of the network in double precision, and their labels from 0 to K - 1.

    Without attention, the inputs are the first principal components of the training pictures. With attention, a token
    is a row of a picture of a quarter of the size: its pixels minus those of the mean picture, then a one for its
    place, then zeros. Both are divided by one number, so that the mean squared length of components or pixels is one.

    Raises:
        ConfigError: as `residual`.
    """
    if dataset.classes is None or not dataset.images:
        raise ConfigError(f"residual networks here need images in classes: {dataset.name!r} has none, use mnist")
    if absent := [digit for digit in config.digits if digit >= len(dataset.classes)]:
        raise ConfigError(f"{dataset.name!r} has the classes 0 to {len(dataset.classes) - 1}: got {absent[0]}")
    numbers = dataset.y_train.argmax(1)
    places = torch.isin(numbers, torch.tensor(config.digits)).nonzero().squeeze(1)
    labels = torch.tensor([config.digits.index(number) for number in numbers[places].tolist()])
    pictures = dataset.x_train[places].double()
    return (_tokens if config.block == ATTENTION else _components)(pictures, config.width), labels


def _components(pictures: Tensor, width: int) -> Tensor:
    from sklearn.decomposition import PCA  # takes a second to import

    rows = pictures.flatten(1)
    if width > min(rows.shape):
        raise ConfigError(f"width must be at most {min(rows.shape)}, the number of principal components: got {width}")
    return _scaled(torch.from_numpy(PCA(width, svd_solver="full").fit_transform(rows.numpy())))


def _tokens(pictures: Tensor, width: int) -> Tensor:
    rows = functional.avg_pool2d(pictures - pictures.mean(0), POOLED)
    pixels = _scaled(rows.movedim(1, 2).flatten(2))
    n, tokens, known = pixels.shape
    if width < known + tokens:
        raise ConfigError(f"width must be at least {known + tokens}, for pixels and places of a row: got {width}")
    places = torch.eye(tokens, dtype=pixels.dtype).expand(n, -1, -1)
    return functional.pad(torch.cat([pixels, places], 2), (0, width - known - tokens))


def _scaled(vectors: Tensor) -> Tensor:
    return vectors / vectors.square().sum(-1).mean().sqrt()


def _trained(config: ResidualConfig, inputs: Tensor, labels: Tensor) -> Network:
    network = start_weights(config)
    weights = [network.maps.requires_grad_(), network.head.requires_grad_()]
    # This weight decay of Adam is that of the objective: it is added to the gradient.
    optimiser = torch.optim.Adam(weights, lr=config.learning_rate, weight_decay=config.paid_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.iterations)
    for _ in range(config.iterations):
        optimiser.zero_grad()
        _cross_entropy(network, inputs, labels).backward()
        optimiser.step()
        schedule.step()
    return network


def start_weights(config: ResidualConfig) -> Network:
    """Random weights: the sum over all blocks of what they add has the same size for every depth."""
    generator = torch.Generator().manual_seed(config.seed)
    h, maps = config.width, MAPS[config.block]
    drawn = torch.randn((config.depth, maps, h, h), generator=generator) / math.sqrt(h)
    scales = torch.full((maps, 1, 1), config.depth**-0.5 if config.block == TWO_MAPS else 1 / config.depth)
    if config.block == ATTENTION:
        scales[:2] = config.depth**-0.5  # queries and keys: two maps whose product counts
    head = torch.randn((len(config.digits), h), generator=generator) / math.sqrt(h)
    return Network(config.block, drawn * scales, head)


def _cross_entropy(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(network.features(inputs) @ network.head.T, labels)


def _measured(config: ResidualConfig, network: Network, inputs: Tensor, labels: Tensor) -> Iterator[Value]:
    """Yield the quantities at the end; the first is the loss, and the others need that it is finite."""
    decay, weights = config.paid_decay / 2, [network.maps.requires_grad_(), network.head.requires_grad_()]
    parts = [_cross_entropy(network, inputs, labels), *(decay * one.square().sum() for one in weights)]
    loss = torch.stack(parts).sum()
    gradient = torch.cat([one.flatten() for one in torch.autograd.grad(loss, weights)])
    names = ("loss", "cross_entropy", "block_decay", "head_decay", "gradient", "head_norm")
    with torch.no_grad():
        features, head = network.features(inputs), network.head
        for name, value in zip(names, (loss, *parts, gradient.norm(), head.norm()), strict=True):
            yield name, 0, value.item()
        yield "error", 0, ((features @ head.T).argmax(1) != labels).double().mean().item()
        moments = ClassMoments.of(features, labels, len(head))
        yield "variance_ratio", 0, variance_ratio(moments)
        yield "nc1", 0, variability(moments)
        norms, angles = frame(moments)
        yield "nc2_norms", 0, norms
        yield "nc2_angles", 0, angles
        yield "nc3", 0, duality(moments, head)
