"""Descents on unconstrained features models: all features are free, and there are no data."""

import time
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

from nrc_core.config.descent import ClassesConfig, DescentConfig, FlowConfig, OrdinalConfig
from nrc_core.config.residual import ResidualConfig
from nrc_core.config.shallow_flow import DigitsFlowConfig, ShallowFlowConfig
from nrc_core.config.trained_features import TrainedFeaturesConfig
from nrc_core.data.dataset import Dataset
from nrc_core.errors import TrainingDiverged
from nrc_core.theory.ordinal import likelihood
from nrc_core.training.checkpoints import Trained
from nrc_core.training.deep_descent import deep_descents
from nrc_core.training.feature_flow import NOTHING, feature_flows
from nrc_core.training.loop import reproducible_arithmetic
from nrc_core.training.residual import residual
from nrc_core.training.shallow_flow import shallow_flows
from nrc_core.training.trained_features import trained_features

Array = NDArray[np.float64]
Row = dict[str, Any]


def compute_descent(config: DescentConfig, dataset: Dataset | None) -> Trained:
    """All descents of a configuration, with the table `descent`: start, quantity, index, value.

    Quantities of `OrdinalConfig`: `loss`; `weight_norm`; `latent`, the mean of z in the class `index`; `within`, the
    share of the features' energy that is not that of their class means; and `off_line`, the share of the energy of the
    class means that is not on the line of w. Shares are NaN if all features are zero. For those of `ClassesConfig` see
    `nrc_core.training.deep_descent`, for those of `FlowConfig` `nrc_core.training.feature_flow`, for those of
    `TrainedFeaturesConfig` `nrc_core.training.trained_features`, for those of `ShallowFlowConfig` and
    `DigitsFlowConfig` `nrc_core.training.shallow_flow`, for those of `ResidualConfig` `nrc_core.training.residual`.

    Without a finite loss in all starts, the result has a `failure` and no table.
    """
    started = time.monotonic()
    try:
        with reproducible_arithmetic():
            rows = _descents(config, dataset)
    except TrainingDiverged as error:
        return Trained(config, {}, time.monotonic() - started, failure=str(error))
    return Trained(config, {"descent": pd.DataFrame(rows)}, time.monotonic() - started)


def _descents(config: DescentConfig, dataset: Dataset | None) -> list[Row]:
    if isinstance(config, ClassesConfig):
        return deep_descents(config)
    if isinstance(config, FlowConfig):
        return feature_flows(config)
    if isinstance(config, OrdinalConfig):
        return [row for start in range(config.starts) for row in _ordinal(config, start)]
    if isinstance(config, ShallowFlowConfig | DigitsFlowConfig):
        return shallow_flows(config, dataset)
    assert dataset is not None  # the others have data
    if isinstance(config, TrainedFeaturesConfig):
        return trained_features(config, dataset)
    assert isinstance(config, ResidualConfig)
    return residual(config, dataset)


def _ordinal(config: OrdinalConfig, start: int) -> list[Row]:
    """One descent."""
    labels = np.repeat(np.arange(len(config.counts)), config.counts)
    n, width, b = len(labels), config.width, np.array(config.thresholds, dtype=np.float64)
    own = likelihood(config.link, b[labels], b[labels + 1])
    first = config.init_scale * np.random.default_rng([config.seed, start]).standard_normal((n + 1) * width)

    def objective(free: Array) -> tuple[float, Array]:
        """The objective and its gradient; the rows are the features, then w."""
        features, w = free[:-width].reshape(n, width), free[-width:]
        z = features @ w
        pull = own.slope(z) / n
        value = own.loss(z).mean() + config.decay / 2 * ((features**2).sum() / n + w @ w)
        by_features = pull[:, None] * w + config.decay / n * features
        return float(value), np.append(by_features.ravel(), pull @ features + config.decay * w)

    options = {"maxiter": config.iterations, "maxfun": 2 * config.iterations, "ftol": 0.0, "gtol": 1e-10, "maxcor": 50}
    ended = minimize(objective, first, jac=True, method="L-BFGS-B", options=options)
    features, w = ended.x[:-width].reshape(n, width), ended.x[-width:]
    means = np.array([features[labels == q].mean(0) for q in range(len(config.counts))])
    found = {"loss": ended.fun, "weight_norm": np.linalg.norm(w), **_geometry(features, means[labels], w)}
    rows: list[Row] = [{"quantity": name, "index": 0, "value": float(value)} for name, value in found.items()]
    rows += [{"quantity": "latent", "index": q, "value": float(mean @ w)} for q, mean in enumerate(means)]
    return [{"start": start, **row} for row in rows]


def _geometry(features: Array, means: Array, w: Array) -> dict[str, float]:
    """The shares `within` and `off_line`; means has the class mean of every sample."""
    if (features**2).mean() < NOTHING:
        return {"within": np.nan, "off_line": np.nan}
    on_line = np.outer(means @ w, w) / (w @ w)
    return {
        "within": ((features - means) ** 2).sum() / (features**2).sum(),
        "off_line": ((means - on_line) ** 2).sum() / (means**2).sum(),
    }
