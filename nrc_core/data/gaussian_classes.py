"""Classes that are Gaussian by construction, so that constants of their distributions are known exactly."""

from typing import Any

import numpy as np
import torch

from nrc_core.data.dataset import Dataset
from nrc_core.errors import ConfigError

NAME = "gaussian_classes"


def gaussian_classes(
    *,
    seed: int = 0,
    classes: int = 32,
    signal: int = 8,
    nuisance: int = 32,
    signal_spread: float = 0.5,
    train_per_class: int = 60,
    test_per_class: int = 60,
) -> Dataset:
    """Rows of Gaussian classes, not scaled: the first `signal` coordinates tell the classes apart, the others do not.

    The mean of a class is drawn from N(0, I) in the signal coordinates and is 0 in the nuisance coordinates. Around it,
    signal coordinates have the standard deviation `signal_spread`, and nuisance coordinates 1. So the largest
    eigenvalue of a class's covariance, which is its Poincaré constant, is max(1, signal_spread^2), or signal_spread^2
    without nuisance coordinates.

    Args:
        seed: decides the means and all rows.

    Raises:
        ConfigError: there are fewer than two classes or no coordinates, or a number or the spread is not positive.

    Example:
        >>> data = gaussian_classes(classes=3, train_per_class=5, test_per_class=2)
        >>> data.x_train.shape, data.y_test.shape
        (torch.Size([15, 40]), torch.Size([6, 3]))
    """
    for name, value, least in (
        ("classes", classes, 2), ("signal", signal, 1), ("nuisance", nuisance, 0),
        ("train_per_class", train_per_class, 1), ("test_per_class", test_per_class, 1),
    ):  # fmt: skip
        if value < least:
            raise ConfigError(f"{name} of Gaussian classes must be at least {least}: got {value}")
    if not signal_spread > 0:
        raise ConfigError(f"signal_spread of Gaussian classes must be positive: got {signal_spread}")
    generator = np.random.default_rng(seed)
    means = np.concatenate([generator.standard_normal((classes, signal)), np.zeros((classes, nuisance))], axis=1)
    spreads = np.repeat([signal_spread, 1.0], [signal, nuisance])
    drawn: dict[str, Any] = {}
    for part, count in (("train", train_per_class), ("test", test_per_class)):
        labels = np.repeat(np.arange(classes), count)
        x = means[labels] + spreads * generator.standard_normal((len(labels), signal + nuisance))
        drawn[f"x_{part}"] = torch.from_numpy(x.astype(np.float32))
        drawn[f"y_{part}"] = torch.from_numpy(np.eye(classes, dtype=np.float32)[labels])
    provenance = {
        "kind": "synthetic", "source": "Gaussian classes, generated", "identity": NAME, "split": "original",
        "n_train": classes * train_per_class, "n_test": classes * test_per_class,
    }  # fmt: skip
    return Dataset(NAME, **drawn, provenance=provenance, classes=tuple(str(number) for number in range(classes)))
