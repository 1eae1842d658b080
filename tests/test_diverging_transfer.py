"""Fine-tunings and pre-trainings whose loss becomes infinite."""

import dataclasses

import pytest

from nrc_core import Store, run
from tests.fakes_images import prepare_classes
from tests.tiny_transfer import FEATURES, fine_tunings, tiny, written


@pytest.fixture(autouse=True)
def prepared(tmp_path, monkeypatch) -> None:
    prepare_classes(tmp_path / "classes", per_class=11, test_per_class=4, noise=60.0)
    monkeypatch.setenv("NRC_DATA_DIR", str(tmp_path / "classes"))


def test_a_rate_that_diverges_is_a_row_without_numbers(tmp_path):
    results = run(tiny(starts=(10,), learning_rates=(0.1, 1e25)), store=Store(tmp_path / "store"))
    assert not results.failures
    rows = results.downstream.query("kind == 'fine-tuning'").set_index("setting")
    assert rows.loc[1e25, ["train_loss", *FEATURES]].isna().all()
    assert rows.loc[0.1, ["train_loss", *FEATURES]].notna().all()
    assert results.downstream.query("kind == 'linear probe'")[FEATURES].notna().all(axis=None)


@pytest.mark.parametrize("first", [0, 1])
def test_a_pretraining_that_diverges_ends_no_other_run(first, tmp_path):
    """This holds if the pre-training itself is wanted, and if only its weights are wanted."""
    store = Store(tmp_path / "store")
    transfer = fine_tunings(tiny())[1]
    diverging = dataclasses.replace(transfer.pretraining, learning_rate=1e25)
    sound = dataclasses.replace(transfer.pretraining, iterations=3, measure_iterations=())
    configs = [diverging, dataclasses.replace(transfer, pretraining=diverging)][first:]
    results = run([*configs, sound], store=store)
    assert results.runs["task"].tolist() == ["classification"]
    assert len(results.failures) == len(configs)
    assert all("is no longer finite" in failure for failure in results.failures.values())
    before = written(store)
    assert run([*configs, sound], store=store).failures == results.failures
    assert written(store) == before
