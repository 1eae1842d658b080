"""Runs through the store: they are found by content and are bit-identical; damage is reported and repaired."""

import dataclasses
import logging
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch

import nrc_core
from nrc_core import ConfigError, DataUnavailable, RunConfig, Store, TrainingDiverged, deep_nrc_mlp, run
from nrc_core.data import load
from nrc_core.results import obtaining, runs
from nrc_core.results.results import TABLES
from nrc_core.results.store import RESULTS_VERSION
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.training import computing
from nrc_core.training.checkpoints import source_checksum

SMALL = {"samples": 60, "width": 8, "depth": 3, "epochs": 4}
TOY = SMALL | {"measurements": 2}


def toy(**change) -> list[RunConfig]:
    return deep_nrc_mlp("synthetic", **(TOY | change))


def key_of(config: RunConfig) -> str:
    return nrc_core.content_key(
        config, nrc_core.load_dataset(config.dataset, **config.dataset_options).provenance["identity"]
    )


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "results")


def test_results_are_tidy(store):
    results = run(toy(seeds=[0, 1]), store=store)
    assert len(results.runs) == 2
    # 2 runs x 2 epochs x 3 views x 4 sites.
    assert len(results.measurements) == 2 * 2 * 3 * 4
    assert not results.measurements.duplicated(["key", "epoch", "split", "features", "site"]).any()
    assert results.losses.groupby("key")["epoch"].apply(list).tolist() == [[1, 2, 3, 4]] * 2
    assert sorted(results.final()["site"].unique()) == [0, 1, 2, 3]
    assert (results.final()["epoch"] == 4).all()
    assert set(results.measurements["seed"]) == {0, 1}


def test_the_test_rows_are_measured_on_the_test_set(store):
    results = run(toy(), store=store)
    assert results.final("test")["network_mse"].iloc[0] == pytest.approx(results.losses["test_mse"].iloc[-1], rel=1e-5)


def test_a_hit_skips_training_and_says_so(store, monkeypatch, caplog):
    first = run(toy(), store=store)
    monkeypatch.setattr(computing, "compute", lambda *_, **__: pytest.fail("trained again"))
    with caplog.at_level(logging.INFO):
        second = run(toy(), store=store)
    assert "found in the store" in caplog.text
    assert second.runs["cached"].tolist() == [True]
    for name in ("measurements", "spectra", "losses"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name), check_like=True)


def test_seeds_give_bit_identical_tables(tmp_path):
    first, second = (run(toy(seeds=[3]), store=Store(tmp_path / name)) for name in ("a", "b"))
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name), check_exact=True)


def test_the_key_is_the_content():
    (config,) = toy()
    assert key_of(config) == key_of(dataclasses.replace(config))
    others = [
        dataclasses.replace(config, weight_decay=1e-9),
        dataclasses.replace(config, seed=1),
        dataclasses.replace(config, init_scale=2.0),
        dataclasses.replace(config, dataset_options={"split": "random", "samples": 61}),
    ]
    assert len({key_of(other) for other in [config, *others]}) == 5
    assert nrc_core.content_key(config, "one") != nrc_core.content_key(config, "two")


def test_defaults_are_what_the_frozen_keys_were_made_with():
    """Keys do not contain defaults: if this test fails, raise RESULTS_VERSION."""
    assert RESULTS_VERSION == 1
    config = RunConfig("swimmer", epochs=1, learning_rate=0.1, weight_decay=0.0)
    assert config.as_dict() == {
        "dataset": "swimmer",
        "epochs": 1,
        "learning_rate": 0.1,
        "weight_decay": 0.0,
        "width": 256,
        "depth": 8,
        "bias": False,
        "momentum": 0.9,
        "batch_size": 128,
        "seed": 0,
        "measure_epochs": [1],
        "rank": None,
        "tolerance": 1e-12,
        "init_scale": 1.0,
        "conventions": ["careful"],
        "dataset_options": {},
        "architecture": "mlp",
        "head": "linear",
        "precision": "float32",
        "last_layer": False,
    }


def test_what_is_measured_is_not_part_of_the_key():
    (config,) = toy()
    wider = dataclasses.replace(config, measure_epochs=(1, 2, 3), conventions=("released",))
    assert key_of(config) == key_of(wider)


def test_a_run_measured_more_widely_serves_for_less(store):
    wide = run(toy(measurements=4), store=store)
    narrow = run(toy(measurements=1), store=store)
    assert narrow.runs["cached"].tolist() == [True]
    assert wide.measurements["epoch"].nunique() > narrow.measurements["epoch"].nunique() == 1
    pd.testing.assert_frame_equal(wide.final(), narrow.final())
    pd.testing.assert_frame_equal(wide.final_spectra(), narrow.final_spectra())
    assert set(wide.spectra["epoch"]) == {4}  # earlier ones are not stored


def test_a_run_that_lacks_an_epoch_is_trained_again_and_keeps_what_it_had(store):
    first = run(toy(measurements=2), store=store)
    (config,) = toy()
    second = run([dataclasses.replace(config, measure_epochs=(3,), conventions=("released",))], store=store)
    assert second.runs["cached"].tolist() == [False]
    assert sorted(second.measurements["epoch"].unique()) == [3, 4]
    again = run(toy(measurements=2), store=store)
    assert again.runs["cached"].tolist() == [True]
    pd.testing.assert_frame_equal(first.measurements, again.measurements, check_exact=True)


def test_measuring_does_not_disturb_training(tmp_path):
    often, seldom = (run(toy(measurements=m), store=Store(tmp_path / str(m))) for m in (4, 1))
    pd.testing.assert_frame_equal(often.losses, seldom.losses, check_exact=True)
    pd.testing.assert_frame_equal(often.final(), seldom.final(), check_exact=True)


def test_other_conventions_are_measured_at_the_end_only(store):
    configs = [dataclasses.replace(config, conventions=("printed", "released")) for config in toy()]
    results = run(configs, store=store)
    assert set(results.final(convention="released")["epoch"]) == {4}
    others = results.measurements[results.measurements["convention"] != "careful"]
    assert set(others["epoch"]) == {4}
    assert not np.allclose(results.final()["nrc2"], results.final(convention="released")["nrc2"])


def test_of_two_that_want_the_same_run_one_computes_it(store, monkeypatch):
    computed = []
    whole = computing.compute

    def slow(configs, *arguments, **options):
        computed.extend(config.seed for config in configs)
        time.sleep(0.2)
        return whole(configs, *arguments, **options)

    monkeypatch.setattr(computing, "compute", slow)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: run(toy(), store=store), range(2)))
    assert computed == [0]
    assert sorted(one.runs["cached"].item() for one in results) == [False, True]


def test_results_are_found_where_their_data_are_not(store, monkeypatch):
    first = run(toy(), store=store)

    def missing(*_, **__):
        raise DataUnavailable("not here")

    monkeypatch.setattr(obtaining, "data_identity", missing)
    monkeypatch.setattr(load, "load_dataset", missing)
    pd.testing.assert_frame_equal(run(toy(), store=store).measurements, first.measurements)
    with pytest.raises(DataUnavailable, match="not here"):
        run(toy(seeds=[5]), store=store)
    found, lacking = runs.stored(toy(seeds=[0, 5]), store=store)
    assert lacking == 1
    assert found.runs["seed"].tolist() == [0]


def test_stored_results_become_figures_without_torch(store):
    """A page of stored results starts in half the time. The run is trained here; another process draws it."""
    run(toy(), store=store)
    code = (
        "import sys, nrc_core; "
        "from nrc_core.sections import dynamics, network_figures, page_parts, sweeps; "
        "from nrc_core.sections.what_decides_collapse import figures, tables; "
        f"r = nrc_core.run(nrc_core.deep_nrc_mlp('synthetic', **{TOY}), store=nrc_core.Store({str(store.folder)!r})); "
        "network_figures.conditions(r); page_parts.provenance(r); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_shuffled_targets_are_the_same_targets_in_another_order():
    plain, shuffled = (nrc_core.load_dataset("synthetic", samples=50, shuffled=value) for value in (False, True))
    assert torch.equal(plain.x_train, shuffled.x_train)
    assert not torch.equal(plain.y_train, shuffled.y_train)
    whole = [torch.cat([data.y_train, data.y_test])[:, 0].argsort().argsort() for data in (plain, shuffled)]
    assert not torch.equal(*whole)
    assert shuffled.provenance["shuffled"]
    assert plain.provenance["identity"] == shuffled.provenance["identity"]
    assert key_of(RunConfig("synthetic", 1, 0.1, 0.0, dataset_options={"samples": 50})) != key_of(
        RunConfig("synthetic", 1, 0.1, 0.0, dataset_options={"samples": 50, "shuffled": True})
    )


def test_runs_are_told_apart_by_their_fields(store):
    results = run(EXPERIMENTS["weight_decay"]("synthetic", weight_decays=[0.0, 0.5], **SMALL), store=store)
    assert results.label(results.final(), "weight_decay").groupby("weight_decay")["key"].nunique().to_dict() == {
        0.0: 1,
        0.5: 1,
    }
    one = results.where(weight_decay=0.5)
    assert len(one.runs) == 1
    assert set(one.losses["key"]) == set(one.measurements["key"]) == set(one.provenance) == set(one.runs["key"])


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_every_experiment_has_a_default_that_differs_in_every_run(name):
    configs = EXPERIMENTS[name]()
    keys = [nrc_core.content_key(config, "data") for config in configs]
    assert len(set(keys)) == len(keys) > 0


def test_variants_that_are_the_recipe_are_not_run_twice():
    configs = EXPERIMENTS["what_decides_collapse"]("reacher", widths=[512, 64], depths=[8], init_scales=[1.0])
    assert [(config.width, config.bias) for config in configs] == [(512, False), (512, True), (64, False)]


def test_the_low_rank_data_of_the_paper():
    configs = EXPERIMENTS["low_rank_targets"]("synthetic", control=False)
    assert [(config.depth, config.width) for config in configs] == [(10, 1024)]
    data = nrc_core.load_dataset("synthetic", **configs[0].dataset_options | {"samples": 200})
    assert data.target_dim == 10
    assert torch.linalg.matrix_rank(data.y_train.double(), rtol=1e-6) == 2
    assert [config.width for config in EXPERIMENTS["low_rank_targets"]("sgemm", control=False)] == [256, 512]
    with pytest.raises(ConfigError, match="low-rank targets are known of"):
        EXPERIMENTS["low_rank_targets"]("hopper")


def test_the_key_depends_on_the_version_of_the_results(monkeypatch):
    (config,) = toy()
    before = key_of(config)
    monkeypatch.setattr("nrc_core.results.store.RESULTS_VERSION", RESULTS_VERSION + 1)
    assert key_of(config) != before


def test_a_table_has_the_same_key_wherever_it_lies(tmp_path):
    keys = []
    for folder in ("here", "there"):
        path = tmp_path / folder / "mine.csv"
        path.parent.mkdir()
        path.write_text("a,y\n" + "".join(f"{i},{i * i}\n" for i in range(20)))
        keys.append(key_of(deep_nrc_mlp(str(path), targets=["y"], epochs=1)[0]))
    assert keys[0] == keys[1]


def test_provenance_says_what_made_it(store):
    results = run(toy(), store=store)
    (record,) = results.provenance.values()
    assert record["config"]["seed"] == 0
    assert record["source_checksum"] == source_checksum()
    assert record["packages"]["torch"] == torch.__version__
    assert record["data"]["kind"] == "synthetic"
    assert {"device", "seconds", "date", "commit", "results_version", "files"} <= set(record)


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "json", "record"])
def test_damaged_files_are_named_and_computed_again(store, caplog, damage):
    first = run(toy(), store=store)
    table = (folder := store.folder / first.runs["key"].iloc[0]) / "measurements.parquet"
    if damage == "flip":
        content = bytearray(table.read_bytes())
        content[100] ^= 1
        table.write_bytes(content)
    elif damage == "truncate":
        table.write_bytes(table.read_bytes()[:-10])
    elif damage == "delete":
        table.unlink()
    elif damage == "json":
        (folder / "provenance.json").write_text("{")
    else:
        record = folder / "provenance.json"
        record.write_text(record.read_text().replace('"seed": 0', '"seed": 1', 1))
    second = run(toy(), store=store)
    assert "damaged result" in caplog.text
    assert str(folder) in caplog.text
    assert second.runs["cached"].tolist() == [False]
    pd.testing.assert_frame_equal(first.measurements, second.measurements)
    assert run(toy(), store=store).runs["cached"].tolist() == [True]


def test_nothing_half_written_stays(store, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(OSError, match="No space left"):
        run(toy(), store=store)
    assert [path.name for path in store.folder.iterdir()] == [".locks"]


def test_a_diverged_run_is_reported_and_the_others_go_on(store):
    wild = dataclasses.replace(toy()[0], learning_rate=1e9, seed=7)
    results = run([wild, *toy()], store=store)
    assert len(results.runs) == 1
    assert "the loss became" in next(text for name, text in results.failures.items() if name.endswith("seed 7"))
    with pytest.raises(TrainingDiverged, match="seed 7: the loss became"):
        run([wild], store=store)


def test_a_frozen_run_has_not_changed(store):
    """If this test fails although the computation is correct, the numbers of all runs changed: raise RESULTS_VERSION.

    Then write the new values here. The tolerance covers different processors, not changes of method.
    """
    assert RESULTS_VERSION == 1
    table = run(toy(epochs=20), store=store).final()
    frozen = {
        "nrc1": [0.687574, 0.297936, 0.0520087, 0.0],
        "nrc2": [0.178467, 0.334425, 0.341359, 0.383467],
        "nrc3": [0.264258, 0.550281, 0.605812, np.nan],
        "nrc4": [0.22231, 0.552857, 0.595453, 0.702246],
        "network_mse": [0.900843] * 4,
    }
    for column, values in frozen.items():
        np.testing.assert_allclose(table[column], values, rtol=2e-3, atol=1e-6, err_msg=column)
