"""Deep unconstrained features with ReLU: closed forms against optimisation, explicit matrices and the source."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from nrc_core.theory import deep_ufm_loss, deep_ufm_matrices
from nrc_core.theory.bounds import deep_zero_from
from nrc_core.theory.deep_features import (
    _best_mixture,
    _last_two,
    deep_ufm_objective,
    relative_norm,
    scaled,
    triangular_factors,
)
from nrc_core.theory.factors import Factors

SETTINGS = [(6, 3, 1e-3, 1), (10, 4, 4e-3, 2), (15, 3, 2e-3, 3), (3, 5, 1e-2, 1), (21, 6, 5e-4, 1)]


def objective(factors: list[np.ndarray], decay: float) -> float:
    """The objective as it is written in the source, in NumPy."""
    signal, total = factors[1] @ factors[0], factors[0].shape[1]
    for weight in factors[2:]:
        signal = weight @ np.maximum(signal, 0)
    targets = np.kron(np.eye(len(signal)), np.ones(total // len(signal)))
    return ((signal - targets) ** 2).sum() / (2 * total) + decay / 2 * sum((factor**2).sum() for factor in factors)


@pytest.mark.parametrize("structure", ["collapse", "triangular"])
@pytest.mark.parametrize(("classes", "depth", "decay", "samples"), SETTINGS)
def test_the_loss_is_the_least_over_all_scales_of_the_explicit_factors(structure, classes, depth, decay, samples):
    given = {"classes": classes, "depth": depth, "decay": decay, "samples": samples}
    loss, found = deep_ufm_loss(structure, **given), deep_ufm_matrices(structure, **given)
    factors = [found.features.numpy(), *(weight.numpy() for weight in found.weights)]
    assert {factor.dtype for factor in factors} == {np.dtype("float64")}
    assert factors[0].shape[1] == classes * samples
    assert len(found.weights) == depth
    assert objective(factors, decay) == pytest.approx(loss, abs=1e-12)
    assert deep_ufm_objective(found, decay=decay).item() == pytest.approx(loss, abs=1e-12)
    # From other scales of the factors, the descent over these scales ends at the same loss.
    start = np.random.default_rng(0).normal(0, 0.2, depth + 1)
    ended = minimize(
        lambda logs: objective([math.exp(one) * factor for one, factor in zip(logs, factors, strict=True)], decay),
        start, options={"gtol": 1e-10},
    )  # fmt: skip
    assert ended.fun == pytest.approx(loss, abs=1e-10)


@pytest.mark.parametrize("vertices", [3, 4, 5, 6, 7])
def test_the_formula_of_the_triangular_structure_counts_what_its_matrices_have(vertices):
    classes, depth = vertices * (vertices - 1) // 2, 4
    plain = triangular_factors(list(combinations(range(vertices), 2)), depth, _best_mixture(vertices))
    norms = math.prod((factor**2).sum() for factor in plain)
    scaling = (norms / classes ** (depth + 1)) ** (1 / (depth + 1))
    assert relative_norm(classes, depth) == pytest.approx(scaling, rel=1e-12)
    before, after = plain[-2] @ plain[1] @ plain[0], np.maximum(plain[-2] @ plain[1] @ plain[0], 0)
    # Rows of as many signs + as - are orthogonal to the constant, so one direction more is missing.
    expected = vertices - (_best_mixture(vertices) == {vertices / 2: 1.0})
    assert (np.linalg.matrix_rank(before), np.linalg.matrix_rank(after)) == (expected, classes)
    np.testing.assert_allclose(plain[-1] @ after, np.eye(classes), atol=1e-12)


@pytest.mark.parametrize("vertices", [4, 5, 6, 7, 8, 10, 14])
def test_no_mixture_of_sets_is_better(vertices):
    """The product of norms is quasiconvex in the mixture, so small steps towards every other k are enough."""
    best = _best_mixture(vertices)
    for k in range(2, vertices + 1):
        mixture = {one: 0.999 * share for one, share in best.items()}
        mixture[k] = mixture.get(k, 0) + 0.001 / math.comb(vertices, k)
        assert _last_two(vertices, mixture) >= _last_two(vertices, best) * (1 - 1e-12)


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_three_classes_collapse_whatever_the_mixture(depth):
    """The last two weights have (8 + v) (2 + 1 / v) / 4, which is 25 / 4 at v = 2 and larger elsewhere."""
    last_two = [_last_two(3, {2: 1.0, 3: (v - 1) / 3}) for v in (1, 1.5, 2, 3)]
    assert last_two == pytest.approx([(8 + v) * (2 + 1 / v) / 4 for v in (1, 1.5, 2, 3)])
    assert 4**2 * 3.0 ** (depth - 3) * min(last_two) > 3 ** (depth + 1)


def test_low_rank_wins_exactly_where_the_source_says():
    classes = (6, 10, 15, 21, 28)
    assert [relative_norm(k, 3) < 1 for k in classes] == [False, True, True, True, True]
    assert all(relative_norm(k, depth) < 1 for depth in (4, 5) for k in classes)
    for k in (6, 10):
        losses = [deep_ufm_loss(one, classes=k, depth=3, decay=1e-3) for one in ("collapse", "triangular")]
        assert (losses[1] < losses[0]) == (relative_norm(k, 3) < 1)


def test_collapse_is_not_optimal_from_eight_classes_on_with_three_weights():
    """Edges of one vertex are dropped from the graph of five vertices; both losses are found through real ReLUs."""
    for classes, lower in ((7, False), (8, True), (9, True)):
        edges = list(combinations(range(5), 2))[-classes:]
        found = [scaled(triangular_factors(edges, 3, {k: 1.0}), decay=1e-3) for k in (2, 3)]
        losses = [deep_ufm_objective(one, decay=1e-3).item() for one in found]
        collapse = deep_ufm_loss("collapse", classes=classes, depth=3, decay=1e-3)
        assert (min(losses) < collapse) == lower
        assert (relative_norm(classes, 3) < 1) == lower


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
def test_from_a_decay_on_zero_is_best(depth):
    limit = deep_zero_from(depth) / 5
    below, above = (deep_ufm_loss("collapse", classes=5, depth=depth, decay=limit * f) for f in (0.999, 1.001))
    assert below < 0.5 == above
    assert below == pytest.approx(0.5, abs=1e-3)
    beyond = deep_ufm_matrices("collapse", classes=5, depth=depth, decay=1.0, samples=2)
    assert deep_ufm_objective(beyond, decay=1.0).item() == 0.5
    assert deep_ufm_loss("zero", classes=5, depth=depth, decay=0.1) == 0.5


def test_with_one_weight_collapse_is_what_descent_finds():
    generator = torch.Generator().manual_seed(0)
    factors = [torch.randn(4, size, generator=generator, dtype=torch.float64) for size in (12, 4)]
    for factor in factors:
        factor.requires_grad_(True)
    optimiser = torch.optim.LBFGS(factors, max_iter=2000, tolerance_grad=1e-12, tolerance_change=0, history_size=50)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = ((factors[1] @ factors[0] - torch.eye(4).repeat_interleave(3, dim=1)) ** 2).sum() / 24
        value = value + 0.01 * sum((factor**2).sum() for factor in factors)
        value.backward()
        return value

    optimiser.step(loss)
    assert loss().item() == pytest.approx(
        deep_ufm_loss("collapse", classes=4, depth=1, decay=0.02, samples=3), abs=1e-10
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"structure": "srg"}, "structure must be one of collapse, triangular, zero: got 'srg'"),
        ({"classes": 7}, r"must be 3, 6, 10, 15, \.\.\., r \(r - 1\) / 2: got 7"),
        ({"classes": 1}, "classes must be a whole number, at least 2: got 1"),
        ({"depth": 2}, "depth must be a whole number, at least 3: got 2"),
        ({"samples": 0}, "samples must be a whole number, at least 1: got 0"),
        ({"decay": 0.0}, "decays must be positive"),
        ({"decay": math.nan}, "decays must be positive"),
    ],
)
def test_arguments_out_of_range_are_refused(changed, message):
    given = {"structure": "triangular", "classes": 10, "depth": 4, "decay": 1e-3} | changed
    for function in (deep_ufm_loss, deep_ufm_matrices):
        with pytest.raises(ValueError, match=message):
            function(given["structure"], **{name: value for name, value in given.items() if name != "structure"})


def test_samples_that_are_not_shared_equally_are_refused():
    with pytest.raises(ValueError, match="a multiple of the 2 classes: got 3"):
        deep_ufm_objective(Factors.of(np.ones((2, 3)), np.eye(2)), decay=0.1)
    with pytest.raises(ValueError, match="3 classes and 3 weights or more: got 2 and 3"):
        relative_norm(2, 3)
