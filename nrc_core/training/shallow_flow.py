"""Gradient flow on two-layer ReLU networks for classes, down to losses far below the smallest floating-point number."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from nrc_core.config.base import log_spaced_epochs
from nrc_core.config.shallow_flow import DigitsFlowConfig, ShallowFlowConfig
from nrc_core.data.dataset import Dataset
from nrc_core.data.simplex_classes import simplex_classes
from nrc_core.errors import ConfigError, TrainingDiverged
from nrc_core.theory.max_margin import last_weight, max_margin_direction, scales, separation

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Value = tuple[str, int, float]  # quantity, index, value
# The first step at or below each of these losses is measured too.
LOSSES = (1e-1, 1e-2, 1e-4, 1e-7, 1e-10, 1e-20, 1e-40, 1e-80, 1e-160)
RANK_SHARE = 0.01  # singular values of the features above this share of the largest count for their rank
FAR = -30.0  # below it, log(1 + e^z) is e^z up to a share of 5e-14


@dataclass(frozen=True)
class Classes:
    """The data of a flow, and what the theory says of them.

    Attributes:
        x, y: the samples (n, d) and their classes (n,).
        averages: (K, d), the directions of the averages of the classes.
        directions: (K, d), the max-margin directions of the classes.
        margins: (K,), the margins of the classes.
    """

    x: Array
    y: Labels
    averages: Array
    directions: Array
    margins: Array


def shallow_flows(config: ShallowFlowConfig | DigitsFlowConfig, dataset: Dataset | None = None) -> list[dict[str, Any]]:
    """All flows of a configuration: rows of start, quantity, index and value.

    The network is ``f(x) = V relu(W x)``, without biases, with cross entropy. A step moves all weights against the
    gradient of the logarithm of the loss. Its length is ``step * min(1, length of all weights)``, so it follows the
    curve of gradient flow at another speed.

    Quantities of the data: `same_class` and `other_class`, see `separation`; `opposite_class`, the smallest cosine of
    two samples; `length_ratio`, the length of the longest sample over that of the shortest; `margin`, the margin
    gamma_k of the class `index` alone; and `turn`, the cosine of its max-margin direction and its average.

    Quantities by time, with the number of the measurement as index: `iteration`; `log_loss`; `within` and
    `within_mean`, the smallest and the mean cosine of the features of two samples of a class; `between`, the largest
    absolute cosine of the mean features of two classes; `to_margin` and `to_average`, the mean cosine of a neuron with
    the max-margin direction and with the average of the class with the largest weight from it, where neurons count by
    their squared length; `rank` of the features; `unlit`, the number of samples without any active neuron, whose
    features have the cosine 0 with all others; and `duality`, the distance of V from `last_weight` over its length.

    At the end: `loss`, zero if it is smaller than the smallest number; `scale`, s_k of the class `index`, the length of
    the mean features over the product of u_k with the average sample, with all weights of length 1 together; and
    `formula`, s_k by `scales`.

    For the figure, of the first start: `first` and `second`, the coordinates of the direction of each neuron in a plane
    of the data, and `own`, the class with the largest weight from it, with the index ``measurement * width + neuron``;
    `average_first`, `average_second`, `margin_first` and `margin_second`, those of the averages and max-margin
    directions of the classes. The plane is that of the averages of the first two classes, the first axis that of the
    first class.

    Raises:
        ConfigError: the samples of a digit have no max-margin direction.
        TrainingDiverged: no neuron is active any more.
    """
    return [
        {"start": start, "quantity": name, "index": index, "value": float(value)}
        for start in range(config.starts)
        for name, index, value in _flow(config, dataset, start)
    ]


def log_cross_entropy(
    logits: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]
) -> tuple[float, Float[np.ndarray, "n k"]]:
    """The logarithm of the mean cross entropy, and its gradient by the logits; no loss is too small.

    Args:
        logits: (n, K), of two classes or more.
        labels: (n,), from 0.

    Example:
        >>> round(log_cross_entropy(np.array([[2000.0, 0.0]]), np.array([0]))[0], 6)
        -2000.0
    """
    rows = np.arange(len(labels))
    gaps = logits - logits[rows, labels][:, None]
    gaps[rows, labels] = -np.inf
    largest = gaps.max(1)
    others = np.exp(gaps - largest[:, None])
    total = others.sum(1)
    z = largest + np.log(total)  # the cross entropy of a sample is log(1 + e^z)
    losses = np.where(z < FAR, z, np.log(np.logaddexp(0, np.maximum(z, FAR))))
    top = losses.max()
    shares = np.exp(losses - top)
    value = top + np.log(shares.mean())
    slope = np.exp(-np.logaddexp(0, -z) - losses)  # the derivative of `losses` by z
    pull = others / total[:, None]
    pull[rows, labels] = -1
    return float(value), pull * (shares / shares.sum() * slope)[:, None]


def _flow(config: ShallowFlowConfig | DigitsFlowConfig, dataset: Dataset | None, start: int) -> Iterator[Value]:
    """One flow."""
    generator = np.random.default_rng([config.seed, start])
    data = _classes(config, dataset, generator)
    w, v = _initial(config, data, generator)
    yield from _of_data(data)
    if start == 0:
        yield from _places(data)
    planned = {0, *log_spaced_epochs(config.iterations, config.measurements)}
    levels, place = list(np.log(LOSSES)), 0
    for iteration in range(config.iterations + 1):
        inputs = data.x @ w.T
        features = np.maximum(inputs, 0)
        logits = features @ v.T
        log_loss, pull = log_cross_entropy(logits, data.y)
        reached = sum(log_loss <= level for level in levels)
        if reached or iteration in planned:
            levels = levels[reached:]
            measured = {"iteration": iteration, "log_loss": log_loss, **_measure(data, w, v)}
            yield from ((name, place, value) for name, value in measured.items())
            if start == 0:
                for name, values in zip(("first", "second", "own"), (*_in_plane(data, w), v.argmax(0)), strict=True):
                    yield from ((name, place * len(w) + neuron, value) for neuron, value in enumerate(values))
            place += 1
        if iteration == config.iterations:
            break
        # A sample that activates no neuron has no gradient, but its loss would make those of the others vanish.
        lit = features.any(1)
        if not (lit.any() and np.isfinite(log_loss)):
            raise TrainingDiverged(
                f"{config.short_name}: no neuron is active after {iteration} steps: try more neurons or smaller steps"
            )
        chosen: Any = slice(None)
        if not lit.all():
            chosen = lit
            _, pull = log_cross_entropy(logits[lit], data.y[lit])
        by_w = ((pull @ v) * (inputs[chosen] > 0)).T @ data.x[chosen]
        by_v = pull.T @ features[chosen]
        steepness = _length(by_w, by_v)
        rate = config.step * min(1.0, _length(w, v)) / steepness
        w, v = w - rate * by_w, v - rate * by_v
    yield "loss", 0, np.exp(log_loss)
    for k, (found, formula) in enumerate(zip(_scales(data, w, v), scales(data.margins), strict=True)):
        yield "scale", k, found
        yield "formula", k, formula


def _classes(
    config: ShallowFlowConfig | DigitsFlowConfig, dataset: Dataset | None, generator: np.random.Generator
) -> Classes:
    """The data of one flow, with their averages and max-margin directions."""
    if isinstance(config, ShallowFlowConfig):
        x, y = simplex_classes(
            config.classes,
            samples=config.samples,
            dimension=config.dimension,
            largest_angle=config.largest_angle,
            generator=generator,
        )
    else:
        assert dataset is not None
        x, y = digit_inputs(dataset, config.digits)
    try:
        found = [max_margin_direction(x[y == k]) for k in range(config.classes)]
    except ValueError as error:
        raise ConfigError(f"{config.short_name}: {error}") from None
    averages = np.array([x[y == k].mean(0) for k in range(config.classes)])
    averages /= np.linalg.norm(averages, axis=1, keepdims=True)
    directions, margins = zip(*found, strict=True)
    return Classes(x, y, averages, np.array(directions), np.array(margins))


def digit_inputs(dataset: Dataset, digits: tuple[int, ...]) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, " n"]]:
    """The training pictures of some digits, centred by their mean, with a mean length of 1.

    They are turned into the fewest coordinates that hold them all; a flow is the same in any coordinates.

    Returns:
        The inputs (n, d) with d < n, float64, and the place of their digit in `digits` (n,).
    """
    labels = dataset.y_train.argmax(1).numpy()
    chosen = np.isin(labels, digits)
    pixels = dataset.x_train.numpy()[chosen].reshape(int(chosen.sum()), -1).astype(np.float64)
    pixels -= pixels.mean(0)
    left, size, _ = np.linalg.svd(pixels, full_matrices=False)
    x = (left * size)[:, size > 1e-10 * size[0]]
    place = {digit: k for k, digit in enumerate(digits)}
    return x / np.linalg.norm(x, axis=1).mean(), np.array([place[digit] for digit in labels[chosen]])


def _initial(
    config: ShallowFlowConfig | DigitsFlowConfig, data: Classes, generator: np.random.Generator
) -> tuple[Array, Array]:
    """The weights W (h, d) and V (K, h) at the start; all rows of W and columns of V have the length `init_scale`."""
    classes, width = len(data.averages), config.width
    if config.initial == "leaning":
        chosen = generator.integers(0, len(data.y), width)
        w, v = data.x[chosen], (np.eye(classes) - 1 / classes)[data.y[chosen]]
    else:
        w, v = generator.standard_normal((width, data.x.shape[1])), generator.standard_normal((width, classes))
    w, v = (config.init_scale * one / np.linalg.norm(one, axis=1, keepdims=True) for one in (w, v))
    return w, v.T


def _of_data(data: Classes) -> Iterator[Value]:
    same, other = separation(data.x, data.y)
    lengths = np.linalg.norm(data.x, axis=1)
    yield "same_class", 0, same
    yield "other_class", 0, other
    yield "opposite_class", 0, (_units(data.x) @ _units(data.x).T).min()
    yield "length_ratio", 0, lengths.max() / lengths.min()
    for k, margin in enumerate(data.margins):
        yield "margin", k, margin
        yield "turn", k, data.directions[k] @ data.averages[k]


def _measure(data: Classes, w: Array, v: Array) -> dict[str, float]:
    """The quantities at one time that depend on the weights."""
    features = np.maximum(data.x @ w.T, 0)
    means = _class_means(data, features)
    same = data.y[:, None] == data.y
    cosines = _units(features) @ _units(features).T
    share = (w**2).sum(1) / (w**2).sum()
    own, directions = v.argmax(0), _units(w)
    values = np.linalg.svd(features, compute_uv=False)
    between = _units(means) @ _units(means).T - np.eye(len(means))
    weight, duality = v / _length(w, v), np.nan
    if (means > 0).any(1).all():  # without features of a class there is no last weight to compare with
        duality = float(np.linalg.norm(weight - last_weight(means, scales(data.margins))) / np.linalg.norm(weight))
    return {
        "within": cosines[same].min(),
        "within_mean": cosines[same].mean(),
        "between": np.abs(between[~np.eye(len(means), dtype=bool)]).max(),
        "to_margin": share @ (directions * data.directions[own]).sum(1),
        "to_average": share @ (directions * data.averages[own]).sum(1),
        "rank": (values > RANK_SHARE * values[0]).sum(),
        "unlit": (features.max(1) == 0).sum(),
        "duality": duality,
    }


def _scales(data: Classes, w: Array, v: Array) -> Array:
    """The scales s_k that are found, with all weights of length 1 together."""
    means = _class_means(data, np.maximum(data.x @ w.T, 0)) / _length(w, v)
    products = (_class_means(data, data.x) * data.directions).sum(1)
    found: Array = np.linalg.norm(means, axis=1) / products
    return found


def _class_means(data: Classes, values: Array) -> Array:
    return np.array([values[data.y == k].mean(0) for k in range(len(data.averages))])


def _length(w: Array, v: Array) -> float:
    """The length of all weights together."""
    return float(np.sqrt((w**2).sum() + (v**2).sum()))


def _units(vectors: Array) -> Array:
    """Rows of length 1; rows of zeros stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def _in_plane(data: Classes, vectors: Array) -> Array:
    """The two coordinates (2, m) of the directions of vectors (m, d) in the plane of the first two averages."""
    first, second = data.averages[:2]
    aside = second - (second @ first) * first
    return np.array([first, aside / np.linalg.norm(aside)]) @ _units(vectors).T


def _places(data: Classes) -> Iterator[Value]:
    """The coordinates of averages and max-margin directions in the plane."""
    for kind, vectors in (("average", data.averages), ("margin", data.directions)):
        for axis, coordinates in zip(("first", "second"), _in_plane(data, vectors), strict=True):
            yield from ((f"{kind}_{axis}", k, value) for k, value in enumerate(coordinates))
