"""Gradient descent on deep unconstrained features models: its gradients, starts, ranks, and what diverges."""

import pytest
import torch

from nrc_core import Store
from nrc_core.config.descent import ClassesConfig
from nrc_core.errors import TrainingDiverged
from nrc_core.results.runs import run, stored
from nrc_core.training.deep_descent import _gradients, _starts, _targets, deep_descents, objective


def config(loss: str = "squared", **values) -> ClassesConfig:
    given = {"classes": 3, "depth": 3, "width": 4, "decay": 0.01, "starts": 2, "iterations": 5}
    return ClassesConfig(loss=loss, **given | values)


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_the_gradients_are_those_of_the_objective(loss):
    one = config(loss, samples=2)
    factors = _starts(one)
    gradients = _gradients(one, factors, _targets(one))
    for start in range(one.starts):
        own = [factor[start].clone().requires_grad_(True) for factor in factors]
        expected = torch.autograd.grad(objective(one, own), own)
        for by_autograd, by_hand in zip(expected, gradients, strict=True):
            torch.testing.assert_close(by_autograd, by_hand[start], atol=1e-14, rtol=1e-12)


def test_a_start_does_not_depend_on_the_number_of_starts():
    one, more = (deep_descents(config(starts=starts)) for starts in (1, 3))
    assert [row["value"] for row in one] == pytest.approx([row["value"] for row in more if row["start"] == 0])


def test_the_starts_have_their_size():
    """Wide factors, so that the standard deviation of their entries is known to a few per cent."""
    one = config(width=300, classes=300, starts=1, init_scale=0.5)
    features, first, second, _ = (factor.std().item() * 300**0.5 for factor in _starts(one))
    assert (features, first, second) == pytest.approx((0.5, 0.5, 0.5 * 2**0.5), rel=0.02)


def test_ranks_are_those_of_the_signals():
    rows = deep_descents(config(iterations=1, width=2, starts=1))
    ranks = {(row["quantity"], row["index"]): row["value"] for row in rows if row["quantity"].startswith("rank")}
    assert {place for name, place in ranks if name == "rank"} == {0, 1, 2, 3}
    assert {place for name, place in ranks if name == "rank_after"} == {1, 2}
    assert max(value for (name, _), value in ranks.items() if name == "rank") == 2  # no wider than the factors


def test_a_learning_rate_that_is_too_large_is_told_and_stored_as_a_failure(tmp_path):
    wild = config(width=8, learning_rate=500.0, iterations=50)
    with pytest.raises(TrainingDiverged, match=r"no longer finite .*learning rate 500.*smaller"):
        deep_descents(wild)
    store = Store(tmp_path)
    results = run([wild, config()], store=store)
    assert len(results.runs) == 1
    (failure,) = results.failures.values()
    assert "try a smaller learning_rate" in failure
    assert stored([wild], store=store)[1] == 0
