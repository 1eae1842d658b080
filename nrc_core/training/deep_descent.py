"""Gradient descent on deep unconstrained features models for classes, for all random starts at once."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from nrc_core.config.descent import ClassesConfig
from nrc_core.errors import TrainingDiverged
from nrc_core.theory.cross_entropy import cross_entropy_objective
from nrc_core.theory.deep_features import deep_ufm_objective
from nrc_core.theory.factors import Factors

RANK_TOLERANCE = 1e-3  # singular values above this share of the largest count for a rank


@torch.inference_mode()  # the products are so small that preparing for autograd would take much of the time
def deep_descents(config: ClassesConfig) -> list[dict[str, Any]]:
    """All descents of a configuration: rows of start, quantity, index and value.

    Quantities: `loss`, the objective; `rank`, the rank of the features (index 0) and of the outputs of the weight
    `index`, before the activation; `rank_after`, the same after the activation, for all but features and last weight;
    `singular_value`, that of the output with this index over the largest. A rank counts singular values above a
    thousandth of the largest; it is 0 if all are zero.

    Raises:
        TrainingDiverged: a loss is no longer finite.
    """
    factors, targets = _starts(config), _targets(config)
    for _ in range(config.iterations):
        for factor, gradient in zip(factors, _gradients(config, factors, targets), strict=True):
            factor.sub_(gradient, alpha=config.learning_rate)
    ends = [[factor[start] for factor in factors] for start in range(config.starts)]
    losses = [objective(config, end).item() for end in ends]
    if not all(map(math.isfinite, losses)):
        raise TrainingDiverged(
            f"{config.short_name}: the loss of a descent is no longer finite (learning rate {config.learning_rate:g}): "
            "try a smaller learning_rate"
        )
    return [
        {"start": start, "quantity": name, "index": index, "value": value}
        for start, end in enumerate(ends)
        for name, index, value in [("loss", 0, losses[start]), *_geometry(config, end)]
    ]


def objective(config: ClassesConfig, factors: Sequence[Tensor]) -> Tensor:
    """The objective of the theory for H_1, W_1 to W_L of one start."""
    given = Factors(factors[0], tuple(factors[1:]))
    of_theory = deep_ufm_objective if config.loss == "squared" else cross_entropy_objective
    return of_theory(given, decay=config.decay)


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


def _gradients(config: ClassesConfig, factors: list[Tensor], targets: Tensor) -> list[Tensor]:
    """The gradients of the objective by all factors, by hand: this is several times faster than autograd here."""
    signals = _signals(config, factors)
    output = signals[-1] if config.loss == "squared" else signals[-1].softmax(1)
    pull = (output - targets) / config.rows
    gradients = []
    for place in range(config.depth, 0, -1):
        active = config.loss == "squared" and place > 1
        read = signals[place - 1].relu() if active else signals[place - 1]
        gradients.append(torch.baddbmm(factors[place], pull, read.mT, beta=config.decay))
        pull = factors[place].mT @ pull
        if active:
            pull = pull * (signals[place - 1] > 0)
    return [pull + config.decay * factors[0], *reversed(gradients)]


def _geometry(config: ClassesConfig, factors: list[Tensor]) -> Iterator[tuple[str, int, float]]:
    """Yield the ranks and the singular values of one start: quantity, index, value."""
    signals = _signals(config, factors)
    for place, signal in enumerate(signals):
        yield "rank", place, float(_rank(signal))
        if 0 < place < config.depth:
            yield "rank_after", place, float(_rank(signal.relu()))
    values = torch.linalg.svdvals(signals[-1])
    largest = values[0].item() or 1.0
    for place, value in enumerate(values.tolist()):
        yield "singular_value", place, value / largest


def _rank(signal: Tensor) -> int:
    values = torch.linalg.svdvals(signal)
    return int((values > RANK_TOLERANCE * values[0]).sum())
