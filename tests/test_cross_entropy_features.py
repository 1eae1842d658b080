"""Deep linear unconstrained features with cross entropy: closed forms against explicit factors and optimisation."""

import math

import numpy as np
import pytest
import torch

from nrc_core.theory import cross_entropy_ufm_loss
from nrc_core.theory.cross_entropy import best_scale, cross_entropy_objective, logits
from nrc_core.theory.factors import Factors


def balanced(structure: str, *, classes: int, depth: int, samples: int, scale: float) -> list[np.ndarray]:
    """Factors of equal singular values, H_1 and W_1 to W_L, whose product is the logits."""
    full = np.repeat(scale * logits(structure, classes), samples, axis=1)
    left, values, right = np.linalg.svd(full, full_matrices=False)
    roots = np.where(values > 1e-9, values, 0) ** (1 / (depth + 1))
    return [roots[:, None] * right, *[np.diag(roots)] * (depth - 1), left * roots]


def descend(arrays: list[np.ndarray], decay: float) -> float:
    """The loss at the end of L-BFGS from these factors."""
    factors = Factors.of(*arrays)
    free = [factor.requires_grad_(True) for factor in (factors.features, *factors.weights)]
    optimiser = torch.optim.LBFGS(
        free, max_iter=3000, max_eval=6000, tolerance_grad=1e-12, tolerance_change=0, history_size=50,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = cross_entropy_objective(factors, decay=decay)
        value.backward()
        return value

    optimiser.step(loss)
    return loss().item()


@pytest.mark.parametrize("structure", ["collapse", "pairs", "planar"])
@pytest.mark.parametrize(
    ("classes", "depth", "decay", "samples"), [(6, 1, 8e-3, 1), (7, 3, 1e-3, 2), (10, 2, 5e-4, 3), (5, 6, 3e-4, 1)]
)
def test_explicit_factors_have_the_loss_and_no_other_scale_is_better(structure, classes, depth, decay, samples):
    given = {"classes": classes, "depth": depth, "decay": decay, "samples": samples}
    scale, loss = best_scale(structure, **given)
    assert loss == cross_entropy_ufm_loss(structure, **given)
    assert scale > 1

    def at(factor: float) -> float:
        factors = balanced(structure, classes=classes, depth=depth, samples=samples, scale=factor * scale)
        return cross_entropy_objective(Factors.of(*factors), decay=decay).item()

    assert at(1.0) == pytest.approx(loss, abs=1e-10)
    assert min(at(factor) for factor in (0.01, 0.5, 0.99, 1.01, 2, 4)) > loss


@pytest.mark.parametrize(("classes", "decay", "samples"), [(4, 5e-3, 1), (6, 8e-3, 2), (5, 1e-3, 3)])
def test_with_one_weight_collapse_is_what_descent_finds(classes, decay, samples):
    generator = np.random.default_rng(0)
    shapes = [(classes + 1, classes * samples), (classes, classes + 1)]
    factors = [generator.standard_normal(shape) for shape in shapes]
    expected = cross_entropy_ufm_loss("collapse", classes=classes, depth=1, decay=decay, samples=samples)
    assert descend(factors, decay) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("depth", "structure"), [(2, "pairs"), (3, "pairs"), (6, "planar")])
def test_descent_from_near_the_best_structure_stays_at_its_loss(depth, structure):
    decay = 0.008 / depth**1.5
    scale, expected = best_scale(structure, classes=6, depth=depth, decay=decay)
    generator = np.random.default_rng(1)
    factors = balanced(structure, classes=6, depth=depth, samples=1, scale=scale)
    noisy = [factor + 0.01 * generator.standard_normal(factor.shape) for factor in factors]
    assert descend(noisy, decay) == pytest.approx(expected, abs=1e-8)


def test_where_collapse_is_not_optimal():
    """Theorem 1 of the source at equal scales: pairs have the lower penalty from 6 classes, and from 4 if L >= 3."""
    for classes in (4, 6, 8):
        for depth in (1, 2, 3, 5):
            m = classes // 2
            expected = m * 2 ** (2 / (depth + 1)) < 2 * m - 1
            assert expected == (depth >= 3 or (depth == 2 and classes >= 6))
            losses = [
                cross_entropy_ufm_loss(s, classes=classes, depth=depth, decay=1e-8) for s in ("collapse", "pairs")
            ]
            assert (losses[1] < losses[0]) == expected


def test_from_a_decay_on_zero_is_best():
    assert best_scale("collapse", classes=5, depth=3, decay=10.0) == (0.0, math.log(5))
    # With one weight the penalty is decay times the scale, and the loss falls by 1 / K from a scale of zero.
    below, above = (best_scale("collapse", classes=4, depth=1, decay=decay)[0] for decay in (0.249, 0.251))
    assert below > 0 == above


@pytest.mark.parametrize(
    ("structure", "classes", "depth", "decay", "message"),
    [
        ("srg", 6, 2, 0.1, "structure must be one of collapse, pairs, planar: got 'srg'"),
        ("pairs", 1, 2, 0.1, "classes must be a whole number, at least 2: got 1"),
        ("planar", 2, 2, 0.1, "classes must be a whole number, at least 3: got 2"),
        ("pairs", 6, 0, 0.1, "depth must be a whole number, at least 1: got 0"),
        ("pairs", 6, 2, -0.1, "decays must be positive"),
    ],
)
def test_arguments_out_of_range_are_refused(structure, classes, depth, decay, message):
    with pytest.raises(ValueError, match=message):
        cross_entropy_ufm_loss(structure, classes=classes, depth=depth, decay=decay)
