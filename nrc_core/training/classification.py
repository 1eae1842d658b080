"""Training of a classifier from its configuration, with a pause at each iteration to measure."""

import math
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from nrc_core.config.classification import ClassifierConfig
from nrc_core.data.dataset import Dataset
from nrc_core.errors import ConfigError, TrainingDiverged
from nrc_core.networks.classifiers import Classifier, classifier
from nrc_core.training.checkpoints import Checkpoint, Training
from nrc_core.training.progress import Progress
from nrc_core.training.single import Loss, SingleNetwork

LOSS_ROWS = 400  # largest number of rows of losses
SINCE_ROW, SINCE_EPOCH = 0, 1  # the rows of `_Run.sums`: since the last row of the table of losses, and in this epoch


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
    training = Training(config, data, (model or build_classifier(config, data)).to(device), checkpoint)
    run, row_every, started = _Run(training), math.ceil(config.last / LOSS_ROWS), time.monotonic()
    with closing(Progress(config.short_name, config.CLOCK, config.last, run.iteration, config.times)) as progress:
        while not run.ended:
            run.step()
            measured = run.ended or run.iteration in config.times
            if run.ended or run.iteration % row_every == 0:
                run.add_row()
            elif measured:
                run.check_loss()
            progress.tell(run.iteration, run.state_in_words, ended=run.ended)
            if measured:
                yield run.iteration, training
            if checkpoint and not run.ended and checkpoint.due():
                run.check_loss()
                training.write(run.iteration, run.state(), time.monotonic() - started)


class _Run:
    """A training after some iterations, with all that its next step depends on.

    The sums of the losses stay on the device until they are needed, so that a GPU does not wait for the host.
    """

    def __init__(self, training: Training[ClassifierConfig]):
        config, x = training.config, training.dataset.x_train
        self.training, self.iteration, self.ended = training, training.done, False
        self.network = SingleNetwork(
            training.model, rate=config.learning_rate, weight_decay=config.weight_decay, momentum=config.momentum
        )
        self.drops_units = any(isinstance(layer, nn.Dropout) for layer in training.model.modules())
        smoothed = partial(functional.cross_entropy, label_smoothing=config.label_smoothing)
        self.loss_of: Loss = functional.mse_loss if config.loss == "mse" else smoothed
        self.order = torch.empty(0, dtype=torch.long)  # rows that are still to be used in this epoch
        self.sums = torch.zeros(2, 3, dtype=torch.float64, device=x.device)  # sums of losses, errors and samples
        if training.learnt is not None:
            self.network.restore(0, training.learnt["network"])
            self.order, self.sums = training.learnt["order"], training.learnt["sums"].to(x.device)

    def step(self) -> None:
        """Train on one batch."""
        config, data = self.training.config, self.training.dataset
        if len(self.order) == 0:
            self.order = torch.randperm(len(data.x_train), generator=self.training.generator)
            self.sums[SINCE_EPOCH] = 0
        self.factor = (1 + math.cos(math.pi * self.iteration / config.iterations)) / 2
        self.network.scale_rates(self.factor)
        rows = self.order[: config.batch_size].to(data.x_train.device)
        targets = data.y_train[rows]
        self.training.model.train()
        devices = [data.x_train.device] if data.x_train.is_cuda else []
        with torch.random.fork_rng(devices, enabled=self.drops_units):
            if self.drops_units:  # the seed and the iteration alone decide which units
                torch.manual_seed(config.seed * 1_000_003 + self.iteration)
            self.loss, logits = self.network.step(data.x_train[rows], targets, self.loss_of)
        self.sums[:, 0] += self.loss.double() * len(rows)
        self.sums[:, 1] += (logits.argmax(1) != targets.argmax(1)).sum()
        self.sums[:, 2] += len(rows)
        self.iteration, self.order = self.iteration + 1, self.order[config.batch_size :]
        self.ended = self.iteration == config.last
        if len(self.order) == 0 and config.stop_loss is not None:
            self.check_loss()
            losses, _, samples = self.sums[SINCE_EPOCH].tolist()
            self.ended = self.ended or losses / samples <= config.stop_loss

    def check_loss(self) -> None:
        """Raise TrainingDiverged unless all losses since the last row are finite."""
        if not self.sums[SINCE_ROW].isfinite().all():
            raise diverged(self.training.config, "loss", self.iteration)

    def add_row(self) -> None:
        """Add a row to the table of losses."""
        self.check_loss()
        losses, errors, samples = self.sums[SINCE_ROW].tolist()
        self.training.losses.append(
            {
                "iteration": self.iteration,
                "learning_rate": self.training.config.learning_rate * self.factor,
                "batch_loss": losses / samples,
                "batch_error": errors / samples,
            }
        )
        self.sums[SINCE_ROW] = 0

    def state_in_words(self) -> str:
        """The loss of the last batch, in words."""
        return f"loss {self.loss.item():.3g}"

    def state(self) -> dict[str, Any]:
        """Values that the next step depends on and that `training` does not have."""
        return {"order": self.order, "sums": self.sums, "network": self.network.state(0)}


def diverged(config: ClassifierConfig, what: str, iteration: int) -> TrainingDiverged:
    """The error for a loss or a network that is no longer finite."""
    return TrainingDiverged(
        f"{config.short_name}: the {what} is no longer finite at iteration {iteration} "
        f"(learning rate {config.learning_rate:g}): try a smaller learning_rate"
    )
