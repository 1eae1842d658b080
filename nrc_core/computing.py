"""One run from its configuration: trained, and measured at the epochs it asks for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from nrc_core.checkpoints import Checkpoint
from nrc_core.classifier_computing import compute_classifier
from nrc_core.classifier_config import ClassifierConfig, TransferConfig
from nrc_core.config import Configuration, RunConfig
from nrc_core.datasets import Dataset
from nrc_core.measurement import decompose, input_spectra, spectra, tabulate
from nrc_core.moments import collect_each
from nrc_core.provenance import checkpoint_identity, describe_run
from nrc_core.training import Training, reproducible_arithmetic, train
from nrc_core.transfer import compute_transfer

# What is measured at each chosen epoch, by split of the data: kinds of features, see `collect`. "positions"
# is the paper's reading of NRC3 for convolutions; "pre" exists in plain chains of layers only.
VIEWS: dict[str, dict[str, tuple[str, ...]]] = {
    "mlp": {"train": ("post", "pre"), "test": ("post",)},
    "resnet": {"train": ("post", "positions"), "test": ("post",)},
}


def compute(
    config: Configuration,
    dataset: Dataset,
    *,
    device: torch.device | str | None = None,
    checkpoint: Path | None = None,
    weights: Path | None = None,
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables of a run of any kind, as `TABLES` names them, and its provenance.

    Args:
        device: a GPU where there is one, unless given.
        checkpoint: a file to keep the state in, and to go on from if it is there; the caller removes it.
        weights: of a classifier, the folder to keep its weights in; of a transfer, the file to start from.

    Raises:
        TrainingDiverged: the loss is no longer finite.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if isinstance(config, ClassifierConfig):
        return compute_classifier(config, dataset, device=device, checkpoint=checkpoint, weights=weights)
    if isinstance(config, TransferConfig) and weights is not None:
        return compute_transfer(config, dataset, device=device, weights=weights)
    assert isinstance(config, RunConfig)
    return _compute_regression(config, dataset, device, checkpoint)


def _compute_regression(
    config: RunConfig, dataset: Dataset, device: torch.device, checkpoint: Path | None
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    started = time.monotonic()
    kept = None if checkpoint is None else Checkpoint(checkpoint, checkpoint_identity(config, dataset, device))
    with reproducible_arithmetic():
        for epoch, training in train(config, dataset.to(device), device=device, checkpoint=kept):
            training.kept[epoch] = _measure(training, epoch)
    tables = {
        name: pd.concat([one[name] for _, one in sorted(training.kept.items())]) for name in ("measurements", "spectra")
    }
    tables["losses"] = pd.DataFrame(training.losses)
    seconds = training.seconds + time.monotonic() - started
    return tables, describe_run(config, dataset, device, seconds)


def _measure(training: Training, epoch: int) -> dict[str, pd.DataFrame]:
    """Measurements and spectra of every view, as the network is now."""
    config, data, model = training.config, training.dataset, training.model
    inputs = input_spectra(model)
    conventions = config.conventions if epoch == config.epochs else ("careful",)
    measured, eigenvalues = [], []
    for split, kinds in VIEWS[config.architecture].items():
        x, y = (data.x_train, data.y_train) if split == "train" else (data.x_test, data.y_test)
        for features, collected in collect_each(model, x, y, features=kinds).items():
            view = {"epoch": epoch, "split": split, "features": features}
            sites = decompose(collected, inputs)
            measured += [
                tabulate(sites, rank=config.rank, convention=convention, tolerance=config.tolerance).assign(
                    convention=convention, **view
                )
                for convention in conventions
            ]
            eigenvalues.append(spectra(sites).assign(**view))
    return {"measurements": pd.concat(measured), "spectra": pd.concat(eigenvalues)}
