"""Gradient flow on the unconstrained features model of regression."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from nrc_core.config.descent import FlowConfig
from nrc_core.errors import TrainingDiverged
from nrc_core.metrics.regression import eigen, noise_curve

Array = NDArray[np.float64]
Value = tuple[str, int, float]  # quantity, index, value
NOTHING = 1e-12  # features with a smaller mean square are zero
RELATIVE, ABSOLUTE = 1e-9, 1e-12  # tolerances of the integration, for one step


def feature_flows(config: FlowConfig) -> list[dict[str, Any]]:
    """All flows of a configuration: rows of start, quantity, index and value.

    With features H (n, h), weight W (t, h), centred targets Y and errors E = H W^T - Y, the flow is
    ``dH/dt = -(E W + feature_decay H)``, ``dW/dt = -(E^T H / n + weight_decay W)``. The bias is the best one at each
    moment. H is centred at the start and stays so. Integration is by `scipy.integrate.solve_ivp`.

    Quantities by time, with the number of the measurement as index: `time`; and `nrc1`, NRC1 at rank t, NaN if all
    features are zero.

    Quantities at the end: `loss`, the objective of `ufm_minimum`; `weight_gram`, the entries of W W^T, row by row;
    `error_variance`, the eigenvalues of the covariance of the errors, largest first; `noise`, the sum of the
    eigenvalues of H^T H / n from number t + 1 on; `noise_start`, the sum of the positive ones among the eigenvalues of
    -D(0) from number t + 1 on, where D = W^T W - H^T H / n is the imbalance; and for equal decays `imbalance_error`,
    the largest entry of ``D - exp(-2 decay time) D(0)`` at any measurement, over the largest of D(0).

    Raises:
        TrainingDiverged: a flow cannot be integrated.
    """
    return [
        {"start": start, "quantity": name, "index": index, "value": float(value)}
        for start in range(config.starts)
        for name, index, value in _flow(config, start)
    ]


def _flow(config: FlowConfig, start: int) -> Iterator[Value]:
    """One flow."""
    n, width, targets = config.samples, config.width, len(config.variances)
    generator = np.random.default_rng([config.seed, start])
    y = _targets(config, generator)
    h, w = (generator.standard_normal((rows, width)) * config.init_scale for rows in (n, targets))
    centred = h - h.mean(0)
    # All columns of H stay in the span of the columns of the first H and of Y. In a basis of this span, H has at most
    # h + t rows in place of n, and the flow is the same.
    basis = np.linalg.qr(np.hstack([centred, y]))[0]
    target, reduced = basis.T @ y, basis.shape[1]
    decays = np.repeat([config.feature_decay, config.weight_decay], [reduced, targets])[:, None]

    def velocity(_: float, state: Array) -> Array:
        h, w = _parts(state, width, reduced)
        errors = h @ w.T - target
        pull = np.concatenate([errors @ w, errors.T @ h / n])
        return -(pull + decays * state.reshape(-1, width)).ravel()

    times = np.linspace(0, config.duration, config.iterations + 1)
    first = np.concatenate([(basis.T @ centred).ravel(), w.ravel()])
    flow = solve_ivp(velocity, (0, config.duration), first, method="DOP853", t_eval=times, rtol=RELATIVE, atol=ABSOLUTE)
    if not flow.success or not np.isfinite(flow.y).all():
        raise TrainingDiverged(f"{config.short_name}: a flow cannot be integrated ({flow.message}): try smaller decays")
    states = [(basis @ h, w) for h, w in (_parts(state, width, reduced) for state in flow.y.T)]
    for place, (time, (h, _)) in enumerate(zip(times, states, strict=True)):
        yield "time", place, time
        yield "nrc1", place, _noise_share(h, targets)
    yield "noise_start", 0, _tail(-_imbalance(*states[0]), targets)
    if config.feature_decay == config.weight_decay:
        yield "imbalance_error", 0, _law_error([_imbalance(*state) for state in states], config.weight_decay * times)
    yield from _end(config, *states[-1], y)


def _law_error(imbalances: list[Array], scaled_times: Array) -> float:
    """The largest error of the law that the imbalance shrinks as exp(-2 decay time), over that of the start."""
    first = imbalances[0]
    errors = [one - np.exp(-2 * time) * first for one, time in zip(imbalances, scaled_times, strict=True)]
    return float(np.abs(errors).max() / np.abs(first).max())


def _end(config: FlowConfig, h: Array, w: Array, y: Array) -> Iterator[Value]:
    """Yield the quantities at the end."""
    n = config.samples
    errors = h @ w.T - y
    decays = config.feature_decay * (h**2).sum() / n + config.weight_decay * (w**2).sum()
    yield "loss", 0, ((errors**2).sum() / n + decays) / 2
    for place, value in enumerate((w @ w.T).ravel()):
        yield "weight_gram", place, value
    for place, value in enumerate(np.linalg.eigvalsh(errors.T @ errors / n)[::-1]):
        yield "error_variance", place, value
    yield "noise", 0, _tail(h.T @ h / n, len(config.variances))


def _targets(config: FlowConfig, generator: np.random.Generator) -> Array:
    """Random centred targets with exactly the given covariance."""
    drawn = generator.standard_normal((config.samples, len(config.variances)))
    left = np.linalg.qr(drawn - drawn.mean(0))[0]
    return left * np.sqrt(config.samples * np.array(config.variances))


def _parts(state: Array, width: int, rows: int) -> tuple[Array, Array]:
    """The coordinates of the features (rows, h) and the weight (t, h) in a state of the flow."""
    return state[: rows * width].reshape(rows, width), state[rows * width :].reshape(-1, width)


def _imbalance(h: Array, w: Array) -> Array:
    return w.T @ w - h.T @ h / len(h)


def _noise_share(h: Array, rank: int) -> float:
    """NRC1 of centred features; NaN if they are zero."""
    if (h**2).mean() < NOTHING:
        return np.nan
    return float(noise_curve(eigen(torch.from_numpy(h.T @ h / len(h))).values)[rank - 1])


def _tail(matrix: Array, rank: int) -> float:
    """The sum of the positive eigenvalues after the `rank` largest."""
    return float(np.linalg.eigvalsh(matrix)[::-1][rank:].clip(min=0).sum())
