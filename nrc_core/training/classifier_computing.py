"""Training of a classifier and its measurement at the iterations of its configuration."""

import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from nrc_core.config.classification import ClassifierConfig
from nrc_core.data.dataset import Dataset
from nrc_core.metrics import classes
from nrc_core.metrics.class_table import look, one_hot_sites, table
from nrc_core.metrics.layers import weight_matrices
from nrc_core.metrics.table import input_spectra, spectra
from nrc_core.training.checkpoints import Checkpoint, Trained, Training, save_state
from nrc_core.training.classification import diverged, train_classifier
from nrc_core.training.loop import reproducible_arithmetic

SPLITS = ("train", "test")


def compute_classifier(
    config: ClassifierConfig,
    dataset: Dataset,
    *,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
    weights: Path | None = None,
) -> Trained:
    """Train and measure a classifier.

    Args:
        checkpoint: if its file exists, training goes on from it. The caller removes the file.
        weights: folder for the weights at every measured iteration, `<iteration>.pt`.

    Raises:
        TrainingDiverged: the loss is no longer finite.
    """
    started = time.monotonic()
    with reproducible_arithmetic():
        for iteration, training in train_classifier(config, dataset.to(device), device=device, checkpoint=checkpoint):
            if weights is not None:
                save_state(training.model.state_dict(), weights / f"{iteration}.pt")
            training.kept[iteration], training.values[iteration] = _measure(training, iteration)
        _finish(training)
    return Trained(config, training.tables(), training.seconds + time.monotonic() - started)


def _measure(training: Training[ClassifierConfig], iteration: int) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables of this iteration, and the values that `_finish` needs for variances around the final class means."""
    config, data, model = training.config, training.dataset, training.model
    view = {"iteration": iteration, "features": "post", "convention": "careful"}
    tables, means, seen = [], {}, {}
    (inputs,) = input_spectra([weight_matrices(model)])
    for split in SPLITS:
        x, y = (data.x_train, data.y_train) if split == "train" else (data.x_test, data.y_test)
        seen[split] = look(model, x, y)
        if not bool(seen[split].logits.isfinite().all()):  # the last batch made the weights diverge
            raise diverged(config, "network", iteration)
        sites = one_hot_sites(seen[split], inputs) if split == "train" else []
        found = table(model, x, seen[split], loss=config.loss, inputs=inputs, regression=sites)
        if sites:
            curves = spectra(sites).assign(split=split, iteration=iteration, features="post")
        tables.append(found.assign(split=split, **view))
        means[split] = [(one.counts.cpu(), one.means.cpu(), one.spreads.cpu()) for one in seen[split].moments.values()]
    values = {"means": means, "test_features": seen["test"].features.cpu()}
    return {"measurements": pd.concat(tables), "spectra": curves}, values


def _finish(training: Training[ClassifierConfig]) -> None:
    """Add to all measurements the variances of Hui et al. around the final class means and the final centres.

    The new columns are `variance` (TrainVariance on training samples, StrongTestVariance on test samples),
    `weak_variance` (WeakTestVariance, test samples at the last hidden layer), `weak_variance_current` (around the
    current centres), and the smallest and largest `weak_variance` of the final network over the starts of k-means:
    `weak_variance_least` and `weak_variance_most`.
    """
    final = training.values[max(training.values)]
    number = training.dataset.target_dim
    centres, restarts = classes.k_means(final["test_features"], number)
    for iteration, tables in training.kept.items():
        rows, moment = tables["measurements"].reset_index(drop=True), training.values[iteration]
        for split in SPLITS:
            here = rows["split"] == split
            rows.loc[here, "variance"] = [
                classes.variance_around(counts, means, spreads, then[1])
                for (counts, means, spreads), then in zip(moment["means"][split], final["means"][split], strict=True)
            ]
        head = (rows["split"] == "test") & (rows["site"] == rows["site"].max() - 1)
        features = moment["test_features"]
        rows.loc[head, "weak_variance"] = classes.weak_test_variance(features, number, centers=centres)
        rows.loc[head, "weak_variance_current"] = classes.weak_test_variance(features, number)
        rows.loc[head, ["weak_variance_least", "weak_variance_most"]] = min(restarts), max(restarts)
        tables["measurements"] = rows
