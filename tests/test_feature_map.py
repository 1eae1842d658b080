"""The Jacobian of a feature map, against automatic differentiation, and how its measurement can be left out."""

import dataclasses

import pytest
import torch
from torch.func import jacrev, vmap

from nrc_core.config.trained_features import TrainedFeaturesConfig
from nrc_core.data.load import load_dataset
from nrc_core.networks.feature_map import FeatureClassifier
from nrc_core.training.trained_features import trained_features


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize(("inputs", "features"), [(7, 3), (3, 7)])
def test_squared_jacobians_are_those_of_automatic_differentiation(depth, inputs, features):
    torch.manual_seed(depth)
    model = FeatureClassifier(inputs, width=6, depth=depth, features=features, classes=2).double()
    x = torch.randn(5, inputs, dtype=torch.float64)
    expected = vmap(jacrev(model.map))(x).square().sum((1, 2))
    torch.testing.assert_close(model.squared_jacobians(x), expected)


def test_the_gradient_of_squared_jacobians_is_that_of_finite_differences():
    """The penalty is trained through them; biases move no Jacobian, as long as no unit changes its sign."""
    torch.manual_seed(0)
    model = FeatureClassifier(4, width=6, depth=3, features=2, classes=2).double()
    x = torch.randn(5, 4, dtype=torch.float64)
    model.squared_jacobians(x).mean().backward()
    for name, weight in model.map.named_parameters():
        if name.endswith("bias"):
            assert weight.grad is None or weight.grad.abs().max() == 0
            continue
        step = 1e-6 * torch.randn_like(weight)
        with torch.no_grad():
            weight += step
            above = model.squared_jacobians(x).mean()
            weight -= 2 * step
            below = model.squared_jacobians(x).mean()
            weight += step
        assert (weight.grad * step).sum().item() == pytest.approx((above - below).item() / 2, rel=1e-6)


def test_wrong_labels_are_counted_alone_and_only_if_there_are_any():
    """Classes that are far apart are learned at once, and wrong labels later; in the end all are memorised."""
    data = load_dataset("gaussian_classes", classes=2, train_per_class=30, test_per_class=6, signal_spread=0.1)
    config = TrainedFeaturesConfig(
        dataset="gaussian_classes", width=64, iterations=300, measured=(10,), batch_size=60, corrupted=0.4,
        weight_decay=0.0, complexity=False,
    )  # fmt: skip
    found = {(row["quantity"], row["index"]): row["value"] for row in trained_features(config, data)}
    assert found["wrong_given_accuracy", 10] < found["given_accuracy", 10] < 1
    assert found["wrong_given_accuracy", 300] == found["given_accuracy", 300] == 1
    right = trained_features(dataclasses.replace(config, corrupted=0.0), data)
    assert "wrong_given_accuracy" not in {row["quantity"] for row in right}
