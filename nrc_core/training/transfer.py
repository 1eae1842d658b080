"""Transfer of a pre-trained classifier to another task: fine-tuning, and a linear probe of its features."""

import logging
import math
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from nrc_core.config.classification import ClassifierConfig, TransferConfig
from nrc_core.data.dataset import Dataset
from nrc_core.errors import TrainingDiverged
from nrc_core.metrics.class_table import ROWS_AT_ONCE, look
from nrc_core.metrics.layers import weight_layers
from nrc_core.training.checkpoints import Trained, load_state
from nrc_core.training.classification import build_classifier, train_classifier
from nrc_core.training.loop import reproducible_arithmetic

logger = logging.getLogger(__name__)
# Inverse penalties of the probe's logistic regression, scikit-learn's C, on standardised features.
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
# Fields of the pre-training that the fine-tuning keeps.
AS_IN_PRETRAINING = ("weight_decay", "architecture", "width", "depth", "stem", "momentum", "batch_size")


def compute_transfer(
    config: TransferConfig, dataset: Dataset, validation: Dataset, *, device: torch.device, weights: Path
) -> Trained:
    """Fine-tune with every learning rate, and fit a linear probe with every penalty; each is one row of a table.

    Columns of the table `downstream`: `kind` ("fine-tuning" or "linear probe"), `setting` (learning rate or C),
    `train_loss` (NaN for the probe), `train_error`, `validation_error`, `test_error`. Loss and errors are NaN if a
    learning rate diverged.

    Args:
        dataset: data set of the downstream task.
        validation: data set of `config.validation_options`; its training rows are the validation rows.
        weights: file of the pre-trained weights.
    """
    started, data, held_out = time.monotonic(), dataset.to(device), validation.to(device)
    parts = {
        "train": (data.x_train, data.y_train),
        "validation": (held_out.x_train, held_out.y_train),
        "test": (data.x_test, data.y_test),
    }
    with reproducible_arithmetic():
        rows = [_fine_tuned(config, data, parts, rate, device, weights) for rate in config.learning_rates]
        rows += _probed(_pretrained(config, data, weights, config.learning_rates[0]).to(device), parts)
    origin = {"pretraining_key": weights.parent.name}
    return Trained(config, {"downstream": pd.DataFrame(rows)}, time.monotonic() - started, origin=origin)


def _fine_tuned(
    config: TransferConfig, dataset: Dataset, parts: dict[str, Any], rate: float, device: torch.device, weights: Path
) -> dict[str, Any]:
    model = _pretrained(config, dataset, weights, rate)
    row = {"kind": "fine-tuning", "setting": rate}
    try:
        *_, (_, training) = train_classifier(_task(config, rate), dataset, device=device, model=model)
    except TrainingDiverged as error:  # this learning rate will not be chosen
        logger.warning("%s", error)
        return row | dict.fromkeys(["train_loss", *(f"{name}_error" for name in parts)], math.nan)
    errors = {f"{name}_error": _error(training.model, *part) for name, part in parts.items()}
    return row | {"train_loss": training.losses[-1]["batch_loss"], **errors}


def _task(config: TransferConfig, rate: float) -> ClassifierConfig:
    """Configuration of the fine-tuning: as in the pre-training, except for data, seed, learning rate and iterations."""
    return ClassifierConfig(
        config.dataset,
        iterations=config.iterations,
        learning_rate=rate,
        seed=config.seed,
        dataset_options=config.dataset_options,
        **{name: getattr(config.pretraining, name) for name in AS_IN_PRETRAINING},
    )


def _pretrained(config: TransferConfig, dataset: Dataset, weights: Path, rate: float) -> Any:
    """A network for the downstream task with the pre-trained weights in all layers except its new head."""
    model = build_classifier(_task(config, rate), dataset)
    state = load_state(weights)
    head = list(weight_layers(model))[-1]
    kept = {name: value for name, value in state.items() if not name.startswith(f"{head}.")}
    new = {name: value for name, value in model.state_dict().items() if name.startswith(f"{head}.")}
    model.load_state_dict(kept | new)  # pixels are scaled as in the pre-training
    return model


@torch.no_grad()
def _error(model: nn.Module, x: Tensor, y: Tensor) -> float:
    model.eval()
    pairs = zip(x.split(ROWS_AT_ONCE), y.split(ROWS_AT_ONCE), strict=True)
    return sum(int((model(a).argmax(1) != b.argmax(1)).sum()) for a, b in pairs) / len(x)


def _probed(model: nn.Module, parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Logistic regressions on the frozen last-hidden-layer features."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    seen = {name: look(model, x, y) for name, (x, y) in parts.items()}
    mean, spread = seen["train"].features.mean(0), seen["train"].features.std(0).clamp(min=1e-12)
    features = {name: ((one.features - mean) / spread).cpu().numpy() for name, one in seen.items()}
    labels = {name: one.labels.cpu().numpy() for name, one in seen.items()}
    rows = []
    for penalty in PENALTIES:
        with warnings.catch_warnings():
            # Separable classes have no optimum at a weak penalty; the penalty is chosen on the validation rows.
            warnings.simplefilter("ignore", ConvergenceWarning)
            probe = LogisticRegression(C=penalty, max_iter=500).fit(features["train"], labels["train"])
        errors = {f"{name}_error": 1 - float(probe.score(features[name], labels[name])) for name in parts}
        rows.append({"kind": "linear probe", "setting": penalty, "train_loss": math.nan, **errors})
    return rows
