"""Tables of arrays, NPZ and NPY: no column is lost or mixed up, parts for training and test are kept apart."""

from pathlib import Path

import numpy as np
import pytest

from nrc_core.data.tables import read_table
from nrc_core.errors import ConfigError, DataDamaged

ROWS = 40
A = np.random.default_rng(0).standard_normal((ROWS, 3))


@pytest.mark.parametrize(
    ("arrays", "targets", "x", "y"),
    [
        ({"x": A, "y": A[:, :2] ** 2, "y2": A**3}, ["y"], [A, A**3], [A[:, :2] ** 2]),
        ({"x": A[:, :2], "x1": A[:, 2], "y": A[:, 0] ** 2}, ["y"], [A], [A[:, :1] ** 2]),
        ({"x": A, "y": A[:, :2] ** 2, "y1": A[:, 2]}, ["y"], [A, A[:, 2:]], [A[:, :2] ** 2]),
        ({"x": A, "y": A[:, :2] ** 2, "y1": A[:, 2]}, ["y1"], [A, A[:, :2] ** 2], [A[:, 2:]]),
        ({"x": A, "y": A[:, :2] ** 2, "y1": A[:, 2]}, ["y1", "y[1]"], [A, A[:, :1] ** 2], [A[:, 2:], A[:, 1:2] ** 2]),
        ({"x": np.tile(A, 5), "x1": A, "y": A[:, 0]}, ["y"], [np.tile(A, 5), A], [A[:, :1]]),
        ({"x": A, "y": A**2}, ["y2", "y0"], [A, A[:, 1:2] ** 2], [A[:, 2:] ** 2, A[:, :1] ** 2]),
        ({"x": A, "y": A[:, :1]}, ["y"], [A], [A[:, :1]]),
    ],
)
def test_arrays_whose_names_run_together_keep_their_columns(tmp_path, arrays, targets, x, y):
    np.savez(tmp_path / "t.npz", **arrays)
    found = read_table(tmp_path / "t.npz", targets)
    assert np.array_equal(found.x, np.concatenate(x, axis=1))
    assert np.array_equal(found.y, np.concatenate(y, axis=1))


@pytest.mark.parametrize("seed", range(5))
def test_arrays_of_any_names_lose_and_mix_no_column(tmp_path, seed):
    generator = np.random.default_rng(seed)
    names = generator.permutation(["x", "x1", "x11", "x1_1", "y", "y0", "y1", "1"])
    widths = generator.integers(0, 13, len(names))  # 0: a vector
    arrays = {
        str(name): generator.standard_normal((5, width) if width else 5)
        for name, width in zip(names, widths, strict=True)
    }
    np.savez(tmp_path / "t.npz", **arrays)
    for name in arrays:
        found = read_table(tmp_path / "t.npz", [name])
        others = [array.reshape(5, -1) for other, array in arrays.items() if other != name]
        assert np.array_equal(found.y, arrays[name].reshape(5, -1))
        assert np.array_equal(found.x, np.concatenate(others, axis=1))
        assert len({*found.inputs, *found.targets}) == found.x.shape[1] + found.y.shape[1]


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["y", "y"], "every target column must be named once: got 'y' twice"),
        (["y", "y0"], "every target column must be named once: got 'y' and 'y0', both column 'y0'"),
        (["y1", "y"], "every target column must be named once: got 'y1' and 'y', both column 'y1'"),
        (["Y"], "has no column 'Y': did you mean 'y'"),
        (["z"], "has no column 'z': it has x, y"),
        (["x", "y"], "has no input column besides its targets x0, x1, x2, y0, y1"),
        ([], "give targets=NAME,NAME out of x, y"),
    ],
)
def test_targets_of_matrices_that_are_refused(tmp_path, targets, message):
    np.savez(tmp_path / "t.npz", x=A, y=A[:, :2])
    with pytest.raises(ConfigError, match=message):
        read_table(tmp_path / "t.npz", targets)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (A[:, 0] + 1j, "complex numbers, not numbers: give their real and imaginary parts as two columns"),
        (np.array(["u"] * ROWS), "text"),
        (np.array(["2020-01-01"] * ROWS, "datetime64[D]"), "dates"),
        (np.array([1] * ROWS, "timedelta64[s]"), "durations"),
        (np.full(ROWS, 2**63 + 1, np.uint64), "9223372036854775809 in data row 1"),
        (np.where(np.arange(ROWS) == 6, np.nan, A[:, 0]), "1 empty, NaN or infinite values, the first in data row 7"),
        (np.full((ROWS, 2), np.inf, np.float16), "40 empty, NaN or infinite values, the first in data row 1"),
    ],
)
def test_arrays_of_no_numbers_are_named(tmp_path, column, words):
    np.savez(tmp_path / "t.npz", a=column, y=A[:, 1])
    with pytest.raises(DataDamaged, match=f"column 'a0?' holds {words}"):
        read_table(tmp_path / "t.npz", ["y"])


def test_images_are_flattened_and_said(tmp_path):
    images = np.random.default_rng(0).standard_normal((ROWS, 1, 8, 8))
    np.savez(tmp_path / "t.npz", x=images, y=A[:, 0])
    found = read_table(tmp_path / "t.npz", ["y"])
    assert np.array_equal(found.x, images.reshape(ROWS, 64))
    assert found.notes == ("array 'x', 1 x 8 x 8 a row, is flattened to 64 columns",)


@pytest.mark.parametrize("width", [None, 2])
def test_structured_arrays_are_taken_by_field(tmp_path, width):
    records = np.zeros(ROWS, [("u", "f8"), ("v", "i4", () if width is None else (width,)), ("y", "?")])
    records["u"], records["v"], records["y"] = A[:, 0], 7, A[:, 1] > 0
    np.save(tmp_path / "t.npy", records)
    np.savez(tmp_path / "t.npz", table=records)
    for name in ("t.npy", "t.npz"):
        if width:
            with pytest.raises(DataDamaged, match="field 'v' holds arrays"):
                read_table(tmp_path / name, ["y"])
        else:
            found = read_table(tmp_path / name, ["y"])
            assert np.array_equal(found.x, np.stack([A[:, 0], np.full(ROWS, 7.0)], axis=1))
            assert np.array_equal(found.y[:, 0], A[:, 1] > 0)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": A, "y": A[:-1, 0]}, "arrays 'x' and 'y' have 40 and 39 rows"),
        ({"x": A, "n": np.array(40), "y": A[:, 0]}, "array 'n' is a single value"),
        ({"x": A[:, :0], "y": A[:, 0]}, "array 'x' has no columns"),
        ({"x": A[:0], "y": A[:0, 0]}, "has no rows"),
        ({}, "is not a readable NPZ table: it holds no arrays"),
    ],
)
def test_arrays_that_make_no_table_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(DataDamaged, match=message):
        read_table(tmp_path / "t.npz", ["y"])


@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 1, 8, 8), ()])
def test_an_npy_that_is_no_matrix_is_refused(tmp_path, shape):
    np.save(tmp_path / "t.npy", np.zeros(shape))
    with pytest.raises(DataDamaged, match="not of rows and columns: give inputs and targets as two arrays of an NPZ"):
        read_table(tmp_path / "t.npy", ["0"])


def test_a_name_for_an_npy_says_how_its_columns_are_named(tmp_path):
    np.save(tmp_path / "t.npy", A)
    with pytest.raises(ConfigError, match="the columns of an NPY file are named by number, 0 to 2"):
        read_table(tmp_path / "t.npy", ["y"])


@pytest.mark.parametrize(
    "names",
    [
        ("X_train", "y_train", "X_test", "y_test"),
        ("train_X", "train_y", "test_X", "test_y"),
        ("Xtrain", "ytrain", "Xtest", "ytest"),
    ],
)
@pytest.mark.parametrize("target", ["y", 1])
def test_arrays_for_training_and_test_are_the_files_own_split(tmp_path, names, target):
    arrays = (A[:30, :2], A[:30, 2], A[30:, :2], A[30:, 2])
    np.savez(tmp_path / "t.npz", **dict(zip(names, arrays, strict=True)))
    found = read_table(tmp_path / "t.npz", [target if target == "y" else names[target]])
    assert (found.inputs, found.targets) == (("X0", "X1"), ("y",))
    assert np.array_equal(found.x, A[:, :2])
    assert np.array_equal(found.y, A[:, 2:])
    assert found.test.tolist() == [False] * 30 + [True] * 10
    assert found.notes == ("its own split is used, 30 rows for training and 10 for the test",)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X_train": A, "X_test": A, "y_train": A[:, 0]}, "'y_train' fits none of its pairs"),
        ({"X_train": A, "X_test": A, "y": A[:, 0]}, "'y' fits none of its pairs"),
        ({"X_train": A, "X_test": A, "X_val": A}, "fits none of its pairs"),
        ({"X_train": A, "X_test": A[:, :2], "y_train": A, "y_test": A}, r"a row of 'X_train' is of shape \(3,\)"),
        ({"X_train": A, "X_test": A, "y_train": A[1:], "y_test": A}, "arrays 'X_train' and 'y_train' have 40 and 39"),
        ({"X_train": A, "X_test": A[:0], "y_train": A, "y_test": A[:0]}, "has no rows"),
    ],
)
def test_half_a_split_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(DataDamaged, match=message):
        read_table(tmp_path / "t.npz", ["y"])


def test_whole_tables_for_training_and_test_have_their_columns_by_number(tmp_path):
    np.savez(tmp_path / "t.npz", train=A[:30], test=A[30:])
    found = read_table(tmp_path / "t.npz", ["2"])
    assert np.array_equal(found.x, A[:, :2])
    assert found.test.sum() == 10


@pytest.mark.parametrize("name", ["t.csv.gz", "t.npy", "t.npz", "t.parquet"])
def test_files_of_another_format_than_their_name_says_are_refused(tmp_path, name):
    (tmp_path / name).write_text("a,y\n1,2\n")
    with pytest.raises(DataDamaged, match=f"{name} is not a readable {'CSV' if 'csv' in name else name[2:].upper()}"):
        read_table(tmp_path / name, ["y"])


def test_npy_and_npz_under_each_others_names_are_told(tmp_path):
    np.savez(tmp_path / "t.npz", x=A, y=A[:, 0])
    np.save(tmp_path / "u.npy", A)
    Path(tmp_path / "t.npz").rename(tmp_path / "t.npy")
    Path(tmp_path / "u.npy").rename(tmp_path / "u.npz")
    with pytest.raises(DataDamaged, match=r"it holds several arrays: name it \.npz"):
        read_table(tmp_path / "t.npy", ["y"])
    with pytest.raises(DataDamaged, match=r"it holds a single array: name it \.npy"):
        read_table(tmp_path / "u.npz", ["y"])


@pytest.mark.parametrize("words", [("{}_tr", "{}_te"), ("{}_training", "{}_testing"), ("trn_{}", "tst_{}")])
def test_parts_of_equal_length_are_no_inputs_of_each_other(tmp_path, words):
    """Otherwise the test targets would count as an input."""
    train, test = words
    names = [train.format("X"), test.format("x"), train.format("y"), test.format("Y")]
    np.savez(tmp_path / "t.npz", **dict(zip(names, [A[:20], A[20:], A[:20, 0] ** 2, A[20:, 0] ** 2], strict=True)))
    found = read_table(tmp_path / "t.npz", ["y"])
    assert np.array_equal(found.x, A)
    assert np.array_equal(found.y[:, 0], A[:, 0] ** 2)
    assert found.test is not None
    assert found.test.tolist() == [False] * 20 + [True] * 20


def test_a_number_that_cannot_be_taken_is_named_with_its_column(tmp_path):
    array = A.copy()
    array[3, 2] = np.nan
    np.save(tmp_path / "t.npy", array)
    np.savez(tmp_path / "t.npz", x=array)
    for name, column in (("t.npy", "2"), ("t.npz", "x2")):
        with pytest.raises(DataDamaged, match=f"column '{column}' holds 1 empty, NaN or infinite values"):
            read_table(tmp_path / name, ["0"])


@pytest.mark.parametrize("name", ["t.npy", "t.npz"])
def test_objects_and_what_numpy_did_not_write_are_told_without_advice_to_load_them(tmp_path, name):
    values = A.astype(object)
    np.save(tmp_path / name, values) if name == "t.npy" else np.savez(tmp_path / name, x=values)
    with pytest.raises(DataDamaged, match="pickled objects, which are never loaded: save arrays of numbers"):
        read_table(tmp_path / name, ["0"])
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(DataDamaged, match=r"it was not written by numpy\.save"):
        read_table(tmp_path / name, ["0"])
