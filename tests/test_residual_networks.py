"""Small residual networks: their blocks against plain loops, their inputs, and what is measured of them."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from nrc_core.config.residual import ResidualConfig
from nrc_core.data.dataset import Dataset
from nrc_core.errors import ConfigError, TrainingDiverged
from nrc_core.metrics.classes import nc1, nc2, nc3, train_variance
from nrc_core.theory import normalised_features_minimum
from nrc_core.training.residual import MAPS, Network, layer_norm, residual, start_weights, task

DIGITS, EACH = 3, 8


def pictures(seed: int = 0) -> Dataset:
    """Pictures of eight by eight pixels in three classes, in a random order."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(DIGITS), EACH))
    pixels = 100 + 60 * generator.standard_normal((DIGITS, 8, 8))[labels] + 20 * generator.standard_normal((24, 8, 8))
    x = torch.from_numpy(pixels.clip(0, 255).astype(np.uint8))[:, None]
    y = torch.eye(DIGITS)[torch.from_numpy(labels)]
    return Dataset("mnist", x, y, x[:3], y[:3], {}, (100.0,), (60.0,), tuple("abc"))


def small(**given: object) -> ResidualConfig:
    return ResidualConfig(**{"depth": 2, "digits": (0, 1, 2), "width": 6, "iterations": 5, **given})


def values(config: ResidualConfig, dataset: Dataset) -> dict[str, float]:
    return {row["quantity"]: row["value"] for row in residual(config, dataset)}


def test_layer_norm_by_hand_and_its_invariances():
    h = torch.tensor([[1.0, 2.0, 6.0]], dtype=torch.float64)
    torch.testing.assert_close(layer_norm(h), torch.tensor([[-2.0, -1.0, 3.0]], dtype=torch.float64) / math.sqrt(14))
    torch.testing.assert_close(layer_norm(7 * h - 3), layer_norm(h))
    small_lengths = layer_norm(1e-6 * torch.randn(50, 5, generator=torch.Generator().manual_seed(0)).double())
    assert (small_lengths.norm(dim=1) <= 1).all()


def unit(v: np.ndarray) -> np.ndarray:
    return (v - v.mean()) / np.linalg.norm(v - v.mean())


def plain_block(block: str, tokens: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """A block in plain loops over the tokens of one sample."""
    if block == "one_map":
        return np.array([h + maps[0] @ np.maximum(unit(h), 0) for h in tokens])
    if block == "two_maps":
        return np.array([h + maps[1] @ np.maximum(maps[0] @ unit(h), 0) for h in tokens])
    query, key, value, _ = maps
    mixed = []
    for h in tokens:
        scores = np.array([math.sqrt(len(h)) * (query @ unit(h)) @ (key @ unit(other)) for other in tokens])
        weights = np.exp(scores) / np.exp(scores).sum()
        mixed.append(h + sum(one * (value @ unit(other)) for one, other in zip(weights, tokens, strict=True)))
    return plain_block("one_map", np.array(mixed), maps[3:])


@pytest.mark.parametrize("block", MAPS)
def test_features_are_those_of_plain_loops(block):
    generator = np.random.default_rng(3)
    maps = generator.standard_normal((2, MAPS[block], 5, 5))
    inputs = generator.standard_normal((3, 4, 5) if block == "attention" else (3, 5))
    expected = []
    for sample in inputs:
        tokens = np.atleast_2d(sample)
        for own in maps:
            tokens = plain_block(block, tokens, own)
        expected.append(unit(tokens.mean(0)))
    network = Network(block, torch.from_numpy(maps), torch.zeros(2, 5))
    np.testing.assert_allclose(network.features(torch.from_numpy(inputs)).numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("block", MAPS)
def test_the_size_of_all_that_blocks_add_at_the_start_is_the_same_for_all_depths(block):
    """Sums of norms of W, or of products of norms of V and W: what a feature can be moved by."""
    reach = []
    for depth in (2, 50):
        norms = start_weights(small(block=block, depth=depth, width=40)).maps.norm(dim=(2, 3))
        moved = norms[:, 0] * norms[:, 1] / 40**0.5 if block == "two_maps" else norms[:, -1]
        reach.append(moved.sum().item())
    assert reach[0] == pytest.approx(reach[1], rel=0.05)


def test_components_are_those_of_the_singular_values():
    dataset = pictures()
    inputs, labels = task(small(), dataset)
    rows = dataset.x_train.flatten(1).double().numpy()
    left, singular, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    expected = left[:, :6] * singular[:6]
    expected /= math.sqrt((expected**2).sum(1).mean())
    np.testing.assert_allclose(np.abs(inputs.numpy()), np.abs(expected), atol=1e-9)
    np.testing.assert_array_equal(labels, dataset.y_train.argmax(1))
    assert inputs.square().sum(1).mean().item() == pytest.approx(1)


def test_tokens_are_rows_of_means_of_pixels_with_a_one_for_their_place():
    dataset = pictures()
    inputs, _ = task(small(block="attention"), dataset)
    x = dataset.x_train[:, 0].double().numpy()
    blocks = (x - x.mean(0)).reshape(24, 2, 4, 2, 4).mean((2, 4))
    blocks /= math.sqrt((blocks**2).sum(2).mean())
    np.testing.assert_allclose(inputs[..., :2].numpy(), blocks, atol=1e-12)
    np.testing.assert_array_equal(inputs[..., 2:4], np.broadcast_to(np.eye(2), (24, 2, 2)))
    assert (inputs[..., 4:] == 0).all()


def test_chosen_digits_get_labels_in_their_order():
    dataset = pictures()
    _, labels = task(small(digits=(2, 0)), dataset)
    numbers = dataset.y_train.argmax(1)
    np.testing.assert_array_equal(labels, [{2: 0, 0: 1}[one] for one in numbers.tolist() if one != 1])


@pytest.mark.parametrize("block", MAPS)
def test_what_is_measured_follows_from_the_features(block, monkeypatch):
    """The trained network is kept, and its features and weights are measured by the public functions."""
    kept, double = [], Network.double
    monkeypatch.setattr(Network, "double", lambda network: kept.append(double(network)) or kept[-1])
    config, dataset = small(block=block, decay_rule="over_depth"), pictures()
    found = values(config, dataset)
    (network,) = kept
    inputs, labels = task(config, dataset)
    with torch.no_grad():
        h, w, maps = network.features(inputs), network.head, network.maps
    logits = h @ w.T
    each = torch.logsumexp(logits, 1) - logits[torch.arange(24), labels]
    assert found["cross_entropy"] == pytest.approx(each.mean().item(), rel=1e-12)
    assert found["block_decay"] == pytest.approx(0.005 / 2 / 2 * maps.square().sum().item(), rel=1e-12)
    assert found["head_decay"] == pytest.approx(0.005 / 2 / 2 * w.square().sum().item(), rel=1e-12)
    assert found["loss"] == pytest.approx(sum(found[f"{one}_decay"] for one in ("block", "head")) + each.mean().item())
    assert found["error"] == pytest.approx((logits.argmax(1) != labels).double().mean().item())
    assert found["variance_ratio"] == pytest.approx(train_variance(h, labels))
    assert found["nc1"] == pytest.approx(nc1(h, labels))
    assert (found["nc2_norms"], found["nc2_angles"]) == pytest.approx(nc2(h, labels))
    assert found["nc3"] == pytest.approx(nc3(h, labels, w))
    assert found["loss"] > normalised_features_minimum(3, decay=0.0025).loss


def test_training_lowers_the_objective_and_seeds_differ():
    dataset = pictures()
    longer = values(small(iterations=200), dataset)
    assert longer["loss"] < values(small(iterations=1), dataset)["loss"] - 0.1
    assert longer["gradient"] < 0.2
    assert values(small(), dataset) == values(small(), dataset)
    assert values(small(), dataset) != values(small(seed=1), dataset)


def test_a_loss_that_is_not_finite_is_reported_with_a_remedy():
    with pytest.raises(TrainingDiverged, match=r"no longer finite with 2 blocks .* try a smaller learning_rate"):
        residual(small(learning_rate=1e37), pictures())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"block": "three_maps"}, "block must be one of one_map, two_maps, attention: got 'three_maps'"),
        ({"decay_rule": "none"}, "decay_rule must be one of constant, over_depth"),
        ({"decay": 0.0}, "decay must be positive"),
        ({"depth": 0}, "depth must be a whole number, at least 1"),
        ({"digits": (1,)}, r"digits must be two or more different numbers of classes: got \[1\]"),
        ({"digits": (1, 1)}, "digits must be two or more different"),
        ({"digits": (0, -1)}, "digits must be two or more different"),
        ({"width": 2}, "width must be at least 3, the number of digits: got 2"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        small(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"digits": (0, 5)}, "'mnist' has the classes 0 to 2: got 5"),
        ({"width": 25}, "width must be at most 24, the number of principal components: got 25"),
        ({"width": 3, "block": "attention"}, "width must be at least 4, for pixels and places of a row: got 3"),
    ],
)
def test_a_width_or_digit_that_does_not_fit_the_data_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        task(small(**given), pictures())


def test_data_without_pictures_are_refused():
    with pytest.raises(ConfigError, match="need images in classes: 'mnist' has none, use mnist"):
        task(small(), dataclasses.replace(pictures(), pixel_mean=None))
