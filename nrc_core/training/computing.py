"""Training of runs, together if possible, and their measurement at the epochs of their configurations."""

import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from nrc_core.config.base import Configuration
from nrc_core.config.classification import ClassifierConfig, TransferConfig
from nrc_core.config.descent import DescentConfig
from nrc_core.config.regression import RunConfig
from nrc_core.data.dataset import Dataset
from nrc_core.data.load import load_dataset
from nrc_core.errors import ConfigError, TrainingDiverged, shown
from nrc_core.metrics.last_layer import last_layer
from nrc_core.metrics.layers import weight_matrices
from nrc_core.metrics.sites import Site
from nrc_core.metrics.table import Decomposed, decompose, input_spectra, spectra, tabulate
from nrc_core.training.checkpoints import Checkpoint, Trained, Training, checkpoint_identity
from nrc_core.training.loop import Together, reproducible_arithmetic, train_together

DEVICES = ("cpu", "cuda")  # other devices lack double precision, which all measurements need

# Kinds of features that are measured at each chosen epoch, by split of the data; see `collect`. "positions" is the
# paper's definition of NRC3 for convolutions. "pre" exists only in plain chains of layers.
VIEWS: dict[str, dict[str, tuple[str, ...]]] = {
    "mlp": {"train": ("post", "pre"), "test": ("post",)},
    "resnet": {"train": ("post", "positions"), "test": ("post",)},
}


def compute(
    configs: Sequence[Configuration],
    dataset: Dataset | None,
    *,
    device: torch.device | str | None = None,
    checkpoints: Sequence[Path | None],
    weights: Path | None = None,
) -> list[Trained]:
    """Train and measure each configuration; if a loss is no longer finite, the run has a `failure` and no tables.

    Regression runs of one shape are trained as a stack. For other kinds of runs, `configs` has only one.

    Args:
        configs: configurations of one kind, on one data set.
        dataset: None for descents without data.
        device: the device; a GPU, if the machine has one, unless given.
        checkpoints: files for the states of the trainings; if a file exists, training goes on from it. The caller
            removes them.
        weights: for a classifier, the folder for its weights; for a transfer, the file of the initial weights.
    """
    if descents := [config for config in configs if isinstance(config, DescentConfig)]:
        from nrc_core.training.descent import compute_descent

        return [compute_descent(config, dataset) for config in descents]
    assert dataset is not None
    device = chosen_device(device)
    kept = [
        None if path is None else Checkpoint(path, checkpoint_identity(config, dataset, device))
        for config, path in zip(configs, checkpoints, strict=True)
    ]
    regressions = [config for config in configs if isinstance(config, RunConfig)]
    if regressions:
        return _regressions(regressions, dataset, device, kept)
    (config,), (checkpoint,) = configs, kept
    # Imported here, since torchvision's networks take seconds to import and most runs need none of them.
    from nrc_core.training.classifier_computing import compute_classifier
    from nrc_core.training.transfer import compute_transfer

    started = time.monotonic()
    try:
        if isinstance(config, ClassifierConfig):
            return [compute_classifier(config, dataset, device=device, checkpoint=checkpoint, weights=weights)]
        assert isinstance(config, TransferConfig) and weights is not None
        validation = load_dataset(config.dataset, **config.validation_options)
        return [compute_transfer(config, dataset, validation, device=device, weights=weights)]
    except TrainingDiverged as error:
        return [Trained(config, {}, time.monotonic() - started, failure=str(error))]


def chosen_device(device: torch.device | str | None) -> torch.device:
    """The given device, or else a GPU if the machine has one, or else the CPU.

    Raises:
        ConfigError: the device is not one of `DEVICES`, or the machine does not have it.
    """
    if not device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        chosen = None
    if chosen is None or chosen.type not in DEVICES:
        raise ConfigError(f"device must be cpu, cuda or cuda:NUMBER: got {shown(str(device))}")
    there = torch.cuda.device_count() if chosen.type == "cuda" else 1
    if chosen.type == "cuda" and (chosen.index or 0) >= there:
        has = f"has {there}" if there else "has none"
        raise ConfigError(
            f"device must be one of this machine's CUDA GPUs, and it {has}: got {shown(str(device))}; leave it out for "
            "the best there is, or give cpu"
        )
    return chosen


def stack_size(config: Configuration, device: torch.device) -> int:
    """Best number of networks like this one to train together.

    Only MLPs of regression runs are trained together. A GPU trains many networks in nearly the time of one network. On
    a core of a CPU, this is true only for small networks, whose time is mainly the overhead of operations. There the
    weights of a stack should fit in the cache, about a megabyte.
    """
    if not isinstance(config, RunConfig) or config.architecture != "mlp":
        return 1
    if device.type != "cpu":
        return 64
    return max(1, 2**18 // (config.width**2 * config.depth))


def _regressions(
    configs: Sequence[RunConfig], dataset: Dataset, device: torch.device, checkpoints: Sequence[Checkpoint | None]
) -> list[Trained]:
    started = time.monotonic()
    trainings: dict[int, Training[RunConfig]] = {}  # by the `id` of their configurations
    with reproducible_arithmetic():
        for epoch, together in train_together(configs, dataset.to(device), device=device, checkpoints=checkpoints):
            measure_together(together, epoch)
            trainings |= {id(one.config): one for one in together.trainings}
    share = (time.monotonic() - started) / len(configs)
    done = [trainings[id(config)] for config in configs]
    return [
        Trained(
            one.config,
            {} if one.failure else one.tables(),
            one.seconds + share,
            stacked=len(configs),
            failure=str(one.failure or ""),
        )
        for one in done
    ]


def measure_together(together: Together, epoch: int) -> None:
    """Add measurements and spectra of the networks that are due, for every view, to `Training.kept`."""
    trainings = [together.trainings[place] for place in together.due]
    if not trainings:
        return
    config, data = trainings[0].config, trainings[0].dataset
    seen: dict[tuple[str, str], list[list[Site]]] = {}  # sites of every network, by split and kind of features
    for split, kinds in VIEWS[config.architecture].items():
        x, y = (data.x_train, data.y_train) if split == "train" else (data.x_test, data.y_test)
        collected = together.learner.collect(x, y, features=kinds)
        seen |= {(split, kind): [collected[place][kind] for place in together.due] for kind in kinds}
    inputs = input_spectra([weight_matrices(training.model) for training in trainings])
    decomposed = iter(decompose([sites for each in seen.values() for sites in each], inputs * len(seen)))
    views = [
        [_view(training.config, next(decomposed), epoch, split=split, features=kind) for training in trainings]
        for split, kind in seen
    ]
    for training, own in zip(trainings, zip(*views, strict=True), strict=True):
        training.kept[epoch] = {name: pd.concat([one[name] for one in own]) for name in ("measurements", "spectra")}
    for training, sites in zip(trainings, seen["train", "post"], strict=True):
        if training.config.last_layer and epoch == training.config.epochs:
            training.kept[epoch]["last_layer"] = last_layer(sites)


def _view(config: RunConfig, sites: list[Decomposed], epoch: int, **view: str) -> dict[str, pd.DataFrame]:
    conventions = config.conventions if epoch == config.epochs else ("careful",)
    measured = [
        tabulate(sites, rank=config.rank, convention=convention, tolerance=config.tolerance).assign(
            convention=convention, epoch=epoch, **view
        )
        for convention in conventions
    ]
    return {"measurements": pd.concat(measured), "spectra": spectra(sites).assign(epoch=epoch, **view)}
