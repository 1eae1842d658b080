"""The theory statements, each as a test that would fail if the statement were false."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nrc_core import MLP, linear_cka, measure, nrc1, nrc2, nrc4, principal_angles, stable_rank
from nrc_core.metrics.regression import alignment_cosines, eigen, input_products
from nrc_core.results.results import Results
from nrc_core.sections.proposition_1.figures import counter_example_curve, proposition_bounds
from nrc_core.sections.proposition_1.tables import site_bounds
from nrc_core.theory.bounds import reverse_bound
from nrc_core.theory.statements import counter_example, proposition_1
from tests import oracle

ROUNDING = 1e-9
seeds = st.integers(0, 2**16)
many = settings(max_examples=80, derandomize=True, deadline=None)
some = settings(max_examples=12, derandomize=True, deadline=None)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def orthonormal(seed: int, rows: int, columns: int) -> np.ndarray:
    """Centred orthonormal columns."""
    return np.linalg.qr(oracle.centred(normal(seed, rows, columns)))[0]


def example(
    seed: int, t: int, *, flat: bool, angle: float = 1.0, spread: float = 0.0, noise: float = 0.0, tilt: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Features with a signal at about `angle` to the targets' span, spectra over `spread` decades, and noise below.

    `tilt` mixes targets into the noise, so that CKA(H, Y) may exceed CKA(H_sig, Y).
    """
    generator = np.random.default_rng(seed)
    basis = orthonormal(seed, 24, 2 * t + 2)
    turn = np.linalg.qr(generator.standard_normal((t, t)))[0]
    angles = angle * generator.uniform(0, math.pi / 2, t)
    signal = basis[:, :t] @ turn * np.cos(angles) + basis[:, t : 2 * t] * np.sin(angles)
    signal = np.linalg.qr(signal)[0]
    strengths = np.ones(t) if flat else 10.0 ** -generator.uniform(0, spread, t)
    rest = basis[:, 2 * t :] + tilt * basis[:, :1]
    rest = np.linalg.qr(rest - signal @ (signal.T @ rest))[0] * noise * strengths.min()
    targets = basis[:, :t] * 10.0 ** -generator.uniform(0, spread, t)
    mixing = np.linalg.qr(generator.standard_normal((t, t + 1)).T)[0].T  # t + 1 target columns of rank t
    return np.hstack([signal * strengths, rest]) @ np.linalg.qr(normal(seed, t + 2, t + 2))[0], targets @ mixing


# Proposition 1


@pytest.mark.parametrize(
    ("delta", "printed", "flat"),
    [(1e-3, 0.541196, 0.707107), (0.5, 0.560362, 0.727607), (1.0, 0.707107, 0.866025)],
)
def test_the_counter_example_by_hand(delta, printed, flat):
    found = proposition_1(*counter_example(delta, samples=12))
    assert found.epsilon_1 == pytest.approx(0, abs=1e-15)
    assert found.cka_signal == pytest.approx(1 / math.sqrt(2 * (1 + delta**4)), abs=1e-14)
    assert found.epsilon_2 == pytest.approx(1 - found.cka_signal, abs=1e-14)
    assert found.residual == pytest.approx(1 / math.sqrt(2), abs=1e-14)
    assert found.printed_bound == pytest.approx(printed, abs=1e-6)
    assert found.flat_bound == pytest.approx(flat, abs=1e-6)
    assert (found.residual > found.printed_bound + ROUNDING) == (delta < 1)


def test_the_counter_example_has_orthogonal_centred_columns_of_one_norm():
    h, y = counter_example(0.25, samples=20)
    joint = torch.cat([h, y], dim=1)
    assert joint.sum(0).tolist() == [0, 0, 0, 0]
    assert (joint.T @ joint).tolist() == [[20, 0, 20, 0], [0, 20, 0, 0], [20, 0, 20, 0], [0, 0, 0, 20 / 16]]


def test_the_printed_bound_fails_in_a_good_share_of_random_flat_cases():
    found = [proposition_1(*example(seed, 1 + seed % 4, flat=True, spread=1.0)) for seed in range(100)]
    assert all(f.epsilon_1 < 1e-14 for f in found)
    assert 10 <= sum(f.residual > f.printed_bound + ROUNDING for f in found) <= 90


def test_the_printed_bound_is_short_by_a_factor_of_up_to_the_root_of_two():
    # Features flat on t directions, targets on all but one of them and negligible on the last: mean sin^2 = 1 / t.
    basis = orthonormal(0, 80, 51)
    found = proposition_1(basis[:, :50], np.hstack([basis[:, :49], 1e-3 * basis[:, 50:]]))
    assert found.residual == pytest.approx(math.sqrt(1 / 50), abs=1e-12)
    assert 1.41 < found.residual / found.printed_bound < math.sqrt(2)


@given(
    seed=seeds,
    t=st.integers(1, 5),
    angle=st.sampled_from([1.0, 1e-1, 1e-4, 1e-8]),
    spread=st.sampled_from([0.0, 0.1, 1.0, 4.0]),
    noise=st.sampled_from([0.0, 1e-6, 0.3, 0.999]),
    tilt=st.sampled_from([0.0, 10.0]),
    flat=st.booleans(),
)
@many
def test_the_repaired_bounds_hold(seed, t, angle, spread, noise, tilt, flat):
    features, targets = example(seed, t, flat=flat, angle=angle, spread=spread, noise=noise, tilt=tilt)
    found = proposition_1(features, targets)
    assert found.target_rank == t
    assert found.residual <= found.general_bound * (1 + ROUNDING) + 1e-12
    assert found.unpredicted <= found.reverse_bound * (1 + ROUNDING) + 1e-12
    assert found.unpredicted <= reverse_bound(found.cka_signal, t, 1.0) + 1e-7
    if flat:
        assert found.residual <= found.flat_bound * (1 + ROUNDING) + 1e-12
        roots = math.sqrt(found.epsilon_1) + math.sqrt(found.white_bound)
        assert found.flat_bound <= roots + 1e-12
        assert roots <= math.sqrt(found.epsilon_1) + math.sqrt(2 * (1 - min(1.0, found.cka_signal))) + 1e-7
    if spread == 0:
        assert found.unpredicted <= found.white_bound * (1 + ROUNDING) + 1e-12


@given(seed=seeds, t=st.integers(1, 4), width=st.integers(1, 4))
@some
def test_the_bounds_hold_with_fewer_features_than_targets_and_few_samples(seed, t, width):
    rows = max(t, width) + 2
    found = proposition_1(normal(seed, rows, width), normal(seed + 1, rows, t))
    assert found.residual <= found.general_bound + 1e-12
    assert found.unpredicted <= found.reverse_bound + 1e-12
    assert found.epsilon_1 == 0 or width > t


def test_equal_singular_values_of_the_signal_are_needed_for_the_flat_bound():
    # Features (1, eps), targets that contain only the first: share eps^2 lost, 1 - CKA^2 = eps^4.
    basis = orthonormal(0, 12, 3)
    found = proposition_1(basis[:, :2] * [1, 0.1], basis[:, [0, 2]] * [1, 1e-4])
    assert found.residual**2 == pytest.approx(0.01 / 1.01, rel=1e-9)
    assert found.white_bound == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-6)
    assert found.residual > found.flat_bound


@pytest.mark.parametrize("t", [2, 5, 20])
def test_the_general_bound_is_near_attained(t):
    # One strong direction shared, t - 1 weak ones lost: (residual / bound)^2 tends to sqrt(1 - 1 / t).
    basis = orthonormal(1, 3 * t, 2 * t)
    strengths = np.r_[1, np.full(t - 1, 1e-2)]
    h, y = basis[:, :t] * strengths, np.hstack([basis[:, :1], basis[:, t : 2 * t - 1] * 1e-4])
    found = proposition_1(h, y)
    assert (found.residual / found.general_bound) ** 2 == pytest.approx(math.sqrt(1 - 1 / t), rel=2e-2)
    found = proposition_1(y, h)
    assert found.unpredicted / found.reverse_bound == pytest.approx(math.sqrt(1 - 1 / t), rel=2e-2)


def test_the_flat_bound_is_attained_in_the_limit_of_the_counter_example():
    found = proposition_1(*counter_example(1e-3, samples=8))
    assert found.residual == pytest.approx(found.flat_bound, abs=1e-12)


def test_predicting_features_from_targets_is_not_nrc4():
    # Targets of rank two, features with one of them: Y predicts H fully, H predicts half of Y.
    y = orthonormal(0, 10, 2)
    found = proposition_1(y[:, :1], y)
    assert found.residual == pytest.approx(0, abs=1e-12)
    assert found.unpredicted == pytest.approx(0.5)
    assert found.white_bound == pytest.approx(0.5)


@given(seed=seeds)
@some
def test_the_quantities_are_those_of_the_metrics(seed):
    h, y = normal(seed, 30, 5) * [3, 2, 1, 0.5, 0.1] + 7, normal(seed + 1, 30, 2)
    y = y + h[:, :2]
    found = proposition_1(h, y)
    assert found.epsilon_1 == pytest.approx(nrc1(h, 2), abs=1e-12)
    assert found.epsilon_2 == pytest.approx(1 - linear_cka(h, y), abs=1e-12)
    assert found.cka_signal == pytest.approx(nrc2(h, y), abs=1e-12)
    assert found.unpredicted == pytest.approx(nrc4(h, y) / y.var(0).mean(), abs=1e-12)
    error = oracle.prediction_error(y, h)
    assert found.residual**2 == pytest.approx(error / h.var(0).mean(), abs=1e-12)
    assert found.reverse_bound == pytest.approx(reverse_bound(nrc2(h, y), 2, stable_rank(oracle.centred(y))), abs=1e-9)


def test_the_reverse_bound_by_hand():
    assert reverse_bound(0.8, target_rank=2, target_stable_rank=2.0) == pytest.approx(0.6)
    assert reverse_bound(0.6, target_rank=4, target_stable_rank=1.0) == pytest.approx(1.6)
    assert reverse_bound(1 + 1e-15, target_rank=2, target_stable_rank=1.0) == 0
    assert math.isnan(reverse_bound(math.nan, target_rank=2, target_stable_rank=1.0))


def network(dead: bool) -> Results:
    """Measurements of an untrained network, or of one whose features are constant from the second site on."""
    torch.manual_seed(0)
    model = MLP(4, 16, 4, 3)
    if dead:
        model.layers[0].weight.data.zero_()
    table = measure(model, torch.randn(60, 4), torch.randn(60, 3))
    table = table.assign(key="a", seed=0, epoch=1, split="train", features="post", convention="careful")
    empty = pd.DataFrame()
    return Results(pd.DataFrame({"key": ["a"]}), table, empty, empty, {})


def test_the_bound_of_every_site_that_feeds_a_weight():
    sites = site_bounds(network(dead=False).final())
    assert sites["site"].tolist() == [0, 1, 2, 3]
    first = sites.iloc[0]
    assert first["bound"] == pytest.approx(math.sqrt(3 / first["target_stable_rank"] * (1 - first["nrc2"] ** 2)))
    assert (sites["nrc4_unexplained"] <= sites["bound"]).all()
    assert site_bounds(network(dead=True).final())["site"].tolist() == [0]


def test_the_figures_say_what_the_numbers_say():
    results = network(dead=False)
    assert "holds at all 4 sites" in proposition_bounds(results).alt
    measurements = results.measurements
    measurements.loc[measurements["site"] == 2, "nrc4_unexplained"] = 9.0
    assert "fails at 1 of 4 sites" in proposition_bounds(results).alt
    rows = {delta: vars(proposition_1(*counter_example(delta, 8))) for delta in (0.1, 0.5, 1.0)}
    curve = counter_example_curve(pd.DataFrame.from_dict(rows, orient="index"))
    assert "fails for 2 of 3 values" in curve.alt
    assert "the residual is 0.707, the printed bound 0.541" in curve.alt


def test_a_small_distance_of_cka_from_one_keeps_its_digits():
    basis = orthonormal(3, 20, 2)
    found = proposition_1(basis[:, :1] + 1e-9 * basis[:, 1:], basis[:, :1])
    assert found.white_bound == pytest.approx(2e-18, rel=1e-4)  # 1 - cos^4
    assert found.residual == pytest.approx(1e-9, rel=1e-6)


@given(seed=seeds, t=st.integers(1, 4), flat=st.tuples(st.booleans(), st.booleans()))
@some
def test_cka_is_the_mean_squared_cosine_when_both_spectra_are_flat(seed, t, flat):
    signal, targets = orthonormal(seed, 20, t), orthonormal(seed + 1, 20, t)
    mean = np.mean(np.linalg.svd(signal.T @ targets, compute_uv=False) ** 2)
    assert linear_cka(signal, targets) == pytest.approx(mean, abs=1e-12)
    stretch = np.geomspace(1, 0.5, t)
    if t > 1:
        assert abs(linear_cka(signal, targets * stretch) - mean) > 1e-6  # only H is flat
        assert abs(linear_cka(signal * stretch, targets) - mean) > 1e-6


# CKA


@given(seed=seeds, scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
@some
def test_cka_is_one_exactly_for_proportional_gram_matrices(seed, scale, shift):
    h = normal(seed, 20, 3)
    turn = np.linalg.qr(normal(seed + 1, 5, 5))[0][:3]  # into five dimensions
    assert linear_cka(scale * h @ turn + shift, h) == pytest.approx(1, abs=1e-9)
    first, second = (oracle.centred(a) @ oracle.centred(a).T for a in (h, h * [1, 1, 1.1]))
    first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    distance = np.linalg.norm(first - second) ** 2 / 2
    assert linear_cka(h, h * [1, 1, 1.1]) == pytest.approx(1 - distance, abs=1e-12)
    assert distance > 1e-6


@given(seed=seeds, noise=st.sampled_from([0.0, 0.5]))
@some
def test_projected_and_full_cka_agree_without_noise(seed, noise):
    y = normal(seed, 30, 2)
    h = y @ normal(seed + 1, 2, 6) + noise * normal(seed + 2, 30, 6)
    assert (abs(nrc2(h, y) - linear_cka(h, y)) < 1e-12) == (nrc1(h, 2) < 1e-12)


# Angles between top and bottom subspaces


@given(seed=seeds, r=st.integers(1, 5), h=st.integers(6, 12))
@some
def test_alignment_with_the_bottom_subspace_is_the_sine_of_the_top_angles(seed, r, h):
    features, weight = normal(seed, 30, h), normal(seed + 1, h + 1, h)
    spectrum, inputs = eigen(torch.from_numpy(np.cov(features.T))), eigen(input_products(torch.from_numpy(weight)))
    cosines = alignment_cosines(spectrum, inputs, r)
    sines = (1 - cosines.square()).sqrt().sort().values
    first = np.linalg.svd(oracle.centred(features))[2]
    second = np.linalg.svd(weight)[2]
    for top, bottom, dense in (
        (inputs.vectors[:, :r], spectrum.vectors[:, r:], second[:r] @ first[r:].T),
        (spectrum.vectors[:, :r], inputs.vectors[:, r:], first[:r] @ second[r:].T),
    ):
        crossed = principal_angles(top, bottom).cos()
        assert crossed.numpy() == pytest.approx(np.linalg.svd(dense, compute_uv=False), abs=1e-7)
        # min(r, h - r) angles: the largest sines; the others are zero, for the top subspaces meet.
        count = min(r, h - r)
        assert crossed.sort().values.numpy() == pytest.approx(sines[r - count :].numpy(), abs=1e-6)
        assert sines[: r - count].numpy() == pytest.approx(0, abs=1e-6)
        if h >= 2 * r:
            assert crossed.mean().item() == pytest.approx(sines.mean().item(), abs=1e-6)


def test_with_fewer_than_2r_features_the_two_means_differ():
    a, b = (torch.from_numpy(np.linalg.qr(normal(seed, 5, 5))[0]) for seed in (0, 1))
    crossed = principal_angles(a[:, :3], b[:, 3:]).cos().mean().item()
    top = principal_angles(a[:, :3], b[:, :3]).sin().mean().item()
    assert crossed == pytest.approx(1.5 * top, abs=1e-6)  # r / (h - r)


# Stable rank


def test_two_definitions_of_stable_rank_by_hand():
    values = np.array([1, 0.5, 0.25])
    assert stable_rank(np.diag(np.sqrt(values))) == pytest.approx(1.75)
    assert stable_rank(np.diag(values)) == pytest.approx(1.3125)


@given(seed=seeds, k=st.integers(1, 5))
@some
def test_stable_rank_and_noise(seed, k):
    h = oracle.centred(normal(seed, 20, 5) * 10.0 ** -np.arange(5))
    usual, covariance = stable_rank(h), stable_rank(h.T @ h)
    assert usual == pytest.approx(1 / (1 - nrc1(h, 1)))
    assert 1 <= covariance <= usual + 1e-12
    assert 1 - k / usual <= nrc1(h, k) + 1e-12
    assert nrc1(h, k) <= 1 - 1 / usual + 1e-12
    flat = orthonormal(seed, 20, 5)
    assert stable_rank(flat) == pytest.approx(stable_rank(flat.T @ flat)) == pytest.approx(5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: counter_example(0.0, 8), "not zero"),
        (lambda: counter_example(0.5, 6), "multiple of 4: got 6"),
        (lambda: proposition_1(normal(0, 5, 2), normal(0, 4, 2)), "equal rows: got 5 and 4"),
        (lambda: proposition_1(np.ones((5, 2)), normal(0, 5, 2)), "features must vary"),
        (lambda: proposition_1(normal(0, 5, 2), np.full((5, 1), math.nan)), "targets must be finite"),
    ],
)
def test_errors_teach(call, message):
    with pytest.raises(ValueError, match=message):
        call()
