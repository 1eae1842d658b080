"""The features model with normalised features: its minimum against free minimisation, a grid, and random points."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from nrc_core.metrics.class_moments import ClassMoments
from nrc_core.metrics.classes import duality, frame, variance_ratio
from nrc_core.theory import normalised_features_minimum

SHAPES = [(2, 0.05), (3, 0.01), (5, 0.005), (5, 0.3), (7, 0.02)]


def objective(features: torch.Tensor, head: torch.Tensor, decay: float) -> torch.Tensor:
    """The objective; the features are in classes of equal size, in order."""
    labels = torch.arange(len(head)).repeat_interleave(len(features) // len(head))
    return functional.cross_entropy(features @ head.T, labels) + decay / 2 * head.square().sum()


def normalised(free: torch.Tensor) -> torch.Tensor:
    """Free vectors as features with the mean zero and length one."""
    return functional.normalize(free - free.mean(1, keepdim=True))


def free_minimum(classes: int, decay: float, width: int, seed: int) -> tuple[float, torch.Tensor, torch.Tensor]:
    """The minimum over features and head by L-BFGS from a random start, without use of the formula."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((2 * classes, width), (classes, width))
    free, head = (torch.randn(one, generator=generator, dtype=torch.float64).requires_grad_() for one in shapes)
    optimiser = torch.optim.LBFGS(
        [free, head], max_iter=4000, tolerance_grad=1e-12, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = objective(normalised(free), head, decay)
        value.backward()
        return value

    optimiser.step(closure)
    return closure().item(), normalised(free).detach(), head.detach()


@pytest.mark.parametrize(("classes", "decay"), SHAPES)
def test_free_minimisation_ends_at_the_formula_and_collapsed(classes, decay):
    found = normalised_features_minimum(classes, decay=decay)
    loss, features, head = free_minimum(classes, decay, width=classes + 3, seed=classes)
    assert loss == pytest.approx(found.loss, abs=1e-9)
    assert head.norm().item() == pytest.approx(found.weight_norm, abs=1e-4)
    moments = ClassMoments.of(features, torch.arange(classes).repeat_interleave(2), classes)
    assert variance_ratio(moments) < 1e-7
    assert max(frame(moments)) < 1e-3
    assert duality(moments, head) < 1e-6


def test_with_fewer_coordinates_than_classes_zero_means_cannot_attain_it():
    """Four corners of a simplex need three dimensions, and a zero mean takes one of the coordinates."""
    loss, *_ = free_minimum(4, 0.01, width=3, seed=1)
    assert loss > normalised_features_minimum(4, decay=0.01).loss + 1e-3


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_features_of_length_at_most_one_and_no_head_are_below(seed):
    generator = np.random.default_rng(seed)
    for _ in range(200):
        classes, width, decay = generator.integers(2, 7), generator.integers(1, 9), 10 ** generator.uniform(-4, 0)
        h, w = (generator.standard_normal((rows, width)) for rows in (3 * classes, classes))
        h *= generator.uniform(0, 1, (len(h), 1)) / np.linalg.norm(h, axis=1, keepdims=True)
        value = objective(torch.tensor(h), torch.tensor(w * 10 ** generator.uniform(-1, 1)), decay)
        assert value.item() >= normalised_features_minimum(int(classes), decay=decay).loss


@pytest.mark.parametrize(("classes", "decay"), SHAPES)
def test_the_scale_is_the_best_of_a_fine_grid(classes, decay):
    found = normalised_features_minimum(classes, decay=decay)
    a = np.linspace(0, 10, 100_001)
    values = np.log1p((classes - 1) * np.exp(-a * classes / (classes - 1))) + decay / 2 * classes * a**2
    assert found.loss <= values.min() + 1e-12
    assert found.loss == pytest.approx(values.min(), abs=1e-8)
    assert found.scale == pytest.approx(a[values.argmin()], abs=1e-4)
    assert found.weight_norm == pytest.approx(math.sqrt(classes) * found.scale, rel=1e-15)


def test_known_limits():
    assert normalised_features_minimum(4, decay=1e6).loss == pytest.approx(math.log(4), abs=1e-6)
    assert normalised_features_minimum(4, decay=1e6).scale == pytest.approx(1 / (4 * 1e6), rel=1e-5)
    losses = [normalised_features_minimum(5, decay=decay).loss for decay in (1e-8, 1e-5, 1e-2, 10.0)]
    assert losses == sorted(losses)
    assert losses[0] < 1e-5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": 1, "decay": 0.1}, "classes must be a whole number, at least 2: got 1"),
        ({"classes": 3, "decay": 0.0}, "decays must be positive"),
        ({"classes": 3, "decay": math.nan}, "decays must be positive"),
    ],
)
def test_numbers_out_of_range_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        normalised_features_minimum(**given)
