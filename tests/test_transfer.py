"""Fine-tuning and linear probes of pre-trained classifiers, through the store."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from nrc_core import DataUnavailable, Results, Store, content_key, load_dataset, run, stored
from nrc_core.config.base import Configuration
from nrc_core.config.classification import ClassifierConfig
from nrc_core.training import transfer as transfers
from nrc_core.training.checkpoints import Checkpoint, load_state
from nrc_core.training.classification import build_classifier, train_classifier
from nrc_core.training.loop import reproducible_arithmetic
from tests.fakes_images import prepare_classes
from tests.tiny_transfer import RATES, fine_tunings, tiny, written


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    prepare_classes(folder, per_class=11, test_per_class=4, noise=60.0)
    return folder


@pytest.fixture(autouse=True)
def prepared(folder, monkeypatch) -> None:
    monkeypatch.setenv("NRC_DATA_DIR", str(folder))


def key_of(config: Configuration) -> str:
    return content_key(config, load_dataset(config.dataset, **config.dataset_options).provenance["identity"])


@pytest.fixture(scope="module")
def done(folder, tmp_path_factory) -> tuple[Results, Store]:
    """One run of everything, for several tests that do not change the store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NRC_DATA_DIR", str(folder))
        store = Store(tmp_path_factory.mktemp("store"))
        return run(tiny(), store=store), store


@pytest.fixture
def copy(done, tmp_path) -> Store:
    """A copy of the results, which a test may change."""
    shutil.copytree(done[1].folder, tmp_path / "copy")
    return Store(tmp_path / "copy")


def test_every_start_has_a_row_for_every_learning_rate_and_penalty(done):
    results, _ = done
    assert results.runs["task"].tolist() == ["classification", "transfer", "transfer"]
    assert not results.failures
    for config in fine_tunings(tiny()):
        rows = results.downstream[results.downstream["key"] == key_of(config)]
        assert rows["kind"].tolist() == ["fine-tuning"] * 2 + ["linear probe"] * 6
        assert rows["setting"].tolist() == [*RATES, *transfers.PENALTIES]
        assert rows["train_loss"].notna().tolist() == [True] * 2 + [False] * 6
        for name, count in (("train", 30), ("validation", 30), ("test", 40)):
            wrong = rows[f"{name}_error"] * count
            np.testing.assert_allclose(wrong, wrong.round(), atol=1e-9)
    assert len(results.downstream) == 2 * 8
    assert results.clock == "iteration"


def test_the_runs_name_their_pretraining(done):
    results, _ = done
    pretraining = results.runs["key"].iloc[0]
    assert results.runs["pretraining_key"].isna().tolist() == [True, False, False]
    assert results.runs["pretraining_key"].tolist()[1:] == [pretraining, pretraining]
    assert results.runs["start"].tolist()[1:] == [10, 20]
    assert results.final()["key"].unique().tolist() == [pretraining]


def test_weights_are_kept_at_every_measured_iteration_beside_the_results(done):
    results, store = done
    pretraining = tiny()[0]
    assert isinstance(pretraining, ClassifierConfig)
    kept = store.weights(results.runs["key"].iloc[0])
    assert sorted(int(path.stem) for path in kept.iterdir()) == list(pretraining.times)
    assert {10, 20} <= set(pretraining.times)
    data = load_dataset("mnist", **pretraining.dataset_options)
    with reproducible_arithmetic():
        for iteration, training in train_classifier(pretraining, data):
            state = load_state(kept / f"{iteration}.pt")
            assert state.keys() == training.model.state_dict().keys()
            assert all(torch.equal(state[name], value) for name, value in training.model.state_dict().items())
    assert sorted(store.all_keys()) == sorted(results.runs["key"])


@pytest.mark.parametrize("start", [10, 20])
def test_fine_tuning_starts_from_all_weights_but_the_heads(start, done, monkeypatch):
    results, store = done
    (config,) = [one for one in fine_tunings(tiny()) if one.start == start]
    data = load_dataset("mnist", **config.dataset_options)
    path = store.weights(results.runs["key"].iloc[0]) / f"{start}.pt"
    state, started = load_state(path), []

    def watched(task, dataset, *, device, model):
        started.append({name: value.clone() for name, value in model.state_dict().items()})
        return train_classifier(task, dataset, device=device, model=model)

    monkeypatch.setattr(transfers, "train_classifier", watched)
    validation = load_dataset("mnist", **config.validation_options)
    transfers.compute_transfer(config, data, validation, device=torch.device("cpu"), weights=path)
    assert len(started) == len(RATES)
    for before in started:
        head = [name for name in before if before[name].shape != state[name].shape]
        assert head == ["network.layers.4.weight", "network.layers.4.bias"]
        assert before[head[0]].shape == (10, 8)
        assert all(torch.equal(before[name], state[name]) for name in before if name not in head)
        assert torch.equal(before[head[0]], started[0][head[0]])


def test_fine_tuning_is_the_pretrainings_optimiser_with_its_own_rate(done):
    """The row of one learning rate equals the result of a training loop written out here."""
    results, store = done
    config = fine_tunings(tiny())[1]
    pretraining = config.pretraining
    data = load_dataset("mnist", **config.dataset_options)
    held_out = load_dataset("mnist", labels="members", train_skip=8, train_per_class=3)
    assert torch.equal(held_out.x_train, load_dataset("mnist", **config.validation_options).x_train)
    task = ClassifierConfig(
        "mnist", iterations=12, learning_rate=0.1, weight_decay=pretraining.weight_decay, width=8, depth=3,
        seed=config.seed, dataset_options=config.dataset_options,
    )  # fmt: skip
    model = build_classifier(task, data)
    state = load_state(store.weights(key_of(pretraining)) / "20.pt")
    model.load_state_dict({name: value for name, value in state.items() if "layers.4" not in name}, strict=False)
    with reproducible_arithmetic():
        *_, (_, training) = train_classifier(task, data, model=model)
    model.eval()
    row = results.downstream.query("kind == 'fine-tuning' and setting == 0.1").set_index("key").loc[key_of(config)]
    assert row["train_loss"] == training.losses[-1]["batch_loss"]
    for name, x, y in [
        ("train", data.x_train, data.y_train),
        ("validation", held_out.x_train, held_out.y_train),
        ("test", data.x_test, data.y_test),
    ]:
        wrong = (model(x).argmax(1) != y.argmax(1)).double().mean().item()
        assert row[f"{name}_error"] == pytest.approx(wrong)


def captured(model: nn.Module, x: torch.Tensor) -> np.ndarray:
    """The input of the last linear layer."""
    seen: list[np.ndarray] = []
    head = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad(), head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].double().numpy())):
        model.eval()(x)
    return seen[0]


def test_the_probe_is_a_logistic_regression_on_the_frozen_features(done):
    results, store = done
    config = fine_tunings(tiny())[0]
    pretraining = config.pretraining
    before = build_classifier(pretraining, load_dataset("mnist", **pretraining.dataset_options))
    before.load_state_dict(load_state(store.weights(key_of(pretraining)) / "10.pt"))
    data = load_dataset("mnist", **config.dataset_options)
    held_out = load_dataset("mnist", labels="members", train_skip=8, train_per_class=3)
    parts = {
        "train": (data.x_train, data.y_train),
        "validation": (held_out.x_train, held_out.y_train),
        "test": (data.x_test, data.y_test),
    }
    h = {name: captured(before, x) for name, (x, _) in parts.items()}
    labels = {name: y.argmax(1).numpy() for name, (_, y) in parts.items()}
    mean, spread = h["train"].mean(0), h["train"].std(0, ddof=1)
    scaled = {name: (one - mean) / np.maximum(spread, 1e-12) for name, one in h.items()}
    rows = results.downstream[results.downstream["key"] == key_of(config)]
    for penalty in (1e-3, 1e-2, 1e-1):
        probe = LogisticRegression(C=penalty, max_iter=5000, tol=1e-10).fit(scaled["train"], labels["train"])
        found = rows[(rows["kind"] == "linear probe") & (rows["setting"] == penalty)].iloc[0]
        for name in parts:
            scores = probe.decision_function(scaled[name])
            wrong = scores.argmax(1) != labels[name]
            # The probe stops where no gradient is above 1e-4. The curvature is 1 / (30 C) or more, so its scores may
            # be 0.5 % of the largest off the optimum. A sample with two classes nearer than that may go to either.
            second, first = np.sort(scores, axis=1)[:, -2:].T
            sure = first - second > 5e-3 * np.abs(scores).max()
            assert sure.mean() > 0.8
            count = found[f"{name}_error"] * len(sure)
            assert wrong[sure].sum() - 1e-6 <= count <= (wrong | ~sure).sum() + 1e-6


def test_a_second_call_trains_nothing(done):
    first, store = done
    before = written(store)
    second = run(tiny(), store=store)
    assert written(store) == before
    assert second.runs["cached"].tolist() == [True] * 3
    pd.testing.assert_frame_equal(first.downstream, second.downstream)
    found, missing = stored(tiny(), store=store)
    assert missing == 0
    assert found is not None
    pd.testing.assert_frame_equal(first.downstream, found.downstream)


def remove(store: Store, *configs: Configuration) -> None:
    for config in configs:
        shutil.rmtree(store.folder / key_of(config))


def test_without_weights_the_network_is_trained_again_to_the_same_result(done, copy):
    configs = tiny()
    shutil.rmtree(copy.folder / ".weights")
    remove(copy, configs[2])
    again = run(configs, store=copy)
    assert again.runs["cached"].tolist() == [True, True, False]
    pd.testing.assert_frame_equal(done[0].downstream, again.downstream, check_exact=True)
    pd.testing.assert_frame_equal(done[0].measurements, again.measurements, check_exact=True)
    assert (copy.weights(key_of(configs[0])) / "20.pt").is_file()


def test_without_weights_finished_fine_tunings_are_still_found(copy):
    shutil.rmtree(copy.folder / ".weights")
    assert run(tiny(), store=copy).runs["cached"].tolist() == [True] * 3
    assert not (copy.folder / ".weights").exists()


def test_fine_tuning_alone_trains_what_it_starts_from(done, tmp_path):
    store, configs = Store(tmp_path / "alone"), tiny()
    alone = run(configs[1:2], store=store)
    expected = done[0].downstream
    expected = expected[expected["key"] == key_of(configs[1])].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.downstream, expected, check_exact=True)
    assert sorted(store.all_keys()) == sorted(key_of(config) for config in configs[:2])


class Stop(Exception):
    pass


def test_a_pretraining_that_goes_on_from_a_checkpoint_without_weights_has_them_in_the_end(done, copy, monkeypatch):
    """The checkpoint is from a run whose weights were not requested, or whose weights were removed later."""
    configs = tiny()
    remove(copy, configs[0], configs[1])
    shutil.rmtree(copy.folder / ".weights")
    pretraining = dataclasses.replace(configs[0], keep_weights=False)

    def late(self, state):
        if state["iteration"] == 15:
            write(self, state)
            raise Stop

    write = Checkpoint.write
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "due", lambda self: True)
        patch.setattr(Checkpoint, "write", late)
        with pytest.raises(Stop):
            run([pretraining], store=copy)
    again = run(configs[1:2], store=copy)
    expected = done[0].downstream
    expected = expected[expected["key"] == key_of(configs[1])].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.downstream, expected, check_exact=True)


def test_controls_have_the_same_horizon_and_stop_at_the_first_start():
    configs = tiny(control_weight_decays=(1e-3, 1e-2), control_smoothings=(0.1,), starts=(20, 10))
    pretrainings = [config for config in configs if isinstance(config, ClassifierConfig)]
    main, *controls = pretrainings
    assert [config.stop_iteration for config in pretrainings] == [None, 10, 10, 10]
    assert {config.iterations for config in pretrainings} == {30}
    assert [config.times[-1] for config in pretrainings] == [30, 10, 10, 10]
    assert [(config.weight_decay, config.label_smoothing) for config in controls] == [(1e-3, 0), (1e-2, 0), (0, 0.1)]
    assert all(config.keep_weights for config in pretrainings)
    tunings = fine_tunings(configs)
    assert [config.start for config in tunings] == [10, 20, 10, 10, 10]
    assert [config.pretraining for config in tunings] == [main, main, *controls]


def test_a_control_run_to_its_stop_is_fine_tuned(tmp_path):
    configs = tiny(control_smoothings=(0.1,), starts=(10,), learning_rates=(0.1,))
    results = run(configs, store=Store(tmp_path / "store"))
    control = results.runs[results.runs["label_smoothing"] == 0.1].iloc[0]
    assert results.losses.query("key == @control.key")["iteration"].max() == 10
    assert (results.runs["pretraining_key"] == control["key"]).sum() == 1


def test_rows_of_the_three_stages_are_disjoint():
    config = fine_tunings(tiny())[0]
    before = config.pretraining.dataset_options
    assert (before["labels"], before["train_per_class"]) == ("superclasses", 5)
    assert config.dataset_options == {"labels": "members", "train_skip": 5, "train_per_class": 3}
    images = [
        load_dataset("mnist", **options).x_train
        for options in (before, config.dataset_options, {"train_skip": 8, "train_per_class": 3})
    ]
    assert len({image.numpy().tobytes() for part in images for image in part}) == 110 == sum(map(len, images))


def test_the_provenance_is_plain_and_reads_back(done):
    _, store = done
    for config in tiny():
        record = json.loads((store.folder / key_of(config) / "provenance.json").read_text())
        assert record["config"] == json.loads(json.dumps(config.as_dict()))
        found = store.load(key_of(config))
        assert found is not None
        assert found.config == config


def test_absent_data_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("NRC_DATA_DIR", str(tmp_path))
    with pytest.raises(DataUnavailable, match="'mnist' is not prepared on this machine"):
        run(tiny(), store=Store(tmp_path / "store"))
