"""Coding rates: against plain NumPy, cases by hand, invariances and gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nrc_core import ConfigError, coding_rate, coding_rate_reduction

SEED = 0
EXACT = 1e-10


def features(seed: int = SEED, n: int = 20, width: int = 6, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), generator.integers(0, classes, n - classes)])
    return generator.standard_normal((n, width)), labels


def plain_rate(z: np.ndarray, epsilon_squared: float) -> float:
    """Half the sum of logarithms of eigenvalues, from singular values."""
    n, width = z.shape
    return 0.5 * np.log1p(width / (n * epsilon_squared) * np.linalg.svd(z)[1] ** 2).sum()


def plain_reduction(z: np.ndarray, y: np.ndarray, epsilon_squared: float) -> float:
    parts = [z[y == label] for label in set(y.tolist())]
    return plain_rate(z, epsilon_squared) - sum(len(p) / len(z) * plain_rate(p, epsilon_squared) for p in parts)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n", "width"), [(20, 6), (6, 20)])
@pytest.mark.parametrize("epsilon_squared", [0.5, 2.0])
def test_they_are_the_formulas(seed, n, width, epsilon_squared):
    z, y = features(seed, n, width)
    rate = coding_rate(torch.from_numpy(z), epsilon_squared=epsilon_squared)
    assert rate.shape == () and rate.dtype == torch.float64
    assert abs(rate.item() / plain_rate(z, epsilon_squared) - 1) < EXACT
    reduction = coding_rate_reduction(torch.from_numpy(z), torch.from_numpy(y), epsilon_squared=epsilon_squared)
    assert reduction.shape == () and abs(reduction.item() / plain_reduction(z, y, epsilon_squared) - 1) < EXACT


def test_cases_by_hand():
    # One feature: R = log(1 + q / epsilon^2) / 2, with q the mean square.
    assert abs(coding_rate(torch.tensor([[1.0], [3.0]])).item() - math.log(11) / 2) < EXACT
    assert coding_rate(torch.zeros(3, 2)).item() == 0
    # Two classes on two axes, two unit samples each: log det of diag(3, 3) against diag(5, 1) in each class.
    z = torch.eye(2).repeat_interleave(2, 0)
    found = coding_rate_reduction(z, torch.tensor([0, 0, 1, 1])).item()
    assert abs(found - (math.log(9) - math.log(5)) / 2) < EXACT
    assert abs(coding_rate_reduction(z, torch.zeros(4, dtype=torch.int64)).item()) < EXACT  # one class


@pytest.mark.parametrize("seed", range(3))
def test_rotations_and_the_order_of_rows_change_nothing(seed):
    z, y = features(seed)
    generator = np.random.default_rng(seed)
    turn, order = np.linalg.qr(generator.standard_normal((6, 6)))[0], generator.permutation(len(z))
    for one, labels in ((z @ turn, y), (z[order], y[order]), (-z, y), (z, 10 - y)):
        assert abs(coding_rate(one).item() / coding_rate(z).item() - 1) < EXACT
        assert abs(coding_rate_reduction(one, labels).item() / coding_rate_reduction(z, y).item() - 1) < EXACT


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6), n=st.integers(3, 12), width=st.integers(1, 12), scale=st.sampled_from([1e-3, 1, 1e3])
)
def test_a_reduction_is_never_negative(seed, n, width, scale):
    z, y = features(seed, n, width)
    assert coding_rate_reduction(scale * z, y).item() >= -EXACT


@pytest.mark.parametrize(("n", "width"), [(9, 4), (4, 9)])
def test_gradients_are_those_of_differences(n, width):
    z, y = features(n=n, width=width)
    rows, labels = torch.from_numpy(z).requires_grad_(), torch.from_numpy(y)
    assert torch.autograd.gradcheck(coding_rate, (rows,))
    assert torch.autograd.gradcheck(lambda one: coding_rate_reduction(one, labels), (rows,))


def test_single_precision_gets_gradients_too():
    z, y = features()
    rows = torch.from_numpy(z).float().requires_grad_()
    coding_rate_reduction(rows, torch.from_numpy(y)).backward()
    assert rows.grad.dtype == torch.float32 and rows.grad.abs().max() > 0


def test_as_a_training_objective_it_puts_classes_on_different_axes():
    torch.manual_seed(SEED)
    z, y = torch.randn(12, 4, dtype=torch.float64, requires_grad=True), torch.arange(12) % 2
    optimiser = torch.optim.Adam([z], lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        (-coding_rate_reduction(torch.nn.functional.normalize(z), y)).backward()
        optimiser.step()
    unit = torch.nn.functional.normalize(z.detach())
    assert (unit[y == 0] @ unit[y == 1].T).abs().max() < 0.01


def cases() -> dict[str, np.ndarray]:
    """Features whose Gram matrix has lost its small eigenvalues to rounding, and features lost beside the identity."""
    z, _ = features()
    line = z[:, :1] @ z[:1]
    return {
        "offset 3e7": z + 3e7,
        "offset 1e8": z + 1e8,
        "rank 1, 1e6": 1e6 * line,
        "rank 1, 1e8": 1e8 * line,
        "one sample": 1e7 * z[:1],
        "1e-3": 1e-3 * z,
        "1e-9": 1e-9 * z,
        "1e-150": 1e-150 * z,
    }


@pytest.mark.parametrize("name", cases())
@pytest.mark.parametrize("wide", [False, True])
def test_rates_of_large_and_small_features_are_those_of_singular_values(name, wide):
    z, y = cases()[name], features()[1]
    z, y = (z.T, y[: z.shape[1]]) if wide else (z, y[: len(z)])
    assert abs(coding_rate(z).item() / plain_rate(z, 0.5) - 1) < 1e-8
    assert abs(coding_rate_reduction(z, y).item() - plain_reduction(z, y, 0.5)) < 1e-7


@pytest.mark.parametrize("name", ["offset 3e7", "1e-9"])
def test_their_gradients_are_those_of_the_formula(name):
    z = cases()[name]
    rows = torch.from_numpy(z).requires_grad_()
    coding_rate(rows).backward()
    # c Z (I + c Z^T Z)^-1 with Z = U S V^T is U c S / (1 + c S^2) V^T.
    left, values, right = np.linalg.svd(z, full_matrices=False)
    factor = z.shape[1] / (len(z) * 0.5)
    expected = left @ np.diag(factor * values / (1 + factor * values**2)) @ right
    assert np.abs(rows.grad.numpy() - expected).max() < 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("size", [1e-2, 1e4])
def test_both_ways_to_compute_a_rate_agree_where_they_meet(size):
    z, _ = features()
    z = z / np.sqrt(6 / (20 * 0.5) * np.square(z).sum())  # the eigenvalues have the sum 1
    for nearly in (0.999, 1.001):
        one = math.sqrt(nearly * size) * z
        assert abs(coding_rate(one).item() / plain_rate(one, 0.5) - 1) < 1e-11


@pytest.mark.parametrize("scale", [1e12, 1e160, 1e300])
def test_features_whose_rate_is_rounding_are_refused(scale):
    z, y = features()
    for rate in (lambda: coding_rate(scale * z), lambda: coding_rate_reduction(scale * z, y)):
        with pytest.raises(ConfigError, match=r"mean square length of at most 8\.33e\+18.*: got .*; scale each sample"):
            rate()


@pytest.mark.parametrize("epsilon_squared", [np.float32(0.5), np.float64(0.5), 0.5])
def test_any_real_number_is_an_epsilon(epsilon_squared):
    assert coding_rate(np.eye(2), epsilon_squared=epsilon_squared).item() == coding_rate(np.eye(2)).item()


@pytest.mark.parametrize("epsilon_squared", [0.0, -1.0, math.nan, math.inf, True])
def test_an_epsilon_out_of_range_is_refused(epsilon_squared):
    with pytest.raises(ConfigError, match="epsilon_squared must be a number above 0"):
        coding_rate(torch.ones(2, 2), epsilon_squared=epsilon_squared)


@pytest.mark.parametrize(
    ("z", "y", "message"),
    [
        (torch.ones(2), torch.ones(2, dtype=torch.int64), "must be a matrix"),
        (torch.full((2, 2), math.inf), torch.ones(2, dtype=torch.int64), "must be finite"),
        (torch.ones(2, 2), torch.ones(3, dtype=torch.int64), "labels must be 2 whole numbers"),
        (torch.ones(2, 2), torch.ones(2), "labels must be 2 whole numbers"),
    ],
)
def test_features_and_labels_that_do_not_fit_are_refused(z, y, message):
    with pytest.raises(ConfigError, match=message):
        coding_rate_reduction(z, y)
