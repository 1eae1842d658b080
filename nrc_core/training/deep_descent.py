"""Gradient descent on deep unconstrained features models for classes, for all random starts at once."""

import math
from typing import Any

import torch
from torch import Tensor

from nrc_core.config.descent import ClassesConfig
from nrc_core.errors import TrainingDiverged

RANK_TOLERANCE = 1e-3  # singular values above this share of the largest count for a rank


def deep_descents(config: ClassesConfig) -> list[dict[str, Any]]:
    """All descents of a configuration: rows of start, quantity, index and value.

    Quantities: `loss`, the objective; `rank`, the rank of the features (index 0) and of the outputs of the weight
    `index`, before the activation; `rank_after`, the same after the activation, for all but features and last weight;
    `singular_value`, that of the output with this index over the largest. A rank counts singular values above a
    thousandth of the largest; it is 0 if all are zero.

    Raises:
        TrainingDiverged: a loss is no longer finite.
    """
    factors = _starts(config)
    for _ in range(config.iterations):
        for factor, gradient in zip(factors, _gradients(config, factors), strict=True):
            factor.sub_(gradient, alpha=config.learning_rate)
    losses = objectives(config, factors)
    if not losses.isfinite().all():
        raise TrainingDiverged(
            f"the loss of a descent is no longer finite (learning rate {config.learning_rate:g}): try a smaller "
            "learning_rate"
        )
    rows = []
    for start in range(config.starts):
        measured = _measured(config, [factor[start] for factor in factors], losses[start])
        rows += [{"start": start, **row} for row in measured]
    return rows


def objectives(config: ClassesConfig, factors: list[Tensor]) -> Tensor:
    """The objective of each start.

    Args:
        factors: H_1, W_1 to W_L, each with the starts as its first dimension.
    """
    output, targets = _signals(config, factors)[-1], _targets(config)
    if config.loss == "squared":
        errors = (output - targets).square().sum((1, 2)) / (2 * config.rows)
    else:
        errors = (output.logsumexp(1) - (output * targets).sum(1)).mean(1)
    return errors + config.decay / 2 * sum((factor.square().sum((1, 2)) for factor in factors), torch.zeros(()))


def _starts(config: ClassesConfig) -> list[Tensor]:
    """Random factors; each start has a generator of its own, so that it does not depend on the number of starts."""
    h, shapes = config.width, [(config.width, config.rows)]
    shapes += [(h, h)] * (config.depth - 1) + [(config.classes, h)]
    behind = math.sqrt(2) if config.loss == "squared" else 1.0
    scales = [config.init_scale / math.sqrt(h) * (behind if place > 1 else 1) for place in range(len(shapes))]
    drawn = []
    for start in range(config.starts):
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + start)
        drawn.append([torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes])
    return [torch.stack(each) * scale for each, scale in zip(zip(*drawn, strict=True), scales, strict=True)]


def _targets(config: ClassesConfig) -> Tensor:
    return torch.eye(config.classes, dtype=torch.float64).repeat_interleave(config.samples, dim=1)


def _signals(config: ClassesConfig, factors: list[Tensor]) -> list[Tensor]:
    """The features and the outputs of all weights, before the activation."""
    signals = factors[:1]
    for place, weight in enumerate(factors[1:]):
        active = config.loss == "squared" and place > 0
        signals.append(weight @ (signals[-1].relu() if active else signals[-1]))
    return signals


def _gradients(config: ClassesConfig, factors: list[Tensor]) -> list[Tensor]:
    """The gradients of the objective by all factors, by hand: this is several times faster than autograd here."""
    signals, targets = _signals(config, factors), _targets(config)
    output = signals[-1] if config.loss == "squared" else signals[-1].softmax(1)
    pull = (output - targets) / config.rows
    gradients = []
    for place in range(config.depth, 0, -1):
        active = config.loss == "squared" and place > 1
        read = signals[place - 1].relu() if active else signals[place - 1]
        gradients.append(pull @ read.mT + config.decay * factors[place])
        pull = factors[place].mT @ pull
        if active:
            pull = pull * (signals[place - 1] > 0)
    return [pull + config.decay * factors[0], *reversed(gradients)]


def _measured(config: ClassesConfig, factors: list[Tensor], loss: Tensor) -> list[dict[str, Any]]:
    signals = [one[0] for one in _signals(config, [factor[None] for factor in factors])]
    values = torch.linalg.svdvals(signals[-1])
    found = [("loss", 0, loss.item())]
    found += [("rank", place, float(_rank(signal))) for place, signal in enumerate(signals)]
    found += [("rank_after", place, float(_rank(signal.relu()))) for place, signal in enumerate(signals[1:-1], 1)]
    largest = values[0].item() or 1.0
    found += [("singular_value", place, value / largest) for place, value in enumerate(values.tolist())]
    return [{"quantity": name, "index": index, "value": value} for name, index, value in found]


def _rank(signal: Tensor) -> int:
    values = torch.linalg.svdvals(signal)
    return int((values > RANK_TOLERANCE * values[0]).sum())
