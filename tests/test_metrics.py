import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nrc_core import linear_cka, nrc1, nrc2, nrc3, nrc4, principal_angles, stable_rank
from nrc_core.metrics.regression import Eigen, effective_rank, eigen, noise_curve
from tests import oracle

CROSS = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def rotation(seed: int, size: int) -> np.ndarray:
    return np.linalg.qr(normal(seed, size, size))[0]


seeds = st.integers(0, 2**16)


def test_nrc1_by_hand():
    assert nrc1(CROSS, 1) == pytest.approx(2 / 10, abs=1e-15)
    assert nrc1(CROSS, 2) == 0.0


def test_nrc1_of_a_line_off_the_origin_is_zero():
    line = np.outer(np.arange(5.0), [3.0, -4.0]) + np.array([100.0, 7.0])
    assert nrc1(line, 1) == pytest.approx(0, abs=1e-15)


def test_nrc2_by_hand():
    # Targets (1, -1, 0, 0) and (0, 0, 1, -1); features stretch the first axis by 3: the covariances
    # are diag(9, 1) / 2 and diag(1, 1) / 2, so CKA = (9 + 1) / sqrt((81 + 1) 2) = 10 / sqrt(164).
    y = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert nrc2(y * [3, 1], y) == pytest.approx(10 / math.sqrt(164), abs=1e-14)
    # On the top direction alone: |(3, 0)|^2 -> 9 / (9 sqrt 2).
    assert nrc2(y * [3, 1], y, rank=1) == pytest.approx(1 / math.sqrt(2), abs=1e-14)


def test_nrc3_by_hand():
    features = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    angle = 0.3
    assert nrc3(features, np.array([[math.cos(angle), math.sin(angle), 0.0]]), 1) == pytest.approx(math.cos(angle))


def test_nrc4_by_hand():
    # y = h^2 on -1, 0, 1: the best line is flat, the error is the variance 2/9.
    h = np.array([[-1.0], [0.0], [1.0]])
    assert nrc4(h, h**2) == pytest.approx(2 / 9, abs=1e-15)
    assert nrc4(h, 2 * h + 5) == pytest.approx(0, abs=1e-15)


def test_nrc4_tolerance_decides_which_directions_count():
    y = normal(0, 50, 1)
    other = normal(1, 50, 1)
    features = np.hstack([other, 5e-4 * y])
    assert nrc4(features, y) == pytest.approx(0, abs=1e-10)
    assert nrc4(features, y, tolerance=1e-6) > 0.5 * y.var()


def test_stable_rank_by_hand():
    assert stable_rank(np.diag([2.0, 1.0, 1.0])) == pytest.approx(6 / 4)


def test_principal_angles_by_hand():
    a = torch.eye(4)[:, :2]
    b = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    assert principal_angles(a, b).tolist() == pytest.approx([0, math.pi / 2])


@given(seed=seeds, rank=st.integers(1, 5), scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
@settings(max_examples=40, deadline=None)
def test_metrics_do_not_see_rotation_scale_or_shift(seed, rank, scale, shift):
    h, y, w = normal(seed, 40, 6), normal(seed + 1, 40, 3), normal(seed + 2, 7, 6)
    q = rotation(seed + 3, 6)
    moved = scale * h @ q + shift
    assert nrc1(moved, rank) == pytest.approx(nrc1(h, rank), abs=1e-9)
    assert nrc2(moved, y, rank) == pytest.approx(nrc2(h, y, rank), abs=1e-7)
    assert nrc3(moved, w @ q, rank) == pytest.approx(nrc3(h, w, rank), abs=1e-6)
    assert nrc4(moved, y) == pytest.approx(nrc4(h, y), abs=1e-8)
    assert linear_cka(moved, y) == pytest.approx(linear_cka(h, y), abs=1e-9)
    assert stable_rank(scale * h @ q) == pytest.approx(stable_rank(h))


@given(seed=seeds, rank=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_metrics_agree_with_dense_references(seed, rank):
    h, y, w = normal(seed, 30, 5) * [3, 2, 1, 0.5, 0.1], normal(seed + 1, 30, 2) + 4, normal(seed + 2, 6, 5)
    assert nrc1(h, rank) == pytest.approx(oracle.noise(h, rank), abs=1e-12)
    assert linear_cka(h, y) == pytest.approx(oracle.gram_cka(h, y), abs=1e-12)
    assert nrc2(h, y, rank) == pytest.approx(oracle.gram_cka(oracle.project(h, rank), y), abs=1e-9)
    assert nrc3(h, w, rank) == pytest.approx(oracle.mean_cosine(h, w, rank), abs=1e-8)
    assert nrc4(h, y) == pytest.approx(oracle.prediction_error(h, y), abs=1e-11)


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_ranges(seed):
    h, y, w = normal(seed, 20, 4), normal(seed + 1, 20, 2), normal(seed + 2, 3, 4)
    assert 0 <= nrc1(h, 2) <= 1
    assert 0 <= nrc2(h, y) <= 1 + 1e-12
    assert 0 <= nrc3(h, w, 2) <= 1
    assert 0 <= nrc4(h, y) <= y.var(0).mean() + 1e-12
    assert 1 <= stable_rank(h) <= 4


def test_nrc1_curve_falls_to_zero_and_keeps_small_tails():
    curve = noise_curve(torch.tensor([1.0, 1e-20, 1e-30], dtype=torch.float64))
    assert curve.tolist() == pytest.approx([1e-20, 1e-30, 0.0], rel=1e-9)


def test_a_rank_one_network_has_no_noise_but_is_seen_by_its_effective_rank():
    h = np.outer(normal(0, 50), normal(1, 8))
    assert nrc1(h, 2) == pytest.approx(0, abs=1e-14)
    assert effective_rank(eigen(torch.from_numpy(np.cov(h.T))).values) == 1
    assert effective_rank(torch.tensor([1.0, 0.0], dtype=torch.float64)) == 1


def test_no_variance_is_not_a_number():
    constant, y = np.full((10, 3), 0.1), normal(0, 10, 2)
    assert math.isnan(nrc1(constant, 1))
    assert math.isnan(nrc2(constant, y))
    assert math.isnan(linear_cka(constant, y))
    assert math.isnan(nrc3(constant, np.ones((2, 3)), 1))
    assert math.isnan(nrc3(normal(1, 10, 3), np.zeros((2, 3)), 1))
    assert math.isnan(stable_rank(np.zeros((3, 3))))
    assert nrc4(constant, y) == pytest.approx(y.var(0).mean())
    assert effective_rank(torch.zeros(3, dtype=torch.float64)) == 0


def test_a_weight_with_fewer_rows_than_the_rank_offers_its_row_space():
    features = np.diag([3.0, 2.0, 1.0]) - 1.0
    assert 0 < nrc3(features, np.array([[1.0, 0.0, 0.0]]), rank=2) <= 1


def test_rounding_below_zero_is_clipped():
    values = eigen(torch.tensor([[1.0, 1.0], [1.0, 1.0 - 1e-16]], dtype=torch.float64)).values
    assert isinstance(eigen(torch.eye(2, dtype=torch.float64)), Eigen)
    assert (values >= 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nrc1(CROSS, 0), "rank must be between 1 and the number of features, 2: got 0"),
        (lambda: nrc1(CROSS, 3), "rank must be between 1 and the number of features, 2: got 3"),
        (lambda: nrc2(CROSS, CROSS[:3]), "equal rows: got 4 and 3"),
        (lambda: nrc3(CROSS, np.ones((2, 3)), 1), "one column per feature"),
        (lambda: nrc4(CROSS, CROSS, tolerance=1.0), r"in \[0, 1\): got 1.0"),
        (lambda: nrc1(np.array([[1.0, math.nan], [0.0, 1.0]]), 1), "must be finite"),
        (lambda: nrc1(np.zeros((0, 2)), 1), r"not empty: got shape \(0, 2\)"),
    ],
)
def test_errors_teach(call, message):
    with pytest.raises(ValueError, match=message):
        call()
