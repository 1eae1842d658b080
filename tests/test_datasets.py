import inspect
import json

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import local_copies
from nrc_core import EXPERIMENTS, ConfigError, DataDamaged, DataUnavailable, load_dataset
from nrc_core.data.catalogue import ROLLED_OUT, data_identity
from nrc_core.data.prepared import Manifest, read_prepared, write_prepared
from nrc_core.data.synthetic import LEAST_SHARE, synthetic


def write_table(path, n=40, **extra):
    generator = np.random.default_rng(0)
    columns = {"a": generator.standard_normal(n), "b": generator.standard_normal(n)} | extra
    columns["y1"] = columns["a"] * 2 + 1
    columns["y2"] = columns["b"] ** 2
    table = pd.DataFrame(columns)
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        np.savez(path, x=table[["a", "b"]].to_numpy(), y=table[["y1", "y2"]].to_numpy())
    return path


def test_synthetic_has_the_papers_sizes():
    data = load_dataset("synthetic")
    assert (data.x_train.shape, data.y_train.shape) == ((8000, 20), (8000, 3))
    assert len(data.x_test) == 2000
    assert (data.input_dim, data.target_dim, data.x_train.dtype) == (20, 3, torch.float32)


def test_scaled_by_training_statistics():
    data = load_dataset("synthetic", samples=500)
    for values in (data.x_train, data.y_train):
        assert values.double().mean(0).abs().max() < 1e-6
        assert (values.double().std(0, correction=0) - 1).abs().max() < 1e-5
    assert data.x_test.mean(0).abs().max() > 1e-4


def test_a_seed_gives_the_same_split_bit_for_bit():
    first, again, other = (load_dataset("synthetic", samples=200, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.x_train, again.x_train)
    assert not torch.equal(first.x_train, other.x_train)
    assert first.provenance["identity"] == other.provenance["identity"]


def test_the_same_teacher_seed_gives_the_same_data_and_others_do_not():
    assert torch.equal(synthetic(teacher_seed=1, samples=10)[1], synthetic(teacher_seed=1, samples=10)[1])
    assert not torch.equal(synthetic(teacher_seed=1, samples=10)[1], synthetic(teacher_seed=2, samples=10)[1])


@pytest.mark.parametrize("kind", ["linear", "nonlinear"])
@pytest.mark.parametrize("teacher_seed", range(5))
def test_low_rank_teachers_have_their_rank_and_no_weak_direction(kind, teacher_seed):
    _, y, _ = synthetic(teacher=kind, teacher_rank=2, target_dim=6, samples=400, teacher_seed=teacher_seed)
    values = np.linalg.eigvalsh(np.cov(y.numpy().T))[::-1]
    assert values[1] >= LEAST_SHARE * values.sum()
    assert values[2:].sum() <= 1e-12 * values.sum()


def test_degenerate_teachers_are_rejected_and_counted():
    counts = [
        synthetic(teacher_rank=2, target_dim=6, samples=50, teacher_seed=s)[2]["rejected_teachers"] for s in range(9)
    ]
    assert max(counts) > 0


def test_impossible_teachers_are_refused():
    with pytest.raises(ConfigError, match="no teacher among 100 gave 30 target directions"):
        synthetic(teacher_rank=30, target_dim=30, input_dim=30, samples=50)
    with pytest.raises(ConfigError, match="teacher must be 'nonlinear' or 'linear': got 'deep'"):
        synthetic(teacher="deep")
    with pytest.raises(ConfigError, match="samples must be at least 1: got 0"):
        synthetic(samples=0)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_of_ones_own(tmp_path, suffix):
    data = load_dataset(str(write_table(tmp_path / f"mine.{suffix}")), targets=["y1", "y2"])
    assert (data.input_dim, data.target_dim, len(data.x_train)) == (2, 2, 32)
    assert data.provenance["kind"] == "your own"


def test_an_npz_of_matrices(tmp_path):
    data = load_dataset(str(write_table(tmp_path / "mine.npz")), targets=["y"])
    assert (data.input_dim, data.target_dim) == (2, 2)


def test_the_identity_of_a_table_is_its_content_and_its_targets(tmp_path):
    path = write_table(tmp_path / "mine.csv")
    copy = tmp_path / "elsewhere.csv"
    copy.write_bytes(path.read_bytes())
    identity = load_dataset(str(path), targets=["y1"]).provenance["identity"]
    assert load_dataset(str(copy), targets=["y1"]).provenance["identity"] == identity
    assert load_dataset(str(path), targets=["y2"]).provenance["identity"] != identity


def test_a_blocked_split_keeps_the_order(tmp_path):
    path = tmp_path / "rows.csv"
    pd.DataFrame({"i": range(50), "y": [i**2 for i in range(50)]}).to_csv(path, index=False)
    data = load_dataset(str(path), targets=["y"], split="blocked")
    assert data.x_train.max() < data.x_test.min()
    mixed = load_dataset(str(path), targets=["y"], split="random")
    assert mixed.x_train.max() > mixed.x_test.min()


def test_a_blocked_split_cuts_between_episodes(tmp_path):
    episodes = np.repeat(range(7), 10)
    table = pd.DataFrame({"x": np.arange(70.0), "y": np.arange(70.0) ** 2, "episode": episodes})
    manifest = Manifest("reacher", "simulated", "test", "none", "id", ["x"], ["y"], 70, groups="episode")
    write_prepared(tmp_path / "reacher", table, manifest)
    data = load_dataset("reacher", data_dir=tmp_path, split="blocked")
    assert (len(data.x_train), len(data.x_test)) == (60, 10)


def test_fewer_samples_are_drawn_by_the_seed(tmp_path):
    path = str(write_table(tmp_path / "mine.csv"))
    few = [load_dataset(path, targets=["y1"], samples=20, seed=seed).x_train for seed in (0, 0, 1)]
    assert len(few[0]) == 16
    assert torch.equal(few[0], few[1])
    assert not torch.equal(few[0], few[2])


def test_constant_inputs_become_zero_and_are_named(tmp_path):
    data = load_dataset(str(write_table(tmp_path / "mine.csv", c=np.full(40, 0.3))), targets=["y1", "y2"])
    assert data.provenance["constant_inputs"] == [2]
    assert data.x_train[:, 2].abs().max() == 0


@pytest.mark.parametrize("name", ROLLED_OUT)
def test_simulated_data_have_the_sizes_of_table_2(name):
    rows, inputs, targets = {"swimmer": (1000, 8, 2), "reacher": (1000, 11, 2), "hopper": (5000, 11, 3)}[name]
    data = load_dataset(name)
    assert (len(data.x_train) + len(data.x_test), data.input_dim, data.target_dim) == (rows, inputs, targets)
    assert data.provenance["kind"] == "simulated"


@pytest.mark.skipif(local_copies() is None, reason="no local copy of SGEMM: NRC_DATA_MIRROR is not set")
def test_sgemm_is_all_there_and_its_targets_are_rank_one(data_dir):
    from data_scripts import prepare

    assert prepare("sgemm", data_dir).rows == 241_600
    data = load_dataset("sgemm")
    assert (data.x_train.shape, data.y_test.shape) == ((193_280, 14), (48_320, 4))
    values = torch.linalg.eigvalsh(data.y_train.double().T.cov())
    assert values[-1] / values.sum() > 0.9999


def bad_table(path, text):
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y1\n1,2\n3,\n", "column 'y1' holds 1 empty, NaN or infinite values, the first in data row 2"),
        ("a,y1\n1,2\n3,inf\n", "column 'y1' holds 1 empty, NaN or infinite values"),
        ("a,y1\n1,2\nx,3\n", "column 'a' holds text, not numbers"),
        ("a,y1\n", "has no rows"),
        ("", "is not a readable CSV table"),
        ("a,y1\n1,2\n1,2,3\n", "is not a readable CSV table"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, message):
    with pytest.raises(DataDamaged, match=message):
        load_dataset(bad_table(tmp_path / "bad.csv", text), targets=["y1"])


@pytest.mark.parametrize("name", ["bad.npz", "bad.parquet"])
def test_files_that_are_no_tables_are_refused(tmp_path, name):
    with pytest.raises(DataDamaged, match=f"{name} is not a readable"):
        load_dataset(bad_table(tmp_path / name, "not a table"), targets=["y"])


def test_pickled_arrays_are_never_loaded(tmp_path):
    np.savez(tmp_path / "bad.npz", x=np.array([{"a": 1}], dtype=object), y=np.zeros(1))
    with pytest.raises(DataDamaged, match="is not a readable NPZ table"):
        load_dataset(str(tmp_path / "bad.npz"), targets=["y"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "which columns of .* are targets"),
        ({"targets": ["z1"]}, "has no column 'z1'"),
        ({"targets": ["yy1"]}, "did you mean 'y1'"),
        ({"targets": ["a", "b", "y1", "y2"]}, "has no input column besides its targets"),
        ({"targets": ["y1"], "split": "blockd"}, "split must be one of random, blocked: got 'blockd'"),
        ({"targets": ["y1"], "samples": 41}, "samples must be between 1 and the 40 rows there are: got 41"),
        ({"targets": ["y1"], "samples": 2}, "2 rows cannot be split"),
        ({"targets": ["y1"], "teacher": "linear"}, r"unknown option \['teacher'\]"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        load_dataset(str(write_table(tmp_path / "mine.csv")), **options)


def test_a_constant_target_is_refused(tmp_path):
    path = bad_table(tmp_path / "c.csv", "a,y\n" + "".join(f"{i},1\n" for i in range(10)))
    with pytest.raises(DataDamaged, match="target 'y' is constant on the training rows"):
        load_dataset(path, targets=["y"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hoper", "unknown data set 'hoper': did you mean 'hopper'"),
        ("imagenet", "built in are synthetic"),
        ("my.xlsx", "is not a table in a format that is read"),
        ("missing.csv", "no table at missing.csv"),
    ],
)
def test_unknown_names_are_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        load_dataset(name, targets=["y"] if "." in name else ())


@pytest.fixture
def split_table(tmp_path):
    """A table with its own split; the first and the third row are test rows."""
    path = tmp_path / "own.csv"
    parts = ["test", "train", "test", *["train"] * 5]
    a = [9.0, 1.0, 7.0, 3.0, 5.0, 1.0, 3.0, 5.0]
    pd.DataFrame({"a": a, "y": [2 * value for value in a], "split": parts}).to_csv(path, index=False)
    return str(path)


def test_a_tables_own_split_is_kept_and_scaled_by_its_training_rows(split_table, caplog):
    data = load_dataset(split_table, targets=["y"])
    spread = np.sqrt(8 / 3)  # of 1, 3, 5, 1, 3, 5 about their mean of 3
    assert torch.allclose(data.x_train[:, 0], torch.tensor([-2, 0, 2, -2, 0, 2]) / spread)
    assert torch.allclose(data.x_test[:, 0], torch.tensor([6, 4]) / spread)
    assert torch.allclose(data.y_test, data.x_test)
    provenance = data.provenance
    assert (provenance["split"], provenance["n_train"], provenance["n_test"]) == ("own", 6, 2)
    assert caplog.messages == ["own.csv: its own split is used, 6 rows for training and 2 for the test"]
    again = load_dataset(split_table, targets=["y"], seed=1)
    assert torch.equal(again.x_train, data.x_train)


def test_a_tables_own_split_is_kept_when_rows_are_drawn(split_table):
    data = load_dataset(split_table, targets=["y"], samples=7)
    assert (len(data.x_train), len(data.x_test)) in ((5, 2), (6, 1))
    with pytest.raises(ConfigError, match=r"training and \d test rows are too few: at least 2 and 1 are needed"):
        load_dataset(split_table, targets=["y"], samples=1)


def test_another_split_of_a_table_that_has_its_own_is_refused_before_anything_is_trained(split_table):
    with pytest.raises(ConfigError, match=r"own.csv brings its own split, so it is not to be blocked"):
        load_dataset(split_table, targets=["y"], split="blocked")
    with pytest.raises(ConfigError, match=r"own.csv brings its own split, so it is not to be blocked"):
        data_identity(split_table, targets=["y"], split="blocked")


def test_what_was_left_out_of_a_table_is_said_and_recorded(tmp_path, caplog):
    table = pd.DataFrame({"a": [5.0, 1, 7, 3, 2], "y": [2.0, 4, 3, 1, 0]})
    table.to_csv(tmp_path / "t.csv")
    data = load_dataset(tmp_path / "t.csv", targets=["y"])
    assert data.input_dim == 1
    assert "column 1 has no name and numbers the rows: left out" in data.provenance["notes"][0]
    assert caplog.messages == [f"t.csv: {data.provenance['notes'][0]}"]


def test_unknown_synthetic_options_are_refused():
    with pytest.raises(ConfigError, match="unknown or missing option for data set 'synthetic'"):
        load_dataset("synthetic", techer="linear")


def test_missing_data_say_how_to_get_them(tmp_path):
    with pytest.raises(DataUnavailable, match="run `nrc data sgemm`"):
        load_dataset("sgemm", data_dir=tmp_path)


@pytest.fixture
def prepared(tmp_path):
    table = pd.DataFrame({"x": np.arange(10.0), "y": np.arange(10.0)})
    write_prepared(tmp_path / "sgemm", table, Manifest("sgemm", "real", "test", "none", "id", ["x"], ["y"], 10))
    return tmp_path / "sgemm"


def test_prepared_data_come_back(prepared):
    table, manifest = read_prepared(prepared)
    assert (len(table), manifest.name) == (10, "sgemm")


def test_an_altered_table_is_refused(prepared):
    content = bytearray((prepared / "table.parquet").read_bytes())
    content[20] ^= 1
    (prepared / "table.parquet").write_bytes(content)
    with pytest.raises(DataDamaged, match=r"has checksum .*, its manifest says .*: run `nrc data sgemm`"):
        read_prepared(prepared)


def test_a_lost_table_is_named(prepared):
    (prepared / "table.parquet").unlink()
    with pytest.raises(DataDamaged, match=r"table.parquet is missing"):
        read_prepared(prepared)


@pytest.mark.parametrize("text", ["{", "[]", '{"name": 1}'])
def test_a_damaged_manifest_is_named(prepared, text):
    (prepared / "manifest.json").write_text(text)
    with pytest.raises(DataDamaged, match=r"manifest\.json cannot be read"):
        read_prepared(prepared)


def test_wrong_row_counts_are_refused(prepared):
    manifest = json.loads((prepared / "manifest.json").read_text()) | {"rows": 11}
    (prepared / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataDamaged, match="has 10 rows, its manifest says 11"):
        read_prepared(prepared)


@pytest.mark.parametrize(
    "experiment", [name for name, made in EXPERIMENTS.items() if "targets" in inspect.signature(made).parameters]
)
def test_a_table_of_ones_own_is_taken_with_its_targets(tmp_path, experiment):
    path = write_table(tmp_path / "mine.csv")
    several = "datasets" in inspect.signature(EXPERIMENTS[experiment]).parameters
    for config in EXPERIMENTS[experiment]([str(path)] if several else str(path), targets=["y2"], epochs=1):
        dataset = load_dataset(config.dataset, **config.dataset_options)
        assert (dataset.input_dim, dataset.target_dim) == (3, 1)


def test_a_wrong_split_and_targets_of_data_that_have_their_own_are_told_before_any_data_are_loaded():
    with pytest.raises(ConfigError, match="split must be one of random, blocked: got 'blocky'"):
        EXPERIMENTS["deep_nrc_mlp"]("swimmer", split="blocky")
    with pytest.raises(ConfigError, match="'swimmer' has its own targets"):
        EXPERIMENTS["weight_decay"]("swimmer", targets=["y"])
