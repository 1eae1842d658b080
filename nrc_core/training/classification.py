"""Training of a classifier from its configuration, with a pause at each iteration to measure."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nrc_core.config.classification import ClassifierConfig
from nrc_core.data.dataset import Dataset
from nrc_core.errors import ConfigError, TrainingDiverged
from nrc_core.networks.classifiers import Classifier, classifier
from nrc_core.training.checkpoints import Checkpoint, Training
from nrc_core.training.progress import Progress
from nrc_core.training.single import SingleNetwork

LOSS_ROWS = 400  # largest number of rows of losses


def build_classifier(config: ClassifierConfig, dataset: Dataset) -> Classifier:
    """The untrained network of a run; the same seed always gives the same weights.

    Raises:
        ConfigError: the data are not images in classes, or the network cannot take them.
    """
    if dataset.classes is None or not dataset.images:
        raise ConfigError(f"a classifier takes images in classes, and {dataset.name!r} are not: use a regression run")
    height, width = dataset.x_train.shape[2:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return classifier(
            config.architecture,
            depth=config.depth,
            width=config.width,
            channels=dataset.input_dim,
            image_size=(height, width),
            classes=dataset.target_dim,
            stem=config.stem,
            pixel_mean=dataset.pixel_mean or (),
            pixel_spread=dataset.pixel_spread or (),
        )


def train_classifier(
    config: ClassifierConfig,
    dataset: Dataset,
    *,
    device: torch.device | str = "cpu",
    checkpoint: Checkpoint | None = None,
    model: Classifier | None = None,
) -> Iterator[tuple[int, Training[ClassifierConfig]]]:
    """Train one classifier and yield (iteration, training) after each iteration to measure.

    The optimiser is SGD with momentum and L2 weight decay. The learning rate of iteration s = 0, 1, ... of S is
    ``(1 + cos(pi s / S)) / 2`` times the first learning rate. In each epoch, batches are drawn without replacement
    until all samples are used; the last batch of an epoch may be smaller. Training ends after the last iteration, or
    at the end of the first epoch whose mean loss is at most `stop_loss`. It also yields at its end.

    `Training.losses` has at most `LOSS_ROWS` rows of iteration, learning_rate, batch_loss and batch_error. The last two
    are the mean loss and the share of errors over the batches since the last row, each batch before its update.

    Args:
        checkpoint: if its file exists, training goes on from it and yields the remaining iterations.
        model: network to start from, instead of `build_classifier`.

    Raises:
        TrainingDiverged: the loss is no longer finite; the message names the iteration.
    """
    data = dataset.to(device)
    run = _Run.begin(Training(config, data, (model or build_classifier(config, data)).to(device), checkpoint))
    started, who = time.monotonic(), f"{config.dataset}, seed {config.seed}"
    with closing(Progress(who, "iteration", config.last, run.iteration)) as progress:
        while not run.ended:
            run.step()
            training, row = run.training, run.iteration % run.row_every == 0 or run.ended
            if row or run.iteration in config.times:
                run.add_losses(row=row)
            progress.tell(run.iteration, run.state_in_words, ended=run.ended)
            if run.iteration in config.times or run.ended:
                yield run.iteration, training
            if checkpoint and not run.ended and checkpoint.due():
                run.add_losses(row=False)
                training.write(run.iteration, run.state(), time.monotonic() - started)


@dataclass
class _Run:
    """State of a training: all that the next step depends on."""

    training: Training[ClassifierConfig]
    network: SingleNetwork
    order: Tensor  # order of the rows in this epoch
    row_every: int
    iteration: int = 0
    factor: float = 1.0  # learning rate of the last step over the first learning rate
    used: int = 0  # number of rows of this epoch that were trained on
    ended: bool = False
    epoch_loss: float = 0.0  # sum over the samples of this epoch whose loss was read from the device
    window: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # losses, errors, samples of this row
    pending: list[tuple[Tensor, Tensor, int]] = field(default_factory=list)  # losses still on the device

    @classmethod
    def begin(cls, training: Training[ClassifierConfig]) -> _Run:
        """State at the start, or at the checkpoint."""
        config = training.config
        row_every = math.ceil(config.last / LOSS_ROWS)
        network = SingleNetwork(
            training.model, rate=config.learning_rate, weight_decay=config.weight_decay, momentum=config.momentum
        )
        if training.learnt is None:
            order = torch.randperm(len(training.dataset.x_train), generator=training.generator)
            return cls(training, network, order, row_every)
        state = training.learnt
        network.restore(0, state.pop("network"))
        return cls(training, network, row_every=row_every, iteration=training.done, **state)

    def step(self) -> None:
        """Train on one batch."""
        config, data = self.training.config, self.training.dataset
        self.factor = (1 + math.cos(math.pi * self.iteration / config.iterations)) / 2
        self.network.scale_rates(self.factor)
        rows = self.order[self.used : self.used + config.batch_size].to(data.x_train.device)
        targets = data.y_train[rows]
        self.training.model.train()
        with self.dropout():
            loss, logits = self.network.step(data.x_train[rows], targets, partial(_loss, config))
        self.iteration, self.used = self.iteration + 1, self.used + len(rows)
        wrong = (logits.argmax(1) != targets.argmax(1)).sum()
        self.pending.append((loss, wrong, len(rows)))
        self.ended = self.iteration == config.last
        if self.used >= len(self.order):
            self._end_epoch()

    @contextmanager
    def dropout(self) -> Iterator[None]:
        """Seed the dropout of this batch by only the seed and the iteration."""
        if not any(isinstance(layer, nn.Dropout) for layer in self.training.model.modules()):
            yield
            return
        device = self.training.dataset.x_train.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.training.config.seed * 1_000_003 + self.iteration)
            yield

    def _end_epoch(self) -> None:
        stop = self.training.config.stop_loss
        if stop is not None:
            self.add_losses(row=False)
            self.ended = self.ended or self.epoch_loss / len(self.order) <= stop
        self.epoch_loss, self.used = 0.0, 0
        self.order = torch.randperm(len(self.order), generator=self.training.generator)

    def add_losses(self, *, row: bool) -> None:
        """Read the losses of the last iterations from the device; with `row`, add a row to the table of losses."""
        for loss, wrong, count in self.pending:
            value = loss.item()
            self.window = [a + b for a, b in zip(self.window, (value * count, wrong.item(), count), strict=True)]
            self.epoch_loss += value * count
        self.pending = []
        config, (losses, errors, samples) = self.training.config, self.window
        if not math.isfinite(losses):
            raise TrainingDiverged(
                f"{config.dataset}, seed {config.seed}: the loss is no longer finite at iteration {self.iteration} "
                f"(learning rate {config.learning_rate:g}): try a smaller learning_rate"
            )
        if row and samples:
            self.training.losses.append(
                {
                    "iteration": self.iteration,
                    "learning_rate": config.learning_rate * self.factor,
                    "batch_loss": losses / samples,
                    "batch_error": errors / samples,
                }
            )
            self.window = [0.0, 0.0, 0.0]

    def state_in_words(self) -> str:
        """The loss of the last batch, in words."""
        loss = self.pending[-1][0].item() if self.pending else self.training.losses[-1]["batch_loss"]
        return f"loss {loss:.3g}"

    def state(self) -> dict[str, Any]:
        """Values that the next step depends on and that `training` does not have."""
        return {
            "used": self.used,
            "order": self.order,
            "epoch_loss": self.epoch_loss,
            "window": self.window,
            "network": self.network.state(0),
        }


def _loss(config: ClassifierConfig, logits: Tensor, targets: Tensor) -> Tensor:
    if config.loss == "mse":
        return functional.mse_loss(logits, targets)
    return functional.cross_entropy(logits, targets, label_smoothing=config.label_smoothing)
