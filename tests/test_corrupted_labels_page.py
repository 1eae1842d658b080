"""The page on wrong labels: networks in the store, words and figures, at a size that says nothing about science."""

import pandas as pd
import pytest

from nrc_core import Store, run
from nrc_core.config.trained_features import CODING_RATE, CROSS_ENTROPY
from nrc_core.results.store import read_configuration
from nrc_core.sections.corrupted_labels import figures, tables
from nrc_core.sections.corrupted_labels.experiment import corrupted_labels
from tests.fakes_images import prepare_classes

SMALL = {
    "sources": [0, 1, 2], "train_per_class": 12, "test_per_class": 6, "width": 32, "epochs": 30, "batch_size": 12,
    "coding_epochs": 3, "coding_batch_size": 36, "long_ratios": [0.5], "long_epochs": 6,
}  # fmt: skip


@pytest.fixture(scope="module")
def configs():
    return corrupted_labels([0.0, 0.25, 0.5], seeds=[0], **SMALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of noise in 39 classes in place of the data set."""
    folder = tmp_path_factory.mktemp("data")
    names = [str(number) for number in range(39)]
    prepare_classes(folder, "digits_and_clothes", classes=names, size=(14, 14))
    return folder


def test_configurations_are_read_again(trained, configs):
    for config, record in zip(configs, trained.provenance.values(), strict=True):
        assert read_configuration(record["config"]) == config
    assert not {"complexity", "class_complexity"} & set(trained.descent["quantity"])


def test_the_table_has_every_measured_epoch(trained):
    table = tables.curves(trained)
    sizes = table.groupby(["kind", "ratio", "weight_decay"])["epoch"].agg(list)
    assert sizes[CROSS_ENTROPY, 0.5, 5e-4] == [0, 1, 2, 5, 10, 20, 30]
    assert sizes[CODING_RATE, 0.25, 5e-4] == [0, 2, 3]
    assert sizes[CODING_RATE, 0.5, 5e-4] == [0, 2, 3, 5, 6]
    assert table.loc[table["ratio"] == 0, "wrong_given_accuracy"].isna().all()
    assert table.loc[table["kind"] == CODING_RATE, "margin_least"].isna().all()
    rules = table.loc[table["kind"] == CODING_RATE, ["test_accuracy", "accuracy_by_subspaces"]]
    assert rules.nunique(axis=1).eq(1).all()


def test_stages_are_those_that_were_measured(trained):
    assert list(tables.stages(trained)) == [
        "cross entropy, 10 epochs", "cross entropy, 30 epochs", "coding-rate reduction, 3 epochs",
        "coding-rate reduction, 6 epochs",
    ]  # fmt: skip
    assert tables.main_stages(trained) == ((CROSS_ENTROPY, 10), (CROSS_ENTROPY, 30), (CODING_RATE, 3))
    lines = tables.summary(trained).splitlines()
    assert len(lines) == 2 + 3
    assert lines[2].endswith("|  |")  # only the last ratio has the long training


def test_words_and_figures_tell_what_the_tables_have(trained):
    words = tables.words(trained)
    late = tables.by_epoch(trained)[CROSS_ENTROPY, 30].xs(0.5).item()
    assert words.startswith("**With 50% of the labels replaced")
    assert f"{late:.3f} with cross entropy after 30" in words
    assert "Margins without a training error, with weight decay 0:" in words
    assert f"cross entropy, 30 epochs: {tables.by_epoch(trained)[CROSS_ENTROPY, 30].xs(0.0).item():.3f} to" in (
        figures.accuracy_by_ratio(trained).alt
    )
    slider = figures.accuracy_by_reproduced(trained)
    assert list(slider.pictures) == ["0.25", "0.5"]
    assert slider.first == 1
    assert f"cross entropy at 30 epochs {late:.3f} with" in slider.pictures["0.5"].alt
    v = tables.at(trained, CODING_RATE, 3).groupby("ratio")["v_train"].mean()
    assert f"coding-rate reduction {v.min():.2g} to {v.max():.2g}" in figures.spread_by_ratio(trained).alt
    assert "coding-rate reduction by nearest mean" in figures.rules_by_ratio(trained).alt
    assert "smallest, normalised, decay 0.0005:" in figures.margins_over_training(trained).alt


def test_words_and_figures_do_with_right_labels_only_or_wrong_ones_only(trained):
    right = trained.where(corrupted=0.0)
    assert "Coding-rate reduction is ahead" not in tables.words(right)
    wrong = trained.where(corrupted=0.5)
    assert "Margins" not in tables.words(wrong)
    assert "rom the first epoch without a training error" in figures.margins_over_training(wrong).alt


def test_results_of_the_same_seed_are_the_same(trained, configs, tmp_path, monkeypatch):
    folder = tmp_path / "data"
    prepare_classes(folder, "digits_and_clothes", classes=[str(number) for number in range(39)], size=(14, 14))
    monkeypatch.setenv("NRC_DATA_DIR", str(folder))
    again = run(configs[-1:], store=Store(tmp_path / "store"))
    own = trained.descent[trained.descent["key"] == again.descent["key"].iloc[0]].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.descent, own)
