"""From a configuration to a trained network, pausing at the epochs to be measured."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import MultiStepLR

from nrc_core.config import RunConfig
from nrc_core.datasets import Dataset
from nrc_core.errors import TrainingDiverged
from nrc_core.models import build_model

logger = logging.getLogger(__name__)
LOG_EVERY_SECONDS = 15.0


@dataclass
class Training:
    """A training run under way: the network and the losses so far.

    `losses` has one row an epoch: epoch, learning_rate, train_mse (mean over the batches as they
    were trained on), test_mse (the whole test set, after the epoch).
    """

    config: RunConfig
    dataset: Dataset
    model: nn.Module
    losses: list[dict[str, float]] = field(default_factory=list)


@contextmanager
def reproducible_cpu() -> Iterator[None]:
    """One thread, and denormal numbers flushed to zero.

    One thread, because sums split among threads differ in their last bits from machine to machine.
    Flushing, because too much weight decay drives weights below 1e-38, where CPU arithmetic is ten
    times slower or more; such weights are zero for every purpose.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def train(config: RunConfig, dataset: Dataset, *, device: torch.device | str = "cpu") -> Iterator[tuple[int, Training]]:
    """Train one network and yield (epoch, training) after each epoch to measure.

    SGD with momentum and L2 weight decay on the mean squared error per entry; the learning rate is
    divided by 10 after a third and two thirds of the epochs (Deep NRC paper, Appendix A).
    The data stay on the device; batches are drawn by permuting indices, the last one may be smaller.

    Raises:
        TrainingDiverged: the loss is no longer finite, naming the step.
    """
    x, y = dataset.x_train.to(device), dataset.y_train.to(device)
    x_test, y_test = dataset.x_test.to(device), dataset.y_test.to(device)
    training = Training(config, dataset, build_model(config, dataset).to(device))
    optimiser = torch.optim.SGD(
        training.model.parameters(),
        config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        fused=True,  # one pass over the weights: the same bits on a CPU, five percent sooner
    )
    milestones = [m for m in (config.epochs // 3, 2 * config.epochs // 3) if m > 0]
    schedule = MultiStepLR(optimiser, milestones, gamma=0.1)
    generator = torch.Generator().manual_seed(config.seed)
    started = logged = time.monotonic()
    for epoch in range(1, config.epochs + 1):
        rate = optimiser.param_groups[0]["lr"]
        order = torch.randperm(len(x), generator=generator).to(device)
        batch_losses = _epoch(training.model, optimiser, x, y, order.split(config.batch_size))
        _check_finite(batch_losses, epoch, rate, config)
        schedule.step()
        training.losses.append(
            {
                "epoch": epoch,
                "learning_rate": rate,
                "train_mse": batch_losses.mean().item(),
                "test_mse": evaluate(training.model, x_test, y_test),
            }
        )
        if time.monotonic() - logged > LOG_EVERY_SECONDS or epoch == config.epochs:
            logged = time.monotonic()
            logger.info(
                "%s, seed %d: epoch %d of %d, train MSE %.3g, test MSE %.3g, %.0f s",
                config.dataset, config.seed, epoch, config.epochs,
                training.losses[-1]["train_mse"], training.losses[-1]["test_mse"], logged - started,
            )  # fmt: skip
        if epoch in config.measure_epochs:
            yield epoch, training


def _epoch(
    model: nn.Module, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor, batches: tuple[Tensor, ...]
) -> Tensor:
    """One pass over the batches; their losses, read from the device once, by the caller."""
    model.train()
    losses = torch.zeros(len(batches), device=x.device)
    for step, rows in enumerate(batches):
        optimiser.zero_grad(set_to_none=True)
        loss = functional.mse_loss(model(x[rows]), y[rows])
        loss.backward()
        optimiser.step()
        losses[step] = loss.detach()
    return losses


def _check_finite(losses: Tensor, epoch: int, rate: float, config: RunConfig) -> None:
    bad = (~losses.isfinite()).nonzero()
    if len(bad):
        step = (epoch - 1) * len(losses) + int(bad[0]) + 1
        raise TrainingDiverged(
            f"{config.dataset}, seed {config.seed}: the loss became {losses[bad[0]].item()} at step {step} "
            f"(epoch {epoch}, learning rate {rate:g}): try a smaller learning_rate"
        )


@torch.no_grad()
def evaluate(model: nn.Module, x: Tensor, y: Tensor, batch_size: int = 4096) -> float:
    """Mean squared error per entry over a data set, in evaluation mode."""
    model.eval()
    pairs = zip(x.split(batch_size), y.split(batch_size), strict=True)
    return sum(functional.mse_loss(model(a), b, reduction="sum").double().item() for a, b in pairs) / y.numel()
