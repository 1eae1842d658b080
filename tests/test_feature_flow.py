"""Gradient flow on the unconstrained features model of regression, compared with the theory and with small steps."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from nrc_core import Store, nrc1, run
from nrc_core.config.descent import FlowConfig
from nrc_core.errors import ConfigError
from nrc_core.results.store import read_configuration
from nrc_core.theory.last_layer import best_product, feature_decay, form_distance, shared_form, squared_distance
from nrc_core.theory.statements import ufm_minimum
from nrc_core.training.feature_flow import _law_error, _noise_share, _targets, feature_flows


def config(**values) -> FlowConfig:
    given = {"variances": (1.5, 0.4), "feature_decay": 0.2, "weight_decay": 0.2, "duration": 3.0}
    return FlowConfig(**given | {"samples": 12, "width": 5, "starts": 1, "iterations": 4} | values)


def ends(rows: list[dict]) -> dict[str, np.ndarray]:
    table = pd.DataFrame(rows)
    return {name: own.sort_values("index")["value"].to_numpy() for name, own in table.groupby("quantity")}


@pytest.mark.parametrize("n", [12, 4])  # more and fewer samples than features and targets together
def test_the_flow_is_that_of_the_objective(n):
    """Small steps along the gradient by autograd, with the features' gradient times n, lead to the same place."""
    one = config(feature_decay=0.3, weight_decay=0.1, duration=1.0, samples=n)
    generator = np.random.default_rng([0, 0])
    y = torch.from_numpy(_targets(one, generator))
    h, w = (torch.from_numpy(generator.standard_normal((rows, 5))) for rows in (n, 2))
    h -= h.mean(0)
    b = torch.zeros(2, dtype=torch.float64)

    def loss(h: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return ((h @ w.T + b - y).square().sum() + 0.3 * h.square().sum()) / (2 * n) + 0.05 * w.square().sum()

    results = []
    for steps in (2000, 4000):
        features, weight = h.clone().requires_grad_(True), w.clone().requires_grad_(True)
        for _ in range(steps):
            by_h, by_w = torch.autograd.grad(loss(features, weight, b), (features, weight))
            features, weight = (
                (old - move / steps).detach().requires_grad_(True)
                for old, move in ((features, n * by_h), (weight, by_w))
            )
        kept = (weight @ weight.T).detach().numpy()
        results.append((loss(features, weight, b).item(), kept, nrc1(features.detach(), rank=2)))
        best = b.clone().requires_grad_(True)
        (by_b,) = torch.autograd.grad(loss(features, weight, best), best)
        assert by_b.abs().max() < 1e-12  # zero stays the best bias
    found = ends(feature_flows(one))
    # The error of small steps is halved when the steps are: so this is the limit.
    limit = [2 * fine - coarse for coarse, fine in zip(*results, strict=True)]
    assert found["loss"][0] == pytest.approx(limit[0], abs=1e-5)
    assert found["nrc1"][-1] == pytest.approx(limit[2], abs=1e-4)
    np.testing.assert_allclose(found["weight_gram"].reshape(2, 2), limit[1], atol=1e-4)


def test_targets_are_centred_with_the_given_covariance():
    y = _targets(config(variances=(2.0, 0.6, 0.1)), np.random.default_rng(3))
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-14)
    np.testing.assert_allclose(y.T @ y / 12, np.diag([2.0, 0.6, 0.1]), atol=1e-14)


@pytest.mark.parametrize(("decays", "rank"), [((0.3, 0.02), 2), ((0.9, 0.9), 1), ((2.0, 1.0), 0)])
def test_a_long_flow_meets_the_minimum(decays, rank):
    found = ends(feature_flows(config(feature_decay=decays[0], weight_decay=decays[1], duration=700.0)))
    expected = ufm_minimum(torch.diag(torch.tensor([1.5, 0.4])).double(), *decays)
    assert expected.rank == rank
    assert found["loss"][0] == pytest.approx(expected.loss, abs=1e-8)
    np.testing.assert_allclose(found["weight_gram"], expected.weight_gram.numpy().ravel(), atol=1e-6)
    c = decays[0] * decays[1]
    np.testing.assert_allclose(found["error_variance"], [min(1.5, c), min(0.4, c)], atol=1e-6)
    assert np.isnan(found["nrc1"][-1]) == (rank == 0)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_imbalance_follows_its_law(decay):
    found = ends(feature_flows(config(feature_decay=decay, weight_decay=decay)))
    assert found["imbalance_error"][0] < 1e-7
    assert found["time"].tolist() == [0, 0.75, 1.5, 2.25, 3.0]


def test_an_imbalance_that_shrinks_otherwise_is_seen():
    """Once as the law says, and once half as fast: the error is largest in the middle."""
    times = np.array([0.0, 0.5, 1.0, 2.0])
    assert _law_error([np.exp(-2 * time) * np.diag([3.0, -4.0]) for time in times], times) < 1e-15
    slow = _law_error([np.exp(-time) * np.diag([3.0, -4.0]) for time in times], times)
    assert slow == pytest.approx(np.exp(-0.5) - np.exp(-1.0))


def test_noise_cannot_fall_below_its_bound_without_decay():
    table = pd.DataFrame(feature_flows(config(feature_decay=0.0, weight_decay=0.0, duration=60.0, starts=4)))
    noise, bound = (table[table["quantity"] == name]["value"].to_numpy() for name in ("noise", "noise_start"))
    assert (noise >= bound).all()
    assert (bound > 0.05).all()
    assert table.query("quantity == 'loss'")["value"].max() < 1e-12


def test_a_start_does_not_depend_on_the_number_of_starts():
    one, more = (pd.DataFrame(feature_flows(config(starts=starts))) for starts in (1, 3))
    pd.testing.assert_frame_equal(one, more[more["start"] == 0])
    assert more.query("quantity == 'loss'")["value"].nunique() == 3


def test_flows_are_stored(tmp_path):
    one = config()
    found = run([one], store=Store(tmp_path))
    (record,) = found.provenance.values()
    assert read_configuration(record["config"]) == one
    assert record["data"]["n_train"] == 12
    assert run([one], store=Store(tmp_path)).runs["cached"].all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"variances": ()}, "variances must be one or more positive numbers: got \\[\\]"),
        ({"variances": (1.0, 0.0)}, "variances must be one or more positive numbers"),
        ({"width": 1}, "width must be at least 2 for 2 targets: got 1"),
        ({"samples": 2}, "samples must be at least 3 for 2 targets: got 2"),
        ({"duration": 0.0}, "duration must be positive"),
        ({"weight_decay": -0.1}, "weight_decay must be zero or positive"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        config(**given)


def test_the_form_of_a_minimum_is_found_again():
    """Also for a covariance that is not diagonal; the distance does not depend on the size of W."""
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    covariance = turn @ np.diag([2.0, 0.6, 0.1]) @ turn.T
    gram = ufm_minimum(torch.from_numpy(covariance), 0.3, 0.1).weight_gram.numpy()
    assert form_distance(7 * gram, covariance, 0.03) < 1e-25
    assert best_product(gram, covariance) == pytest.approx(0.03, abs=1e-6)
    # By hand: (1, 0) and (1, 1) / sqrt 2 have the squared distance 2 - sqrt 2.
    assert squared_distance(np.diag([1.0, 0.0]), np.eye(2)) == pytest.approx(2 - 2**0.5)
    assert np.isnan(form_distance(np.zeros((2, 2)), np.eye(2), 0.0))
    assert np.isnan(form_distance(np.eye(2), np.eye(2), 1.0))


def test_weights_that_share_the_decay_have_the_form_of_the_root():
    """Minimisation over three weights with a small decay finds the balanced ones."""
    torch.manual_seed(0)
    target = torch.diag(torch.tensor([1.0, 0.3], dtype=torch.float64))
    weights = [(torch.eye(2) + 0.3 * torch.randn(2, 2)).double().requires_grad_(True) for _ in range(3)]
    optimiser = torch.optim.LBFGS(
        weights, max_iter=2000, tolerance_grad=1e-12, tolerance_change=0, history_size=20, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        error = (weights[2] @ weights[1] @ weights[0] - target).square().sum()
        value = error + 1e-4 * sum(weight.square().sum() for weight in weights)
        value.backward()
        return value

    for _ in range(5):
        optimiser.step(loss)
    last = weights[2].detach().numpy()
    covariance = (target @ target.T).numpy()
    assert squared_distance(last @ last.T, shared_form(covariance, depth=3)) < 1e-6
    assert form_distance(last @ last.T, covariance, 0.0) > 1e-2
    np.testing.assert_allclose(shared_form(covariance, 2), target.numpy())


def test_the_features_decay_as_the_balance_says():
    minimum = ufm_minimum(torch.diag(torch.tensor([2.0, 0.5])).double(), 0.3, 0.1)
    kept = minimum.weight_gram.numpy() / 3**0.5
    energy = float(np.trace(kept)) / 3**0.5  # H H^T has sqrt(weight_decay / feature_decay) times the kept sizes
    assert feature_decay(0.1, minimum.weight_gram.numpy(), energy) == pytest.approx(0.3)


def test_noise_share_is_nrc1_of_the_features():
    h = np.random.default_rng(2).standard_normal((12, 5))
    h -= h.mean(0)
    assert _noise_share(h, 2) == pytest.approx(nrc1(h, rank=2))
    assert np.isnan(_noise_share(1e-9 * h, 2))


def test_flows_of_a_seed_are_the_same():
    one = config(seed=1)
    assert feature_flows(one) == feature_flows(dataclasses.replace(one))
    assert feature_flows(one) != feature_flows(config(seed=2))
