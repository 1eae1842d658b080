"""Gradient flow on two-layer ReLU networks: max-margin directions, scales, the loss in logarithms, and the flow."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import LinearConstraint, minimize

from nrc_core.config.shallow_flow import DigitsFlowConfig, ShallowFlowConfig
from nrc_core.data.dataset import Dataset
from nrc_core.data.simplex_classes import LENGTHS, simplex, simplex_classes
from nrc_core.errors import ConfigError, TrainingDiverged
from nrc_core.theory.max_margin import last_weight, max_margin_direction, scales, separation
from nrc_core.training.shallow_flow import digit_inputs, log_cross_entropy, shallow_flows

SEEDS = [0, 1, 2]


def one_class(seed: int, n: int = 8, d: int = 4) -> np.ndarray:
    """Random samples with a positive first coordinate, so that there is a max-margin direction."""
    x = np.random.default_rng(seed).standard_normal((n, d))
    x[:, 0] = np.abs(x[:, 0]) + 0.1
    return x


def table(rows) -> pd.DataFrame:
    return pd.DataFrame(rows)


def values(rows: pd.DataFrame, quantity: str, start: int = 0) -> np.ndarray:
    chosen = rows[(rows["quantity"] == quantity) & (rows["start"] == start)]
    return chosen.sort_values("index")["value"].to_numpy()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_max_margin_direction_by_another_programme(seed):
    """The margin is the distance of zero from the convex hull of the samples: a programme over weights of samples."""
    x = one_class(seed)
    u, margin = max_margin_direction(x)
    assert np.linalg.norm(u) == pytest.approx(1)
    assert (x @ u).min() == pytest.approx(margin)
    gram = x @ x.T
    hull = minimize(
        lambda a: a @ gram @ a / 2, np.full(len(x), 1 / len(x)), jac=lambda a: gram @ a, method="SLSQP",
        bounds=[(0, None)] * len(x), constraints=LinearConstraint(np.ones(len(x)), 1, 1), options={"ftol": 1e-14},
    )  # fmt: skip
    assert margin == pytest.approx(np.linalg.norm(x.T @ hull.x), rel=1e-5)


def test_the_max_margin_direction_in_the_plane_by_trying_all():
    x = one_class(3, n=5, d=2)
    angles = np.linspace(-np.pi, np.pi, 200_001)
    tried = (x @ [np.cos(angles), np.sin(angles)]).min(0)
    u, margin = max_margin_direction(x)
    assert tried.max() <= margin == pytest.approx(tried.max(), rel=1e-5)
    assert math.atan2(u[1], u[0]) == pytest.approx(angles[tried.argmax()], abs=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_rotations_and_lengths_turn_and_stretch_the_margin(seed):
    x = one_class(seed)
    turn = np.linalg.qr(np.random.default_rng(seed + 10).standard_normal((4, 4)))[0]
    u, margin = max_margin_direction(x)
    turned, longer = max_margin_direction(1e3 * x @ turn)
    np.testing.assert_allclose(turned, u @ turn, atol=1e-8)
    assert longer == pytest.approx(1e3 * margin)


def test_a_sample_farther_along_changes_nothing():
    x = one_class(0)
    u, margin = max_margin_direction(x)
    same, unchanged = max_margin_direction(np.vstack([x, 5 * u]))
    np.testing.assert_allclose(same, u, atol=1e-8)
    assert unchanged == pytest.approx(margin)


@pytest.mark.parametrize("x", [[[1.0, 0.0], [-1.0, 0.0]], [[1.0, 1.0], [-1.0, 1.0], [0.0, -1.0]], [[0.0, 0.0]]])
def test_without_a_side_there_is_no_direction(x):
    with pytest.raises(ValueError, match="no direction has a positive product with every sample: take fewer samples"):
        max_margin_direction(np.array(x))


@pytest.mark.parametrize("seed", SEEDS)
def test_scales_and_last_weight_by_maximising_the_smallest_margin(seed):
    """The shortest weights of one neuron a class with all margins at least 1, without use of the formulas.

    The neuron of a class is off on other classes, as in the limit.
    """
    generator, classes, d = np.random.default_rng(seed), 3, 4
    x, y = simplex_classes(classes, samples=3, dimension=d, largest_angle=0.2, generator=generator)
    own = np.eye(classes)[y]

    def margins(free: np.ndarray) -> np.ndarray:
        w, v = free[: classes * d].reshape(classes, d), free[classes * d :].reshape(classes, classes)
        logits = (own * (x @ w.T)) @ v.T
        return (logits[np.arange(len(y)), y][:, None] - logits)[~own.astype(bool)] - 1

    found = [max_margin_direction(x[y == k]) for k in range(classes)]
    sizes = scales(np.array([margin for _, margin in found]))
    start = np.append(
        (3 * np.array([x[y == k].mean(0) for k in range(classes)])).ravel(), (3 * np.eye(classes) - 1).ravel()
    )
    # Near the minimum a line search may stop by rounding, so the shortest of several solutions is taken.
    solutions = [
        minimize(
            lambda free: free @ free / 2, generator.uniform(0.5, 1.5, len(start)) * start, jac=lambda free: free,
            method="SLSQP", constraints={"type": "ineq", "fun": margins}, options={"ftol": 1e-14, "maxiter": 500},
        ).x
        for _ in range(5)
    ]  # fmt: skip
    allowed = [one for one in solutions if margins(one).min() > -1e-6]
    assert allowed
    shortest = min(allowed, key=np.linalg.norm)
    free = shortest / np.linalg.norm(shortest)
    w, v = free[: classes * d].reshape(classes, d), free[classes * d :].reshape(classes, classes)
    np.testing.assert_allclose(np.linalg.norm(w, axis=1), sizes, rtol=1e-4)
    np.testing.assert_allclose(w / sizes[:, None], [u for u, _ in found], atol=1e-3)
    np.testing.assert_allclose(v, last_weight(np.eye(classes), sizes), atol=1e-4)


def test_scales_of_unequal_margins_by_hand():
    """Margins 1 and 1/3: the squares are 1/8 and 3/8."""
    np.testing.assert_allclose(scales(np.array([1.0, 1 / 3])) ** 2, [1 / 8, 3 / 8])
    assert 2 * (scales(np.array([0.3, 0.7, 2.0])) ** 2).sum() == pytest.approx(1)


def test_separation_by_hand():
    x = np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, -1.0], [-2.0, 0.0]])
    assert separation(x, np.array([0, 0, 1, 1])) == pytest.approx((1 / math.sqrt(2), -1 / math.sqrt(2)))


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_a_simplex_has_equal_angles_and_the_mean_zero(classes):
    vertices = simplex(classes, classes)
    expected = (classes * np.eye(classes) - 1) / (classes - 1)
    np.testing.assert_allclose(vertices @ vertices.T, expected, atol=1e-12)
    np.testing.assert_allclose(vertices.mean(0), 0, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_classes_with_a_spread_below_1_are_separable(classes, seed):
    config = ShallowFlowConfig(classes=classes, spread=0.999)
    x, y = simplex_classes(
        classes, samples=40, dimension=classes, largest_angle=config.largest_angle,
        generator=np.random.default_rng(seed),
    )  # fmt: skip
    same, other = separation(x, y)
    assert other < 0 < same
    lengths = np.linalg.norm(x, axis=1)
    assert LENGTHS[0] <= lengths.min() <= lengths.max() <= LENGTHS[1]


@pytest.mark.parametrize("scale", [0.0, 1.0, 20.0])
def test_the_loss_and_its_gradient_by_autograd(scale):
    generator = np.random.default_rng(0)
    y = np.array([0, 1, 2, 0, 1])
    logits = generator.standard_normal((5, 3)) + scale * np.eye(3)[y]
    free = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(free, torch.tensor(y)).log()
    expected.backward()
    value, pull = log_cross_entropy(logits, y)
    assert value == pytest.approx(expected.item(), rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(pull, free.grad.numpy(), rtol=1e-6, atol=1e-10)


def test_tiny_losses_do_not_vanish():
    """Gaps of 900 and 901 to two other classes: the mean loss is (e^-900 + e^-901) / 2."""
    value, pull = log_cross_entropy(np.array([[900.0, 0.0], [0.0, 901.0]]), np.array([0, 1]))
    share = 1 / (1 + math.exp(-1))
    assert value == pytest.approx(-900 + math.log((1 + math.exp(-1)) / 2))
    np.testing.assert_allclose(pull, [[-share, share], [1 - share, share - 1]])


def test_a_wrong_answer_has_a_loss_of_its_gap():
    value, pull = log_cross_entropy(np.array([[0.0, 2000.0]]), np.array([0]))
    assert value == pytest.approx(math.log(2000))
    np.testing.assert_allclose(pull, [[-1 / 2000, 1 / 2000]])


@pytest.fixture(scope="module")
def flowed() -> pd.DataFrame:
    return table(shallow_flows(ShallowFlowConfig(classes=3, starts=2, iterations=1500)))


def test_a_small_start_goes_to_orthogonal_rays(flowed):
    for start in (0, 1):
        at = int(np.argmax(values(flowed, "log_loss", start) <= math.log(1e-10)))
        assert values(flowed, "within", start)[at] > 0.9999
        assert values(flowed, "between", start)[at] < 1e-3
        assert values(flowed, "rank", start)[-1] == 3
        assert values(flowed, "duality", start)[-1] < 0.01


def test_the_length_of_all_weights_grows_as_the_steps_say(flowed):
    """The scales that are found belong to weights of length 1, so twice the sum of their squares is near 1."""
    assert 2 * (values(flowed, "scale") ** 2).sum() == pytest.approx(1, abs=0.01)
    assert 2 * (values(flowed, "formula") ** 2).sum() == pytest.approx(1, abs=1e-12)


def test_a_step_has_the_wanted_length_and_goes_downhill():
    """At a large start, one step has the length `step`; the loss falls by about the steepness times it."""
    one = ShallowFlowConfig(classes=2, init_scale=3.0, step=1e-4, starts=1, iterations=1, measurements=1)
    losses = values(table(shallow_flows(one)), "log_loss")
    twice = values(table(shallow_flows(dataclasses.replace(one, step=2e-4))), "log_loss")
    assert losses[1] < losses[0]
    assert twice[1] - twice[0] == pytest.approx(2 * (losses[1] - losses[0]), rel=1e-2)


def test_smaller_steps_follow_the_same_flow():
    """Half the step and twice as many of them: the same directions at the same loss, so the steps are small enough."""
    whole = ShallowFlowConfig(classes=2, starts=1, iterations=800)
    rows, finer = (
        table(shallow_flows(config)) for config in (whole, dataclasses.replace(whole, step=0.01, iterations=1600))
    )
    for quantity in ("to_margin", "to_average"):
        at = [
            values(one, quantity)[int(np.argmax(values(one, "log_loss") <= math.log(1e-10)))] for one in (rows, finer)
        ]
        assert at[0] == pytest.approx(at[1], abs=2e-3)


def test_seeds_decide_and_starts_differ():
    config = ShallowFlowConfig(classes=3, starts=2, iterations=3)
    one, same, other = (
        table(shallow_flows(each))["value"].to_numpy() for each in (config, config, dataclasses.replace(config, seed=1))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    rows = table(shallow_flows(config))
    assert not np.allclose(values(rows, "margin", 0), values(rows, "margin", 1))


def test_leaning_neurons_start_at_samples():
    config = ShallowFlowConfig(classes=3, starts=1, iterations=1, initial="leaning", samples=1)
    rows = table(shallow_flows(config))
    assert values(rows, "to_average")[0] == pytest.approx(1)
    assert values(rows, "between")[0] == 0


def pictures(count: int = 4) -> Dataset:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), count)
    x = torch.from_numpy(generator.integers(0, 256, (len(labels), 1, 6, 6), dtype=np.uint8))
    y = torch.from_numpy(np.eye(10, dtype=np.float32)[labels])
    return Dataset("mnist", x, y, x[:1], y[:1], {})


def test_digits_are_centred_and_keep_their_angles():
    data = pictures()
    x, y = digit_inputs(data, (7, 2))
    raw = data.x_train.numpy().reshape(40, -1).astype(float)[[*range(8, 12), *range(28, 32)]]
    raw -= raw.mean(0)
    assert y.tolist() == [1] * 4 + [0] * 4
    assert x.shape == (8, 7)
    assert np.linalg.norm(x, axis=1).mean() == pytest.approx(1)
    np.testing.assert_allclose(x @ x.T, raw @ raw.T / np.linalg.norm(raw, axis=1).mean() ** 2, atol=1e-12)


def test_a_flow_on_digits_has_the_same_quantities():
    config = DigitsFlowConfig(digits=(0, 1), starts=1, iterations=2, init_scale=0.5)
    rows = table(shallow_flows(config, pictures()))
    synthetic = table(shallow_flows(ShallowFlowConfig(classes=2, starts=1, iterations=2)))
    assert set(rows["quantity"]) == set(synthetic["quantity"])


def test_digits_on_no_side_of_a_hyperplane_are_refused():
    data = pictures()
    opposite = data.x_train.clone()
    opposite[1] = 255 - opposite[0]
    config = DigitsFlowConfig(digits=(0, 1), starts=1, iterations=1)
    flat = dataclasses.replace(data, x_train=opposite[:, :, :1, :1], x_test=opposite[:1, :, :1, :1])
    with pytest.raises(ConfigError, match="no direction has a positive product with every sample"):
        shallow_flows(config, flat)


def test_a_sample_that_activates_no_neuron_does_not_stop_the_others():
    """Its loss stays, so the logarithm of the mean loss cannot fall below that of its own share of it."""
    config = ShallowFlowConfig(classes=3, spread=5.9, width=4, starts=6, iterations=1000)
    rows = table(shallow_flows(config))
    stuck = [start for start in range(6) if values(rows, "unlit", start)[-1] > 0]
    assert stuck
    for start in stuck:
        floor = math.log(values(rows, "unlit", start)[-1] * math.log(3) / config.rows)
        assert values(rows, "log_loss", start)[-1] >= floor - 1e-9
        assert values(rows, "iteration", start)[-1] == 1000


def test_neurons_that_are_all_off_end_the_flow():
    """In the plane, two samples of two classes leave directions in which a single neuron is off on both."""
    config = ShallowFlowConfig(classes=2, samples=1, dimension=2, width=1, starts=20, iterations=1)
    with pytest.raises(
        TrainingDiverged, match=r"no neuron is active after \d+ steps: try more neurons or smaller steps"
    ):
        shallow_flows(config)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": 1}, "classes must be at least 2: got 1"),
        ({"dimension": 2}, "dimension must be at least 3, the number of classes: got 2"),
        ({"spread": 6.0}, "spread must be below 6 for 3 classes: got 6.0"),
        ({"spread": 0.0}, "spread must be positive: got 0.0"),
        ({"initial": "zero"}, "initial must be one of random, leaning: got 'zero'"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        ShallowFlowConfig(**{"classes": 3} | given)


@pytest.mark.parametrize("digits", [(0,), (1, 1), (0, 10)])
def test_digits_out_of_range_are_refused(digits):
    with pytest.raises(ConfigError, match="digits must be two or more different numbers from 0 to 9"):
        DigitsFlowConfig(digits=digits)
