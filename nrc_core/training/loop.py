"""Training of networks from their configurations, with a pause at each epoch to measure."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nrc_core.config.regression import RunConfig, step_decay
from nrc_core.data.dataset import Dataset
from nrc_core.errors import TrainingDiverged
from nrc_core.networks.build import MLP, build_model
from nrc_core.training.checkpoints import Checkpoint, Training
from nrc_core.training.progress import Progress
from nrc_core.training.single import SingleNetwork
from nrc_core.training.stacked import StackedMLP

Learner = StackedMLP | SingleNetwork


@dataclass(frozen=True)
class Together:
    """Runs of a stack at an epoch: all runs, their learner, and the positions (`due`) of the runs to measure now."""

    trainings: list[Training[RunConfig]]
    learner: Learner
    due: list[int]


@contextmanager
def reproducible_arithmetic() -> Iterator[None]:
    """Use one thread, flush denormal numbers to zero, and use true single precision on a GPU.

    One thread: sums that are split among threads differ in their last bits from machine to machine.
    Flushing: too much weight decay drives weights below 1e-38, where CPU arithmetic is ten times slower or more; such
    weights are zero for every purpose. True single precision: by default, convolutions on a GPU round their inputs
    to ten bits (TF32).
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
) -> Iterator[tuple[int, Training[RunConfig]]]:
    """Train one network and yield (epoch, training) after each epoch to measure.

    The optimiser is SGD with momentum and L2 weight decay on the mean squared error per entry. The learning rate is
    divided by 10 after a third and two thirds of the epochs (Deep NRC paper, Appendix A).
    The data stay on the device. Batches are drawn by permuting indices; the last batch may be smaller.
    If the file of `checkpoint` exists, training goes on from it and yields the remaining epochs.

    Raises:
        TrainingDiverged: the loss is no longer finite; the message names the step.
    """
    for epoch, together in train_together([config], dataset, device=device, checkpoints=[checkpoint]):
        (training,) = together.trainings
        if training.failure:
            raise training.failure
        yield epoch, training


def train_together(
    configs: Sequence[RunConfig],
    dataset: Dataset,
    *,
    device: torch.device | str = "cpu",
    checkpoints: Sequence[Checkpoint | None] | None = None,
) -> Iterator[tuple[int, Together]]:
    """Train several networks at once, each as `train` does; only their `RunConfig.SHARED` fields must be the same.

    Networks of one shape are trained as a stack. Each network gets the same numbers as alone, except for rounding.
    A run whose loss is no longer finite has a `failure` and is not measured again; the other runs go on. If the
    checkpoints of the runs are of different epochs, there is one stack for each of these epochs.

    Raises:
        ValueError: configurations differ in a shared field, or there are several networks that are not MLPs.
    """
    if len({config.stack_key() for config in configs}) > 1:
        raise ValueError(f"networks are trained together that have in common {', '.join(RunConfig.SHARED)}")
    data = dataset.to(device)
    kept = checkpoints or [None] * len(configs)
    trainings = [
        Training(config, data, build_model(config, data).to(device), one)
        for config, one in zip(configs, kept, strict=True)
    ]
    for done in sorted({training.done for training in trainings}):
        yield from _train([training for training in trainings if training.done == done], data, done)


def _train(trainings: list[Training[RunConfig]], data: Dataset, done: int) -> Iterator[tuple[int, Together]]:
    """Train runs that have all done `done` epochs, until their end."""
    config = trainings[0].config
    learner, going, started = _learner(trainings), list(range(len(trainings))), time.monotonic()
    who = config.short_name if len(trainings) == 1 else f"{config.dataset}, {len(trainings)} networks"
    measured = {epoch for one in trainings for epoch in one.config.times}
    with closing(Progress(who, config.CLOCK, config.epochs, done, measured)) as progress:
        for epoch in range(done + 1, config.epochs + 1):
            factor = step_decay(epoch, config.epochs)
            learner.scale_rates(factor)
            orders = [torch.randperm(len(data.x_train), generator=one.generator) for one in trainings]
            losses = learner.epoch(
                data.x_train, data.y_train, torch.stack(orders).to(data.x_train.device), config.batch_size
            ).cpu()
            errors = learner.evaluate(data.x_test, data.y_test)
            for training, batch_losses, error in zip(trainings, losses, errors, strict=True):
                training.failure = training.failure or _failure(training.config, batch_losses, epoch, factor)
                training.losses.append(
                    {
                        "epoch": epoch,
                        "learning_rate": training.config.learning_rate * factor,
                        "train_mse": batch_losses.mean().item(),
                        "test_mse": error,
                    }
                )
            before, going = going, [i for i, one in enumerate(trainings) if not one.failure]
            if going:
                progress.tell(epoch, partial(_state, [trainings[i] for i in going]))
            due = [i for i in going if epoch in trainings[i].config.times]
            if due or len(going) < len(before):
                yield epoch, Together(trainings, learner, due)
            if not going:
                return
            if epoch < config.epochs and any(one.checkpoint and one.checkpoint.due() for one in trainings):
                for i, training in enumerate(trainings):
                    training.write(epoch, learner.state(i), (time.monotonic() - started) / len(trainings))


def _learner(trainings: list[Training[RunConfig]]) -> Learner:
    configs, networks = [one.config for one in trainings], [one.model for one in trainings]
    common: dict[str, Any] = {"momentum": configs[0].momentum, "mixed": configs[0].precision == "bfloat16"}
    rates, weight_decays = [c.learning_rate for c in configs], [c.weight_decay for c in configs]
    learner: Learner
    if mlps := [network for network in networks if isinstance(network, MLP)]:
        learner = StackedMLP(mlps, rates=rates, weight_decays=weight_decays, **common)
    elif len(networks) > 1:
        raise ValueError(f"only MLPs are trained together: got {len(networks)} {configs[0].architecture} networks")
    else:
        learner = SingleNetwork(networks[0], rate=rates[0], weight_decay=weight_decays[0], **common)
    for number, training in enumerate(trainings):
        if training.learnt is not None:
            learner.restore(number, training.learnt)
    return learner


def _state(trainings: list[Training[RunConfig]]) -> str:
    train, test = ([one.losses[-1][name] for one in trainings] for name in ("train_mse", "test_mse"))
    return f"train MSE {_span(train)}, test MSE {_span(test)}"


def _span(values: list[float]) -> str:
    least, most = min(values), max(values)
    return f"{least:.3g}" if least == most else f"{least:.3g} to {most:.3g}"


def _failure(config: RunConfig, losses: Tensor, epoch: int, factor: float) -> TrainingDiverged | None:
    """The error if a loss of this epoch is not finite."""
    bad = (~losses.isfinite()).nonzero()
    if len(bad) == 0:
        return None
    step = (epoch - 1) * len(losses) + int(bad[0]) + 1
    return TrainingDiverged(
        f"{config.short_name}: the loss became {losses[bad[0]].item()} at step {step} "
        f"(epoch {epoch}, learning rate {config.learning_rate * factor:g}): try a smaller learning_rate"
    )
