"""Feature maps that are trained on classes: their Jacobians, labels and penalty, and what is refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from nrc_core.config.trained_features import TrainedFeaturesConfig
from nrc_core.data.dataset import Dataset
from nrc_core.data.load import load_dataset
from nrc_core.errors import ConfigError, TrainingDiverged
from nrc_core.metrics.classes import class_distance_normalized_variance
from nrc_core.networks.feature_map import FeatureClassifier
from nrc_core.results.store import read_configuration
from nrc_core.training.descent import compute_descent
from nrc_core.training.trained_features import _corrupted, _task, trained_features

SMALL = {"classes": 6, "signal": 4, "nuisance": 3, "train_per_class": 12, "test_per_class": 8}


def config(**values) -> TrainedFeaturesConfig:
    given = {"dataset": "gaussian_classes", "dataset_options": SMALL, "sources": (0, 1, 2), "targets": (3, 4, 5)}
    sizes = {"width": 10, "features": 4, "iterations": 6, "batch_size": 9, "learning_rate": 0.1, "weight_decay": 0.0}
    return TrainedFeaturesConfig(**given | sizes | values)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_dataset("gaussian_classes", **SMALL)


def table(rows: list[dict]) -> pd.Series:
    return pd.DataFrame(rows).set_index(["quantity", "index"])["value"]


def by_hand(*rows: tuple[float, int]) -> Dataset:
    """A data set with one input; the test rows are the training rows plus 100."""
    x = torch.tensor([[value] for value, _ in rows])
    y = torch.eye(5)[[label for _, label in rows]]
    return Dataset("by hand", x, y, x + 100, y, {}, classes=tuple("abcde"))


def test_the_last_layer_times_ten_is_a_hundred_times_the_complexity(data):
    """V_f stays the same: raw complexity has a scale."""
    torch.manual_seed(0)
    model = FeatureClassifier(7, width=9, depth=3, features=4, classes=3).double()
    task = _task(config(), data)
    x = task.x_train.double()

    def measured() -> tuple[torch.Tensor, float]:
        with torch.no_grad():
            return model.squared_jacobians(x), class_distance_normalized_variance(model.map(x), task.labels)

    before, v_before = measured()
    with torch.no_grad():
        for parameter in model.map.layers[-1].parameters():
            parameter *= 10
    after, v_after = measured()
    torch.testing.assert_close(after, 100 * before, rtol=1e-12, atol=0)
    assert v_after == pytest.approx(v_before, rel=1e-12)


def test_the_first_measurement_is_of_the_untrained_network(data):
    one = config(measured=(3,))
    values = table(trained_features(one, data))
    task = _task(one, data)
    torch.manual_seed(one.seed)
    model = FeatureClassifier(7, width=10, depth=3, features=4, classes=3)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(model(task.x_train), task.labels).item()
        v = class_distance_normalized_variance(model.map(task.x_train).double(), task.labels)
        complexity = model.squared_jacobians(task.x_train).mean().item()
    assert values["loss"].index.tolist() == [0, 3, 6]
    assert values["loss", 0] == pytest.approx(loss, rel=1e-6)
    assert values["v_train", 0] == pytest.approx(v, rel=1e-5)
    assert values["complexity", 0] == pytest.approx(complexity, rel=1e-6)
    assert values["loss", 6] < values["loss", 0]


def test_class_complexities_and_variances_belong_to_the_last_network(data):
    values = table(trained_features(config(), data))
    assert values["class_complexity"].index.tolist() == [0, 1, 2]
    # All classes have equally many rows.
    assert values["class_complexity"].mean() == pytest.approx(values["complexity", 6], rel=1e-6)
    assert (values["variance"] <= values["class_complexity"]).all()  # the Poincare constant is 1


def test_normalised_complexity_is_the_mean_over_pairs(data):
    """With one layer the map is linear, so every class has the squared norm of its weight as complexity."""
    one = config(depth=1)
    values = table(trained_features(one, data))
    task = _task(one, data)
    torch.manual_seed(one.seed)
    model = FeatureClassifier(7, width=10, depth=1, features=4, classes=3)
    weight = next(model.map.parameters()).detach().double()
    complexity = weight.square().sum().item()
    for end, x, labels in (("", task.x_train, task.labels), ("_test", task.x_test, task.test_labels)):
        means = [x[labels == label].double().mean(0) @ weight.T for label in range(3)]
        pairs = [complexity / (means[i] - means[j]).square().sum().item() for i, j in ((0, 1), (0, 2), (1, 2))]
        assert values[f"complexity{end}", 0] == pytest.approx(complexity, rel=1e-6)
        assert values[f"normalised_complexity{end}", 0] == pytest.approx(np.mean(pairs), rel=1e-5)


def test_the_complexity_is_left_out_on_request(data):
    """All other quantities stay as they are."""
    with_it, without = (table(trained_features(config(complexity=value), data)) for value in (True, False))
    left = {"complexity", "complexity_test", "normalised_complexity", "normalised_complexity_test", "class_complexity"}
    names = [set(values.index.get_level_values(0)) for values in (with_it, without)]
    assert names[0] - names[1] == left
    pd.testing.assert_series_equal(with_it[~with_it.index.get_level_values(0).isin(left)], without)


def test_the_penalty_lowers_the_complexity(data):
    ends = [table(trained_features(config(penalty=penalty, iterations=60), data)) for penalty in (0.0, 0.01, 0.1)]
    complexities = [values["complexity", 60] for values in ends]
    assert complexities[0] > 1.2 * complexities[1] > 1.2**2 * complexities[2]
    assert len({values["complexity", 0] for values in ends}) == 1


def test_labels_of_sources_and_targets_are_places_in_their_lists():
    rows = by_hand((0.0, 3), (1.0, 1), (2.0, 4), (3.0, 0), (4.0, 3), (5.0, 2))
    task = _task(config(sources=(3, 1), targets=(2, 0)), rows)
    assert task.x_train.squeeze(1).tolist() == [0.0, 1.0, 4.0]
    assert task.labels.tolist() == task.given.tolist() == [0, 1, 0]
    assert task.x_test.squeeze(1).tolist() == [100.0, 101.0, 104.0]
    assert task.test_labels.tolist() == [0, 1, 0]
    assert task.x_targets.squeeze(1).tolist() == [103.0, 105.0]
    assert task.target_labels.tolist() == [1, 0]
    assert task.classes == 2


def test_all_classes_that_are_no_targets_are_sources_unless_given():
    rows = by_hand(*((float(label), label) for label in range(5)))
    task = _task(config(sources=(), targets=(3, 0)), rows)
    assert task.x_train.squeeze(1).tolist() == [1.0, 2.0, 4.0]
    assert task.labels.tolist() == [0, 1, 2]
    assert task.target_labels.tolist() == [1, 0]  # in the order of the rows: class 0, then class 3


def test_a_seed_gives_the_same_rows_and_another_one_others(data):
    one, same = (compute_descent(config(corrupted=0.5), data).tables["descent"] for _ in range(2))
    pd.testing.assert_frame_equal(one, same)
    other = compute_descent(config(corrupted=0.5, seed=1), data).tables["descent"]
    assert not np.allclose(one["value"], other["value"])
    # What has no randomness of the network stays: the values of the inputs.
    pd.testing.assert_frame_equal(one[one["index"] == -1], other[other["index"] == -1])


def test_training_leaves_the_random_state_alone(data):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    trained_features(config(), data)
    assert before.equal(torch.random.get_rng_state())


def test_a_share_of_the_labels_is_replaced_and_some_of_them_are_right():
    labels = torch.arange(4).repeat(2500)
    given = _corrupted(labels, 4, config(corrupted=0.4))
    assert sorted(set(given.tolist())) == [0, 1, 2, 3]
    # A replaced label is right in one of four cases: 0.4 * 0.75 of all are wrong, give or take 0.005.
    assert (given != labels).double().mean().item() == pytest.approx(0.3, abs=0.02)
    counts = torch.bincount(given[given != labels], minlength=4).double() / len(labels)
    np.testing.assert_allclose(counts, 0.075, atol=0.015)
    assert _corrupted(labels, 4, config(corrupted=0.0)).equal(labels)
    assert not _corrupted(labels, 4, config(corrupted=0.4, seed=1)).equal(given)


def test_replaced_labels_are_those_that_training_uses(data):
    """V_f of the training rows goes by the given labels; that of the test rows, and the complexity, do not."""
    one = config(corrupted=0.5)
    task = _task(one, data)
    assert not task.given.equal(task.labels)
    values = table(trained_features(one, data))
    clean = table(trained_features(config(), data))
    assert values["v_train", 0] > clean["v_train", 0]
    assert values["v_test", 0] == clean["v_test", 0]
    assert values["complexity", 0] == clean["complexity", 0]


def test_inputs_are_measured_as_features_of_the_targets(data):
    values = table(trained_features(config(), data))
    task = _task(config(), data)
    v = class_distance_normalized_variance(task.x_targets.double(), task.target_labels)
    assert values["v_target", -1] == pytest.approx(v, rel=1e-9)
    assert 1 / 3 < values["few_shot", -1] <= 1  # of three classes
    assert "v_target" not in table(trained_features(config(targets=()), data))


def test_configurations_are_read_as_they_were_written():
    one = config(measured=(3,), most_gradient=1.0)
    assert one.measured == (0, 3, 6)
    assert read_configuration(one.as_dict()) == one


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sources": (0, 1), "targets": (1, 2)}, "targets must be classes that are not trained: 1 is in sources too"),
        ({"sources": (0, 0)}, r"sources must be different numbers of classes, from 0: got \[0, 0\]"),
        ({"targets": (-1,)}, r"targets must be different numbers of classes, from 0: got \[-1\]"),
        ({"measured": (7,)}, r"measured must lie between 0 and 6: got \[7\]"),
        ({"loss": "hinge"}, "loss must be one of cross_entropy, coding_rate: got 'hinge'"),
        ({"penalty": -1.0}, r"penalty must be zero or positive: got -1\.0"),
        ({"corrupted": 1.0}, r"corrupted must be in \[0, 1\): got 1\.0"),
        ({"most_gradient": 0.0}, r"most_gradient must be positive: got 0\.0"),
    ],
)
def test_configurations_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        config(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sources": (0, 6)}, "'gaussian_classes' has the classes 0 to 5: got 6, leave it out"),
        ({"targets": (4, 9)}, "'gaussian_classes' has the classes 0 to 5: got 9, leave it out"),
        ({"sources": (2,)}, "sources must be two classes or more: got 1"),
    ],
)
def test_classes_that_the_data_lack_are_refused(data, given, message):
    with pytest.raises(ConfigError, match=message):
        trained_features(config(**given), data)


def test_data_without_classes_are_refused():
    regression = load_dataset("synthetic", samples=50)
    with pytest.raises(ConfigError, match="trained features need data in classes: 'synthetic' has none"):
        trained_features(config(dataset="synthetic", dataset_options={}), regression)


def test_a_loss_that_is_not_finite_is_told_with_a_remedy(data):
    wild = config(learning_rate=1e6, iterations=200)
    message = r"the loss is no longer finite at iteration \d+ \(learning rate 1e\+06\): try a smaller learning_rate"
    with pytest.raises(TrainingDiverged, match=message):
        trained_features(wild, data)
    computed = compute_descent(wild, data)
    assert computed.tables == {}
    assert computed.failure is not None
    assert "most_gradient=1" in computed.failure


def test_the_coding_rate_has_features_of_length_one_and_no_head(data):
    one = dataclasses.replace(config(), loss="coding_rate", batch_size=36)
    values = table(trained_features(one, data))
    assert "margin_least" not in values
    assert values["loss", 6] < values["loss", 0] <= 0
