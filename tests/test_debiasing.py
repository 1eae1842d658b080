"""The debiased CKA against its definition by n x n Gram matrices."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nrc_core import Moments, debiased_cka, linear_cka, measure
from nrc_core.metrics.debiasing import SquaredNorms, debiased_covariance_cka
from tests.test_metrics import normal, rotation


def gram_debiased(x: np.ndarray, y: np.ndarray) -> float:
    """Equation 5 of Song et al. (2012), as printed."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        one = np.ones(n)
        return (
            np.trace(a @ b) + one @ a @ one * (one @ b @ one) / ((n - 1) * (n - 2)) - 2 * one @ a @ b @ one / (n - 2)
        ) / (n * (n - 3))

    return hsic(k, m) / math.sqrt(hsic(k, k) * hsic(m, m))


@given(seed=st.integers(0, 2**16), n=st.integers(5, 60), h=st.integers(1, 80), t=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_it_is_what_gram_matrices_give(seed, n, h, t):
    x, y = normal(seed, n, h) + 3, normal(seed + 1, n, t)
    y[:, 0] += x[:, 0]
    assert debiased_cka(x, y) == pytest.approx(gram_debiased(x, y), rel=1e-8, abs=1e-10)


def test_independent_noise_has_none_of_it():
    """With 50 rows of 512 features, CKA without debiasing looks like collapse for any targets."""
    values = [debiased_cka(normal(seed, 50, 512), normal(seed + 100, 50, 50)) for seed in range(20)]
    assert linear_cka(normal(0, 50, 512), normal(100, 50, 50)) > 0.6
    assert abs(np.mean(values)) < 0.02  # its standard error is 0.007
    x = normal(3, 200, 5)
    assert debiased_cka(x, x) == pytest.approx(1)


@given(seed=st.integers(0, 2**16), scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
@settings(max_examples=20, deadline=None)
def test_it_does_not_see_rotation_scale_or_shift(seed, scale, shift):
    x, y = normal(seed, 30, 6), normal(seed + 1, 30, 3)
    moved = scale * x @ rotation(seed + 2, 6) + shift
    assert debiased_cka(moved, y) == pytest.approx(debiased_cka(x, y), abs=1e-6)


@pytest.mark.parametrize("batch", [7, 100, 2000])
@pytest.mark.parametrize("drift", [0.0, 50.0])
def test_it_comes_from_one_pass_whatever_the_batches(batch, drift):
    """The mean is known only at the end; here it moves far from the mean of the first batch."""
    x, y = normal(0, 1500, 4) + drift * np.linspace(0, 1, 1500)[:, None], normal(1, 1500, 2)
    features, targets = torch.from_numpy(x), torch.from_numpy(y)
    moments, norms = Moments(4, 2), SquaredNorms()
    for rows in range(0, 1500, batch):
        moments.update(features[rows : rows + batch], targets[rows : rows + batch])
        norms.update(features[rows : rows + batch], targets[rows : rows + batch])
    d, e = ((part - part.mean(0)) ** 2 for part in (x, y))
    d, e = d.sum(1), e.sum(1)
    expected = np.array([[d @ d, d @ e], [e @ d, e @ e]])
    np.testing.assert_allclose(norms.products(moments).numpy(), expected, rtol=1e-11)
    assert debiased_covariance_cka(moments, norms) == pytest.approx(gram_debiased(x, y), rel=1e-8, abs=1e-12)


def test_it_is_not_a_number_where_there_is_none():
    assert math.isnan(debiased_cka(normal(0, 3, 2), normal(1, 3, 2)))
    assert math.isnan(debiased_cka(np.full((9, 2), 0.1), normal(1, 9, 2)))
    with pytest.raises(ValueError, match="add a batch first"):
        SquaredNorms().products(Moments(2, 1))


def test_measure_has_it_beside_the_plain_one():
    x, y = torch.randn(60, 6), torch.randn(60, 2)
    model = nn.Sequential(nn.Linear(6, 128), nn.ReLU(), nn.Linear(128, 2))
    table = measure(model, x, y, batch_size=17)
    hidden = model[:2](x).detach().double().numpy()
    for row, features in ((0, x.double().numpy()), (1, hidden)):
        assert table["cka_debiased"].iloc[row] == pytest.approx(gram_debiased(features, y.double().numpy()), rel=1e-6)
        assert table["cka"].iloc[row] == pytest.approx(linear_cka(features, y), rel=1e-6)
