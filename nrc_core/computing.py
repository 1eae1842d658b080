"""One run from its configuration: trained, and measured at the epochs it asks for."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd
import torch

from nrc_core.config import RunConfig
from nrc_core.datasets import Dataset
from nrc_core.measurement import decompose, input_spectra, spectra, tabulate
from nrc_core.metrics import Eigen
from nrc_core.moments import collect
from nrc_core.provenance import describe_run
from nrc_core.store import TABLES
from nrc_core.training import Training, reproducible_cpu, train

# What is measured at each chosen epoch: (samples, features).
VIEWS = (("train", "post"), ("train", "pre"), ("test", "post"))


def compute(
    config: RunConfig, dataset: Dataset, *, device: torch.device | str | None = None
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables of a run, as `TABLES` names them, and its provenance.

    Args:
        device: a GPU where there is one, unless given.

    Raises:
        TrainingDiverged: the loss is no longer finite.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    started = time.monotonic()
    measured: list[pd.DataFrame] = []
    eigenvalues: list[pd.DataFrame] = []
    losses: list[dict[str, float]] = []
    with reproducible_cpu():
        for epoch, training in train(config, dataset, device=device):
            losses = training.losses
            inputs = input_spectra(training.model)
            conventions = config.conventions if epoch == config.epochs else ("careful",)
            for split, features in VIEWS:
                view = {"epoch": epoch, "split": split, "features": features}
                by_convention, spectrum = _measure(training, split, features, conventions, inputs, device)
                measured += [table.assign(**view) for table in by_convention]
                eigenvalues.append(spectrum.assign(**view))
    tables = dict(zip(TABLES, (pd.concat(measured), pd.concat(eigenvalues), pd.DataFrame(losses)), strict=True))
    return tables, describe_run(config, dataset, device, time.monotonic() - started)


def _measure(
    training: Training,
    split: str,
    features: str,
    conventions: tuple[str, ...],
    inputs: dict[str, Eigen],
    device: torch.device,
) -> tuple[list[pd.DataFrame], pd.DataFrame]:
    data, config = training.dataset, training.config
    x, y = (data.x_train, data.y_train) if split == "train" else (data.x_test, data.y_test)
    sites = decompose(collect(training.model, x.to(device), y.to(device), features=features), inputs)
    tables = [
        tabulate(sites, rank=config.rank, convention=convention, tolerance=config.tolerance).assign(
            convention=convention
        )
        for convention in conventions
    ]
    return tables, spectra(sites)
