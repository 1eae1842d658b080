"""Unconstrained features models and the noise from a ReLU: closed forms compared with minimisation and samples."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nrc_core import linear_cka, nrc1, nrc3
from nrc_core.metrics.regression import eigen
from nrc_core.theory.bounds import cone_noise, decay_beyond_targets
from nrc_core.theory.statements import deep_ufm_kept, deep_ufm_threshold, ufm_minimum, unregularised_solution
from tests import oracle

seeds = st.integers(0, 2**16)
some = settings(max_examples=12, derandomize=True, deadline=None)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def orthonormal(seed: int, rows: int, columns: int) -> np.ndarray:
    """Centred orthonormal columns."""
    return np.linalg.qr(oracle.centred(normal(seed, rows, columns)))[0]


def ufm_loss(w: torch.Tensor, h: torch.Tensor, b: torch.Tensor, y: torch.Tensor, decays: tuple[float, float]) -> float:
    feature_decay, weight_decay = decays
    error = (h @ w.T + b - y).square().sum() + feature_decay * h.square().sum()
    return (error / (2 * len(y)) + weight_decay / 2 * w.square().sum()).item()


def alternate(y: torch.Tensor, decays: tuple[float, float], seed: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Alternating least squares over W, H and b from a random start: (W, residual, loss)."""
    n, width = len(y), 5
    w, b = torch.from_numpy(normal(seed, y.shape[1], width)), torch.zeros(y.shape[1], dtype=torch.float64)
    eye = torch.eye(width, dtype=torch.float64)
    for _ in range(1500):
        h = torch.linalg.solve(w.T @ w + decays[0] * eye, w.T @ (y - b).T).T
        w = torch.linalg.solve(h.T @ h + n * decays[1] * eye, h.T @ (y - b)).T
        b = (y - h @ w.T).mean(0)
    return w, y - b - h @ w.T, ufm_loss(w, h, b, y, decays)


@pytest.mark.parametrize(("c", "rank"), [(0.02, 3), (0.3, 2), (0.9, 1), (2.6, 0)])
@pytest.mark.parametrize("ratio", [1.0, 9.0])
def test_the_minimum_of_the_unconstrained_features_model(c, rank, ratio):
    turn = np.linalg.qr(normal(1, 3, 3))[0]
    y = torch.from_numpy(orthonormal(0, 12, 3) * np.sqrt(12 * np.array([2.0, 0.6, 0.1])) @ turn + 4)
    decays = (math.sqrt(c * ratio), math.sqrt(c / ratio))
    covariance = torch.cov(y.T, correction=0)
    expected = ufm_minimum(covariance, *decays)
    w, residual, loss = alternate(y, decays, seed=2)
    assert expected.rank == rank
    assert loss == pytest.approx(expected.loss, abs=1e-9)
    assert (w @ w.T).numpy() == pytest.approx(expected.weight_gram.numpy(), abs=1e-6)
    if rank == 3:  # what is left has the covariance c I
        assert torch.cov(residual.T, correction=0).numpy() == pytest.approx(c * np.eye(3), abs=1e-6)
        deviations = eigen(covariance).values.sqrt()
        assert expected.loss == pytest.approx(1.5 * c + math.sqrt(c) * (deviations - math.sqrt(c)).sum().item())


@given(seed=seeds, size=st.sampled_from([1e-3, 0.1, 1.0]))
@some
def test_beyond_the_target_covariance_zero_is_the_only_minimum(seed, size):
    y = torch.from_numpy(oracle.centred(normal(seed, 10, 2)))
    covariance = torch.cov(y.T, correction=0)
    decays = (1.05 * eigen(covariance).values[0].item(), 1.0)
    expected = ufm_minimum(covariance, *decays)
    assert (expected.rank, expected.weight_gram.abs().max().item()) == (0, 0)
    assert expected.loss == pytest.approx(covariance.trace().item() / 2)
    # The worst other point has W and H along the strongest target direction.
    vector = eigen(covariance).vectors[:, :1]
    w = size * vector @ torch.ones(1, 4, dtype=torch.float64)
    zero = torch.zeros(2, dtype=torch.float64)
    for h in (y @ w / decays[0], torch.from_numpy(size * normal(seed + 1, 10, 4))):
        assert ufm_loss(w, h, zero, y, decays) > expected.loss


@given(
    depth=st.integers(1, 7),
    feature_decay=st.floats(1e-3, 1.0),
    weight_decay=st.floats(1e-3, 1.0),
    side=st.sampled_from([0.98, 1.02]),
)
@some
def test_the_deep_threshold_agrees_with_a_grid(depth, feature_decay, weight_decay, side):
    decays = [weight_decay] * depth
    a = side * deep_ufm_threshold(feature_decay, decays)
    c = (feature_decay * weight_decay**depth) ** (1 / (depth + 1))
    u = np.linspace(0, a, 20_001)
    values = (u - a) ** 2 / 2 + (depth + 1) / 2 * c * u ** (2 / (depth + 1))
    best = u[values.argmin()]
    assert (best > 0) == (side > 1) == bool(deep_ufm_kept(torch.tensor([[a**2]]).double(), feature_decay, decays))
    if depth > 1:
        assert values[1] > values[0]  # zero is a local minimum
        assert best == 0 or best > (depth - 1) / depth * a  # a jump, not a shrinking


@pytest.mark.parametrize(("c", "kept"), [(0.02, 2), (0.15, 1), (0.5, 0)])
def test_the_deep_model_with_all_its_matrices_has_the_sum_over_directions_as_minimum(c, kept):
    deviations, n = np.array([1.0, 0.4]), 6
    left = orthonormal(0, n, 2) * math.sqrt(n)
    y = left * deviations
    u = np.linspace(0, 1, 100_001)
    best = [((u - a) ** 2 / 2 + 1.5 * c * u ** (2 / 3)).argmin() for a in deviations]
    expected = sum(((u[i] - a) ** 2 / 2 + 1.5 * c * u[i] ** (2 / 3)) for i, a in zip(best, deviations, strict=True))
    assert deep_ufm_kept(torch.diag(torch.from_numpy(deviations**2)), c, [c, c]) == kept == np.count_nonzero(best)
    balanced = np.diag(u[best] ** (1 / 3))
    minimum = (left @ balanced, balanced, balanced)
    assert deep_loss(minimum, y, c) == pytest.approx(expected, abs=1e-8)
    nearby = tuple(factor + 0.02 * normal(i, *factor.shape) for i, factor in enumerate(minimum))
    assert alternate_deep(nearby, y, c) == pytest.approx(expected, abs=1e-6)
    anywhere = tuple(normal(i, *factor.shape) for i, factor in enumerate(minimum))
    assert alternate_deep(anywhere, y, c) > expected - 1e-9


Factors = tuple[np.ndarray, np.ndarray, np.ndarray]


def deep_loss(factors: Factors, y: np.ndarray, c: float) -> float:
    h, first, second = factors
    error = ((h @ first.T @ second.T - y) ** 2).sum() + c * (h**2).sum()
    return error / (2 * len(y)) + c / 2 * ((first**2).sum() + (second**2).sum())


def alternate_deep(start: Factors, y: np.ndarray, c: float) -> float:
    """The loss after alternating least squares over the features and two weights, every decay c."""
    h, first, second = start
    n, eye = len(y), np.eye(2)
    for _ in range(500):
        both = second @ first
        h = np.linalg.solve(both.T @ both + c * eye, both.T @ y.T).T
        design = np.kron(h, second)  # of the entries of first.T, row by row
        first = np.linalg.solve(design.T @ design + n * c * np.eye(4), design.T @ y.ravel()).reshape(2, 2).T
        hidden = h @ first.T
        second = np.linalg.solve(hidden.T @ hidden + n * c * eye, hidden.T @ y).T
    return deep_loss((h, first, second), y, c)


@pytest.mark.parametrize("t", [1, 3])
@pytest.mark.parametrize("cosine", [0.01, 0.5, 0.99])
def test_without_regularisation_alignment_can_be_anything_at_zero_loss(t, cosine):
    frame = np.linalg.qr(normal(0, 8, 8))[0].T
    weight, invisible = normal(1, t, t) @ frame[:t], frame[t : 2 * t]
    y = normal(2, 20, t)
    tangent = math.sqrt(1 / cosine**2 - 1)
    free = tangent * y @ np.linalg.inv(weight @ frame[:t].T).T @ invisible
    h = unregularised_solution(weight, y, free).numpy()
    assert h @ weight.T == pytest.approx(y, abs=1e-11)
    assert nrc3(h, weight, t) == pytest.approx(cosine, abs=1e-6)


# The cone of a ReLU


@given(seed=seeds, n=st.integers(50, 200), width=st.integers(2, 12), t=st.integers(1, 3))
@some
def test_noise_after_a_relu_without_bias_is_at_most_the_share_of_the_even_part(seed, n, width, t):
    z = normal(seed, n, t)
    p = np.vstack([z, -z]) @ normal(seed + 1, t, width)  # symmetric, so that the halves are uncorrelated
    even = np.abs(p).var(0).sum() / (p.var(0).sum() + np.abs(p).var(0).sum())
    if width >= t:
        assert nrc1(p.clip(min=0), min(t, width)) <= even + 1e-12


@pytest.mark.parametrize("depth", [3, 8])
@pytest.mark.parametrize("target_dim", [1, 2, 10])
def test_the_decay_beyond_the_targets_is_where_a_deep_linear_network_gives_up(depth, target_dim):
    """The closed form of the deep model agrees with the loss of the best network on a grid just below and above."""
    strongest = 1.7
    decay = decay_beyond_targets(strongest, target_dim, depth)
    features = decay * target_dim / 2
    assert deep_ufm_threshold(features, [features] * (depth - 1)) == pytest.approx(math.sqrt(strongest))
    for factor, zero_is_best in ((0.99, False), (1.01, True)):
        weight = np.linspace(0.01, 2, 4000)
        loss = (math.sqrt(strongest) - weight**depth) ** 2 / target_dim + factor * decay / 2 * depth * weight**2
        assert (loss.min() > strongest / target_dim) == zero_is_best
    with pytest.raises(ValueError, match="depth must be at least 3: got 2"):
        decay_beyond_targets(strongest, target_dim, depth=2)


def test_balanced_pairs_reach_the_cone_noise():
    # Exact covariance of (relu(z), relu(-z)) for a standard normal z, by hand.
    variance, covariance = 1 / 2 - 1 / (2 * math.pi), -1 / (2 * math.pi)
    small, large = np.linalg.eigvalsh([[variance, covariance], [covariance, variance]])
    assert small / (small + large) == pytest.approx(cone_noise(), abs=1e-15)
    assert cone_noise() == pytest.approx(1 - math.pi / (2 * (math.pi - 1)), abs=1e-15)


def test_balanced_pairs_in_a_sample():
    n, t = 200_000, 2
    z = normal(0, n, t)
    h = np.hstack([z.clip(min=0), (-z).clip(min=0)])
    # The relative error of each variance is about sqrt(kurtosis / n) < sqrt(3 / n); four of them, t directions.
    assert nrc1(h, t) == pytest.approx(cone_noise(), abs=4 * math.sqrt(3 / (n * t)))
    assert nrc1(h, 2 * t) == 0
    assert nrc1(h, 2 * t - 1) > 0.1
    assert linear_cka(h[:, :t] - h[:, t:], z) == pytest.approx(1)


@pytest.mark.parametrize("other", [(1.0, 0.0), (1.0, 0.3)])
def test_the_cone_noise_is_no_floor(other):
    # One signal in unbalanced pairs has less noise; two signals of different strength in balanced pairs have less too.
    z = normal(1, 20_000, 1)
    h = np.hstack([z.clip(min=0), (-z).clip(min=0)]) * other
    assert nrc1(h, 1) < 0.5 * cone_noise()
    two = normal(2, 20_000, 2) * [1, 0.3]
    assert nrc1(np.hstack([two.clip(min=0), (-two).clip(min=0)]), 2) < 0.5 * cone_noise()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ufm_minimum(torch.eye(2), 0.0, 1.0), "positive"),
        (lambda: deep_ufm_threshold(1.0, []), "at least one weight"),
        (lambda: unregularised_solution(np.ones((2, 3)), normal(0, 5, 2), normal(1, 5, 3)), "full row rank"),
    ],
)
def test_errors_teach(call, message):
    with pytest.raises(ValueError, match=message):
        call()
