"""From a configuration to a trained network, pausing at the epochs to be measured."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import MultiStepLR

from nrc_core.checkpoints import Checkpoint, packed, unpacked
from nrc_core.config import RunConfig
from nrc_core.datasets import Dataset
from nrc_core.errors import TrainingDiverged
from nrc_core.models import build_model
from nrc_core.moments import rows_at_once

logger = logging.getLogger(__name__)
LOG_EVERY_SECONDS = 15.0


@dataclass
class Training:
    """A training run under way: the network and the losses so far.

    `losses` has one row an epoch: epoch, learning_rate, train_mse (mean over the batches as they
    were trained on), test_mse (the whole test set, after the epoch). `kept` is for whoever consumes
    `train`: tables by epoch that are to survive with the checkpoints. `seconds` were spent before the
    last start.
    """

    config: RunConfig
    dataset: Dataset
    model: nn.Module
    losses: list[dict[str, float]] = field(default_factory=list)
    kept: dict[int, dict[str, pd.DataFrame]] = field(default_factory=dict)
    seconds: float = 0.0


@contextmanager
def reproducible_arithmetic() -> Iterator[None]:
    """One thread, denormal numbers flushed to zero, and true single precision on a GPU.

    One thread, because sums split among threads differ in their last bits from machine to machine.
    Flushing, because too much weight decay drives weights below 1e-38, where CPU arithmetic is ten
    times slower or more; such weights are zero for every purpose. By default convolutions on a GPU
    round their inputs to ten bits (TF32).
    """
    threads, short = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = short
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def train(
    config: RunConfig,
    dataset: Dataset,
    *,
    device: torch.device | str = "cpu",
    checkpoint: Checkpoint | None = None,
) -> Iterator[tuple[int, Training]]:
    """Train one network and yield (epoch, training) after each epoch to measure.

    SGD with momentum and L2 weight decay on the mean squared error per entry; the learning rate is
    divided by 10 after a third and two thirds of the epochs (Deep NRC paper, Appendix A).
    The data stay on the device; batches are drawn by permuting indices, the last one may be smaller.
    With a checkpoint, training goes on from it if there is one, and yields what is left.

    Raises:
        TrainingDiverged: the loss is no longer finite, naming the step.
    """
    data = dataset.to(device)
    run = _Run.begin(config, data, device)
    done = run.restore(checkpoint) if checkpoint else 0
    training, optimiser = run.training, run.optimiser
    started = logged = time.monotonic()
    for epoch in range(done + 1, config.epochs + 1):
        rate = optimiser.param_groups[0]["lr"]
        order = torch.randperm(len(data.x_train), generator=run.generator).to(device)
        batch_losses = _epoch(training, optimiser, order.split(config.batch_size))
        _check_finite(batch_losses, epoch, rate, config)
        run.schedule.step()
        training.losses.append(
            {
                "epoch": epoch,
                "learning_rate": rate,
                "train_mse": batch_losses.mean().item(),
                "test_mse": evaluate(training.model, data.x_test, data.y_test),
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
        if checkpoint and epoch < config.epochs and checkpoint.due():
            checkpoint.write(run.state(epoch, time.monotonic() - started))


@dataclass
class _Run:
    """All that the next step of a training run depends on."""

    training: Training
    optimiser: torch.optim.Optimizer
    schedule: MultiStepLR
    generator: torch.Generator  # of the order of the batches

    @classmethod
    def begin(cls, config: RunConfig, data: Dataset, device: torch.device | str) -> _Run:
        """At the initial weights."""
        training = Training(config, data, build_model(config, data).to(device))
        optimiser = torch.optim.SGD(
            training.model.parameters(),
            config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=True,  # one pass over the weights: the same bits on a CPU, five percent sooner
        )
        milestones = [m for m in (config.epochs // 3, 2 * config.epochs // 3) if m > 0]
        schedule = MultiStepLR(optimiser, milestones, gamma=0.1)
        return cls(training, optimiser, schedule, torch.Generator().manual_seed(config.seed))

    def state(self, epoch: int, seconds: float) -> dict[str, Any]:
        """After an epoch, as a checkpoint holds it."""
        training = self.training
        kept = {
            number: {name: packed(table) for name, table in tables.items()} for number, tables in training.kept.items()
        }
        return {
            "epoch": epoch,
            "seconds": training.seconds + seconds,
            "model": training.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": {"last_epoch": self.schedule.last_epoch},
            "generator": self.generator.get_state(),
            "losses": training.losses,
            "kept": kept,
        }

    def restore(self, checkpoint: Checkpoint) -> int:
        """Take up the state of a checkpoint; the number of epochs done, 0 if there is none that serves."""
        state, training = checkpoint.read(), self.training
        if state is None:
            return 0
        wanted = {epoch for epoch in training.config.measure_epochs if epoch <= state["epoch"]}
        if not wanted <= set(state["kept"]):
            logger.warning("checkpoint %s lacks epochs that are to be measured: starting afresh", checkpoint.path)
            return 0
        training.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.last_epoch = state["schedule"]["last_epoch"]
        self.generator.set_state(state["generator"])
        training.losses, training.seconds = state["losses"], state["seconds"]
        training.kept = {
            number: {name: unpacked(table) for name, table in state["kept"][number].items()} for number in wanted
        }
        logger.info(
            "%s, seed %d: going on from epoch %d", training.config.dataset, training.config.seed, state["epoch"]
        )
        return int(state["epoch"])


def _epoch(training: Training, optimiser: torch.optim.Optimizer, batches: tuple[Tensor, ...]) -> Tensor:
    """One pass over the batches; their losses, read from the device once, by the caller."""
    model, x, y = training.model, training.dataset.x_train, training.dataset.y_train
    mixed = training.config.precision == "bfloat16"
    model.train()
    losses = torch.zeros(len(batches), device=x.device)
    for step, rows in enumerate(batches):
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=mixed):
            predictions = model(x[rows])
        loss = functional.mse_loss(predictions.float(), y[rows])
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
def evaluate(model: nn.Module, x: Tensor, y: Tensor, batch_size: int | None = None) -> float:
    """Mean squared error per entry over a data set, in evaluation mode."""
    model.eval()
    size = batch_size or rows_at_once(x)
    pairs = zip(x.split(size), y.split(size), strict=True)
    return sum(functional.mse_loss(model(a), b, reduction="sum").double().item() for a, b in pairs) / y.numel()
