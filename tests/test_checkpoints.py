"""Runs that are killed continue from their checkpoint, and end with the same tables, bit for bit."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from nrc_core import DataDamaged, RunConfig, Store, deep_nrc_mlp, deep_nrc_resnet, load_dataset, run
from nrc_core.results.results import TABLES
from nrc_core.training import checkpoints
from nrc_core.training.checkpoints import Checkpoint, is_whole, load_state, packed, save_state, unpacked
from nrc_core.training.loop import reproducible_arithmetic, train
from tests.fakes import prepare_images
from tests.stopping import stop_after

TOY = {"samples": 60, "width": 8, "depth": 3, "epochs": 6, "measurements": 3}


@pytest.fixture
def every_epoch(monkeypatch):
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)


def same(first: dict, second: dict) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(first[name], second[name], check_exact=True)


def tables(results) -> dict[str, pd.DataFrame]:
    return {name: getattr(results, name) for name in TABLES}


@pytest.mark.parametrize("writes", [1, 3, 5])
def test_a_stopped_run_ends_in_the_same_tables(tmp_path, every_epoch, monkeypatch, caplog, writes):
    configs = deep_nrc_mlp("synthetic", **TOY)
    whole = run(configs, store=Store(tmp_path / "whole"))
    store = Store(tmp_path / "stopped")
    stop_after(writes, lambda: run(configs, store=store), monkeypatch)
    assert len(list(store.folder.glob(".checkpoints/*.pt"))) == 1
    with caplog.at_level(logging.INFO):
        resumed = run(configs, store=store)
    assert f"going on from epoch {writes}" in caplog.text
    same(tables(whole), tables(resumed))
    assert not list(store.folder.glob(".checkpoints/*"))


KILLED = """
import sys
from nrc_core import Store, deep_nrc_resnet, run
from nrc_core.training.checkpoints import Checkpoint
Checkpoint.due = lambda self: True
run(deep_nrc_resnet("car_racing", width=4, epochs=60, measurements=6), store=Store(sys.argv[1]))
"""


def test_a_run_killed_at_any_moment_goes_on_to_the_same_result(tmp_path, monkeypatch, every_epoch, caplog):
    """A process that trains a ResNet gets a real SIGKILL at some moment after a checkpoint, twice."""
    prepare_images(tmp_path / "data")
    monkeypatch.setenv("NRC_DATA_DIR", str(tmp_path / "data"))
    configs = deep_nrc_resnet("car_racing", width=4, epochs=60, measurements=6)
    whole = run(configs, store=Store(tmp_path / "whole"))
    folder = tmp_path / "killed"
    reached = 0
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 600
        while not (epoch := epoch_of(folder)) > reached and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
        assert epoch > reached
        reached = epoch
    assert Store(folder).all_keys() == []
    with caplog.at_level(logging.INFO):
        resumed = run(configs, store=Store(folder))
    assert "going on from epoch" in caplog.text
    same(tables(whole), tables(resumed))


def epoch_of(folder: Path) -> int:
    """The epoch of the checkpoint of the only run."""
    files = list(folder.glob(".checkpoints/*.pt"))
    return load_state(files[0])["epoch"] if files else 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_a_run_on_a_gpu_goes_on_to_nearly_the_same_result(tmp_path, monkeypatch, every_epoch):
    """A GPU may add numbers in another order each time, so metrics agree to a thousandth only."""
    prepare_images(tmp_path / "data")
    monkeypatch.setenv("NRC_DATA_DIR", str(tmp_path / "data"))
    configs = deep_nrc_resnet("car_racing", width=4, epochs=6, measurements=3)
    whole = run(configs, store=Store(tmp_path / "whole"))
    store = Store(tmp_path / "stopped")
    stop_after(3, lambda: run(configs, store=store), monkeypatch)
    resumed = run(configs, store=store)
    for name in ("nrc1", "nrc2", "nrc3", "nrc4"):
        np.testing.assert_allclose(resumed.final()[name], whole.final()[name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a checkpoint", b"\x80\x02cos\nsystem\n."])
def test_a_damaged_checkpoint_is_named_and_training_starts_afresh(tmp_path, content, caplog):
    configs = deep_nrc_mlp("synthetic", **TOY)
    whole = run(configs, store=Store(tmp_path / "whole"))
    store = Store(tmp_path / "damaged")
    path = store.checkpoint(whole.runs["key"].iloc[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    same(tables(whole), tables(run(configs, store=store)))
    assert "damaged checkpoint" in caplog.text


def test_nothing_pickled_is_loaded(tmp_path, caplog):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'evil'}",)

    path = tmp_path / "run.pt"
    save_state({"identity": {}, "epoch": Evil()}, path)
    assert Checkpoint(path, {}).read() is None
    assert not (tmp_path / "evil").exists()
    assert "damaged checkpoint" in caplog.text
    assert "UnpicklingError" in caplog.text


def test_an_altered_number_is_found_out(tmp_path):
    """One bit of a weight is changed; torch would read the archive without an error."""
    path = tmp_path / "run.pt"
    save_state({"weight": torch.arange(1000.0)}, path)
    assert is_whole(path)
    assert torch.equal(load_state(path)["weight"], torch.arange(1000.0))
    content = bytearray(path.read_bytes())
    content[content.index(np.float32(500.0).tobytes())] ^= 1
    path.write_bytes(content)
    assert not is_whole(path)
    with pytest.raises(DataDamaged, match=r"run\.pt cannot be read \(not as it was written\): remove it"):
        load_state(path)


def test_the_checkpoint_of_another_run_is_not_gone_on_from(tmp_path, caplog):
    Checkpoint(tmp_path / "run.pt", {"code": "old", "data": "same"}).write({"epoch": 3})
    assert Checkpoint(tmp_path / "run.pt", {"code": "new", "data": "same"}).read() is None
    assert "is of another code: starting afresh" in caplog.text
    assert Checkpoint(tmp_path / "run.pt", {"code": "old", "data": "same"}).read()["epoch"] == 3


def test_a_checkpoint_that_lacks_a_measured_epoch_is_not_gone_on_from(tmp_path, every_epoch, caplog):
    data = load_dataset("synthetic", samples=60)
    values = {"epochs": 5, "learning_rate": 0.05, "weight_decay": 0.0, "width": 8, "depth": 3}
    with reproducible_arithmetic():
        for epoch, training in train(RunConfig("synthetic", **values), data, checkpoint=checkpoint(tmp_path)):
            training.kept[epoch] = {}
        again = RunConfig("synthetic", measure_epochs=(2,), **values)
        assert [epoch for epoch, _ in train(again, data, checkpoint=checkpoint(tmp_path))] == [2, 5]
    assert "lacks epochs that are to be measured" in caplog.text


def checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint(folder / "run.pt", {})


def test_a_write_that_fails_leaves_the_last_one(tmp_path, monkeypatch):
    kept = checkpoint(tmp_path)
    kept.write({"epoch": 1})

    def full(*_):
        (tmp_path / "run.partial").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        kept.write({"epoch": 2})
    assert kept.read()["epoch"] == 1


def test_one_is_due_after_a_while_only(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    kept = Checkpoint(tmp_path / "run.pt", {}, _written=0.0)
    now[0] = checkpoints.SECONDS - 1
    assert not kept.due()
    now[0] = checkpoints.SECONDS
    assert kept.due()
    kept.write({})
    assert not kept.due()


def test_tables_survive_packing():
    table = pd.DataFrame({"a": [1.5, np.nan], "b": ["x", "y"], "c": np.array([1, 2], np.float32)})
    pd.testing.assert_frame_equal(unpacked(packed({"b": table}))["b"], table)
