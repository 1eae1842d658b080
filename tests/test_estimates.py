"""Estimates of run times, from records for which they can be computed by hand."""

import dataclasses

import pytest

from nrc_core import ClassifierConfig, RunConfig, Store, TransferConfig
from nrc_core.results.estimates import announcement, estimate

MLP = RunConfig("hopper", epochs=100, learning_rate=0.1, weight_decay=0.0, width=256)
CPU, GPU = "CPU (a processor), one thread", "a GPU"


def record(config, seconds: float, device: str = CPU) -> dict:
    return {"config": config.as_dict(), "seconds": seconds, "device": device}


def changed(**fields):
    return dataclasses.replace(MLP, **fields)


def test_the_same_run_takes_as_long_and_of_several_the_median_counts():
    found = estimate([changed(seed=7)], [record(MLP, seconds) for seconds in (10.0, 11.0, 90.0)])
    assert (found.seconds, found.unknown, found.device) == (pytest.approx(11.0), 0, CPU)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"epochs": 300}, 30.0),
        ({"depth": 16}, 20.0),
        ({"width": 512}, 10.0 * (512**2 + 50**2) / (256**2 + 50**2)),
        ({"learning_rate": 0.2, "weight_decay": 0.1, "bias": True}, 10.0),
    ],
)
def test_seconds_grow_with_the_arithmetic(fields, seconds):
    assert estimate([changed(**fields)], [record(MLP, 10.0)]).seconds == pytest.approx(seconds)


def test_the_nearest_record_decides():
    records = [record(MLP, 10.0), record(changed(epochs=1000), 200.0)]
    assert estimate([changed(epochs=900)], records).seconds == pytest.approx(180.0)


def test_runs_add_up():
    assert estimate([MLP, changed(epochs=200)], [record(MLP, 10.0)]).seconds == pytest.approx(30.0)


def test_records_of_the_same_kind_of_device_come_first():
    records = [record(MLP, 10.0), record(MLP, 1.0, GPU)]
    assert estimate([MLP], records).seconds == pytest.approx(10.0)
    assert estimate([MLP], records, gpu=True).seconds == pytest.approx(1.0)


@pytest.mark.parametrize(
    "other",
    [
        changed(epochs=100 * 31),
        changed(dataset="swimmer"),
        changed(architecture="resnet", depth=18),
        changed(dataset_options={"samples": 100}),
        ClassifierConfig("mnist", iterations=100, learning_rate=0.1, weight_decay=0.0),
    ],
)
def test_runs_of_another_kind_or_size_say_nothing(other):
    assert estimate([MLP], [record(other, 10.0)]).unknown == 1


def test_rows_count_where_both_are_limited():
    few, many = changed(dataset_options={"samples": 100}), changed(dataset_options={"samples": 400})
    assert estimate([many], [record(few, 10.0)]).seconds == pytest.approx(40.0)


def test_a_transfer_is_known_by_its_pre_training_and_its_learning_rates():
    pretraining = ClassifierConfig("mnist", iterations=100, learning_rate=0.1, weight_decay=0.0)
    options = {"train_per_class": 5}
    one, two = (TransferConfig(pretraining, rates, "mnist", options, 100, 50, 5) for rates in ((0.1,), (0.1, 0.2)))
    assert estimate([two], [record(one, 10.0)]).seconds == pytest.approx(20.0)
    assert estimate([pretraining], [record(one, 10.0)]).unknown == 1


def test_what_is_not_known_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("nrc_core.results.estimates.project_folder", lambda: tmp_path)
    assert announcement([MLP], tmp_path, gpu=False) == (
        "1 network to train; no stored run is like that, so how long it takes is not known"
    )
    Store(tmp_path / "results").save("0a", {}, record(MLP, 60.0))
    said = announcement([MLP, changed(epochs=200), changed(epochs=9000)], tmp_path / "store", gpu=False)
    assert said == f"3 networks to train, about 3 min for 2 of them (by what runs like that took on {CPU})"
