"""A classifier from its configuration to its tables: killed and resumed, and divergence."""

import logging
from pathlib import Path

import pandas as pd
import pytest
import torch

from nrc_core import TrainingDiverged, load_dataset
from nrc_core.config.classification import ClassifierConfig
from nrc_core.data.dataset import Dataset
from nrc_core.training import classification, computing
from nrc_core.training.checkpoints import Checkpoint, load_state
from nrc_core.training.classification import train_classifier
from nrc_core.training.classifier_computing import compute_classifier
from nrc_core.training.loop import reproducible_arithmetic
from tests.fakes_images import prepare_classes
from tests.stopping import stop_after


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    folder = tmp_path_factory.mktemp("classes")
    prepare_classes(folder, "fashion_mnist", classes=tuple("abcde"), per_class=10, test_per_class=6, noise=60.0)
    return load_dataset("fashion_mnist", data_dir=folder)


def config(**change) -> ClassifierConfig:
    values = {"iterations": 30, "learning_rate": 0.1, "weight_decay": 1e-3, "width": 8, "depth": 3, "batch_size": 16}
    return ClassifierConfig("fashion_mnist", **(values | change))


def compute(run: ClassifierConfig, data: Dataset, path: Path | None = None) -> dict[str, pd.DataFrame]:
    checkpoint = None if path is None else Checkpoint(path, {})
    return compute_classifier(run, data, device=torch.device("cpu"), checkpoint=checkpoint).tables


@pytest.mark.parametrize(
    ("writes", "change"),
    [
        (1, {}),
        (19, {}),
        (19, {"stop_loss": 0.4}),
        (6, {"momentum": 0.0, "label_smoothing": 0.1}),
        (6, {"architecture": "resnet", "depth": 18, "width": 2, "learning_rate": 0.01}),
        (6, {"architecture": "vgg", "depth": 11, "width": 2, "learning_rate": 0.01}),
    ],
)
def test_a_stopped_run_ends_in_the_same_tables_wherever_in_an_epoch(
    writes, change, data, tmp_path, monkeypatch, caplog
):
    """An epoch has four batches: one, six and nineteen iterations end within an epoch. VGG also has dropout."""
    run = config(measure_iterations=(1, 6, 17), **change)
    monkeypatch.setattr(classification, "LOSS_ROWS", 4)  # a row is the mean of eight iterations
    whole = compute(run, data)
    assert whole["losses"]["iteration"].max() > 19
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    stop_after(writes, lambda: compute(run, data, tmp_path / "run.pt"), monkeypatch)
    with caplog.at_level(logging.INFO):
        resumed = compute(run, data, tmp_path / "run.pt")
    assert f"going on from iteration {writes}" in caplog.text
    for name in ("measurements", "spectra", "losses"):
        pd.testing.assert_frame_equal(whole[name], resumed[name], check_exact=True)


def test_checkpoints_change_no_bit_of_a_run(data, tmp_path, monkeypatch):
    run = config(measure_iterations=(3,))
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    for name, found in compute(run, data, tmp_path / "run.pt").items():
        pd.testing.assert_frame_equal(found, compute(run, data)[name], check_exact=True)


def test_an_abandoned_generator_is_taken_up_where_it_wrote_last(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    run, path = config(measure_iterations=(7, 9)), tmp_path / "run.pt"
    with reproducible_arithmetic():
        *_, (_, whole) = train_classifier(run, data)
        abandoned = train_classifier(run, data, checkpoint=Checkpoint(path, {}))
        _, training = next(abandoned)
        training.kept[7], training.values[7] = {"a": pd.DataFrame({"b": [7]})}, "seven"
        assert next(abandoned)[0] == 9
        abandoned.close()
        assert load_state(path)["iteration"] == 8
        *_, (last, resumed) = train_classifier(run, data, checkpoint=Checkpoint(path, {}))
    assert last == 30
    assert resumed.values == {7: "seven"}
    assert [(number, tables["a"]["b"].tolist()) for number, tables in resumed.kept.items()] == [(7, [7])]
    assert resumed.losses == whole.losses
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name])


def test_a_checkpoint_that_lacks_a_measured_iteration_is_not_gone_on_from(data, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    checkpoint = Checkpoint(tmp_path / "run.pt", {})
    assert [iteration for iteration, _ in train_classifier(config(), data, checkpoint=checkpoint)] == [30]
    again = train_classifier(config(measure_iterations=(5,)), data, checkpoint=checkpoint)
    assert [iteration for iteration, _ in again] == [5, 30]
    assert "lacks iterations that are to be measured: starting afresh" in caplog.text


@pytest.mark.parametrize("rate", [1e15, 1e25])
def test_a_network_that_is_measured_just_after_it_burst_has_diverged(rate, data):
    """A finite last loss with infinite weights or logits gives the same error as a loss that is not finite."""
    run = config(learning_rate=rate, measure_iterations=tuple(range(1, 30)))
    with pytest.raises(TrainingDiverged, match=r"fashion_mnist, seed 0: .* finite"):
        compute(run, data)
    (trained,) = computing.compute([run], data, device="cpu", checkpoints=[None])
    assert trained.tables == {}
    assert "finite" in trained.failure
