"""Tables in every format that is read: the right numbers, or one line that says why not."""

import datetime
import gzip
import itertools
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nrc_core import deep_nrc_mlp, run
from nrc_core.catalogue import check_name, check_request, data_identity
from nrc_core.cli import main
from nrc_core.errors import ConfigError, DataDamaged
from nrc_core.report import caveats, setting
from nrc_core.store import Store
from nrc_core.tables import read_table

ROWS = 40


def some_floats(generator, shape):
    """Floats of every size: their bits are drawn."""
    values = np.frombuffer(generator.bytes(8 * np.prod(shape)), np.float64).reshape(shape).copy()
    values[~np.isfinite(values)] = -0.0
    return values


def frame(seed):
    """Inputs of several types and two targets."""
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "sizes of all kinds": some_floats(generator, ROWS),
            "normal": generator.standard_normal(ROWS),
            "whole": generator.integers(-(2**53), 2**53, ROWS, endpoint=True),
            "truth": generator.integers(0, 2, ROWS).astype(bool),
            "y": some_floats(generator, ROWS),
            "y2": generator.standard_normal(ROWS),
        }
    )


def parts(table, folder):
    folder.mkdir()
    for number in (0, 2, 10):  # as text, 10 comes before 2
        rows = {0: slice(0, 5), 2: slice(5, 30), 10: slice(30, None)}[number]
        table.iloc[rows].reset_index(drop=True).to_parquet(folder / f"part.{number}.parquet")


WRITERS = {
    "t.csv": lambda table, path: table.to_csv(path, index=False),
    "index.csv": lambda table, path: table.to_csv(path),
    "T.CSV": lambda table, path: table.to_csv(path, index=False),
    "t.csv.gz": lambda table, path: table.to_csv(path, index=False),
    "t.tsv": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    "t.tsv.gz": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    "comma.tsv": lambda table, path: table.to_csv(path, index=False, sep="\t", decimal=","),
    "european.csv": lambda table, path: table.to_csv(path, index=False, sep=";", decimal=","),
    "quoted.csv": lambda table, path: table.to_csv(path, index=False, quoting=1),
    "windows.csv": lambda table, path: table.to_csv(path, index=False, lineterminator="\r\n", encoding="utf-8-sig"),
    "macintosh.csv": lambda table, path: table.to_csv(path, index=False, lineterminator="\r"),
    "utf16.csv": lambda table, path: table.to_csv(path, index=False, encoding="utf-16"),
    "utf32.csv": lambda table, path: table.to_csv(path, index=False, encoding="utf-32"),
    "t.parquet": lambda table, path: table.to_parquet(path),
    "sorted.parquet": lambda table, path: table.set_axis(table.index[::-1]).to_parquet(path),
    "nullable.parquet": lambda table, path: table.convert_dtypes().to_parquet(path),
    "parts.parquet": parts,
    "parts": parts,
    "t.npz": lambda table, path: np.savez(path, **{name: table[name].to_numpy() for name in table}),
    "packed.npz": lambda table, path: np.savez_compressed(path, **{name: table[name].to_numpy() for name in table}),
    "records.npy": lambda table, path: np.save(path, table.to_records(index=False)),
}


@pytest.mark.parametrize("seed", range(3))
def test_the_same_table_is_the_same_data_set_in_every_format(tmp_path, seed):
    table = frame(seed)
    wanted = table[["sizes of all kinds", "normal", "whole", "truth"]].to_numpy(np.float64)
    identities = set()
    for name, write in WRITERS.items():
        write(table, tmp_path / name)
        found = read_table(tmp_path / name, ["y", "y2"])
        assert found.inputs == tuple(table.columns[:4]), name
        assert np.array_equal(found.x, wanted), name
        assert np.array_equal(found.y, table[["y", "y2"]].to_numpy()), name
        identities.add(found.identity)
    assert len(identities) == 1


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.npy", "t.npz"])
def test_a_matrix_without_names_has_its_columns_by_number(tmp_path, name):
    matrix = some_floats(np.random.default_rng(0), (ROWS, 12))
    if name == "t.npy":
        np.save(tmp_path / name, matrix)
    elif name == "t.npz":
        np.savez(tmp_path / name, **{str(i): matrix[:, i] for i in range(12)})
    else:
        WRITERS[name](pd.DataFrame(matrix).rename(columns=str), tmp_path / name)
    found = read_table(tmp_path / name, ["11", "3"])
    assert np.array_equal(found.y, matrix[:, [11, 3]])
    assert np.array_equal(found.x, matrix[:, [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]])


def test_the_identity_is_that_of_numbers_targets_and_split(tmp_path):
    table, path = frame(0), tmp_path / "t.parquet"
    variants = {
        "itself": table,
        "another number": table.assign(y=np.nextafter(table["y"], 1)),
        "another order of rows": table[::-1],
        "a column less": table.drop(columns="normal"),
        "a split": table.assign(split=["train"] * 30 + ["test"] * 10),
        "another split": table.assign(split=["test"] * 30 + ["train"] * 10),
    }
    identities = {}
    for name, variant in variants.items():
        variant.to_parquet(path, index=False)
        identities[name] = data_identity(str(path), targets=["y", "y2"])
    identities["other targets"] = data_identity(str(path), targets=["y"])
    assert len(set(identities.values())) == len(identities)
    table.rename(columns={"normal": "gaussian"}).to_parquet(path)  # the names of inputs decide no number
    assert data_identity(str(path), targets=["y", "y2"]) == identities["itself"]


def test_a_file_that_changes_is_read_again(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n5,6\n7,8\n")
    before = data_identity(str(path), targets=["y"])
    path.write_text("a,y\n5,6\n7,9\n")
    assert data_identity(str(path), targets=["y"]) != before


# Names.

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
    ("columns", "target", "message"),
    [
        ("a,y1,y2,y2019", "y", r"has no column 'y': did you mean targets=y1,y2,y2019\?"),
        ("a,y1,y2,y2019", "y3", "has no column 'y3': it has a, y1, y2, y2019"),
        ("a,b,c,y", "y,y", "has no column 'y,y'"),
        (",".join(f"c{i}" for i in range(1000)), "z", r"c10, c11, ... \(1000 in all\)"),
    ],
)
def test_targets_of_columns_that_are_refused(tmp_path, columns, target, message):
    (tmp_path / "t.csv").write_text(f"{columns}\n" + ",".join("5" * len(columns.split(","))) + "\n")
    with pytest.raises(ConfigError, match=message) as raised:
        read_table(tmp_path / "t.csv", [target])
    assert len(str(raised.value)) < 400


def test_an_exact_name_takes_no_other_along(tmp_path):
    (tmp_path / "t.csv").write_text("a,y,y1,y2019\n5,6,7,8\n")
    found = read_table(tmp_path / "t.csv", ["y"])
    assert (found.inputs, found.targets) == (("a", "y1", "y2019"), ("y",))


def test_targets_as_one_text_are_refused_before_anything_is_read():
    with pytest.raises(ConfigError, match=r"targets must be a list of names, as \['ab'\]"):
        check_request("missing.csv", split="random", targets="ab")


@pytest.mark.parametrize("name", ["y", " y"])
def test_a_column_that_is_twice_in_the_file_is_refused(tmp_path, name):
    (tmp_path / "t.csv").write_text(f"a,y,{name}\n" + "".join(f"{i % 7},{i * i},{i * i}\n" for i in range(ROWS)))
    with pytest.raises(DataDamaged, match="has two columns named 'y'"):
        read_table(tmp_path / "t.csv", ["y"])
    twice = pa.Table.from_arrays([pa.array([1.0, 2.0])] * 3, names=["a", "y", "y"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(DataDamaged, match="has two columns named 'y'"):
        read_table(tmp_path / "t.parquet", ["y"])


def test_a_copy_of_the_target_among_the_inputs_is_told(tmp_path):
    pd.DataFrame({"a": [3.0, 1, 2], "y": [1.0, 4, 9], "y.1": [1.0, 4, 9]}).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", ["y"]).notes == ("input 'y.1' equals target 'y': drop it",)


# Row numbers.


@pytest.mark.parametrize(
    "index",
    [
        range(ROWS),
        range(1, ROWS + 1),
        range(ROWS, 0, -1),
        [f"row {i}" for i in range(ROWS)],
        pd.date_range("2026", periods=ROWS),
    ],
    ids=["from 0", "from 1", "backwards", "names", "dates"],
)
def test_an_index_without_a_name_is_left_out_and_said(tmp_path, index):
    table = pd.DataFrame(A, columns=["a", "b", "y"]).sort_values("y").set_axis(index)
    table.to_csv(tmp_path / "t.csv")
    table.to_parquet(tmp_path / "t.parquet")
    table.to_csv(tmp_path / "again.csv")
    pd.read_csv(tmp_path / "again.csv").to_parquet(tmp_path / "again.parquet", index=False)  # as Unnamed: 0
    for name in ("t.csv", "t.parquet", "again.parquet"):
        found = read_table(tmp_path / name, ["y"])
        assert np.array_equal(found.x, table[["a", "b"]].to_numpy())
        assert len(found.notes) == (name != "t.parquet" or not isinstance(table.index, pd.RangeIndex))
    assert "column 1 has no name and n" in read_table(tmp_path / "t.csv", ["y"]).notes[0]


@pytest.mark.parametrize("index", [range(ROWS), np.arange(ROWS) % 7, np.linspace(0, 1, ROWS)])
def test_an_index_with_a_name_is_a_column_in_every_format(tmp_path, index):
    table = pd.DataFrame(A, columns=["a", "b", "y"]).set_axis(pd.Index(index, name="i"))
    table.to_csv(tmp_path / "t.csv")
    table.to_parquet(tmp_path / "t.parquet")
    first, second = (read_table(tmp_path / name, ["y"]) for name in ("t.csv", "t.parquet"))
    assert first.identity == second.identity
    assert first.inputs == second.inputs == ("i", "a", "b")
    assert np.array_equal(first.x[:, 0], np.array(index))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",a,y\n0.5,1,2\n0.7,1,2\n", "column 1 has no name: name it if it is an input, or leave it out"),
        (",a,y\n7,1,2\n7,1,2\n", "column 1 has no name: name it"),
        (",a,y\n7,1,2\n,1,2\n", "column 1 has no name: name it"),
        ("a,,y\n1,7,2\n1,8,2\n", "column 2 has no name: name it"),
        ("a,y,\n1,2,\n3,4,\n", "column 3 has no name and no values: take the separators off the ends of the lines"),
    ],
)
def test_other_columns_without_a_name_are_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataDamaged, match=message):
        read_table(tmp_path / "t.csv", ["y"])


def test_a_counter_with_a_name_is_an_input_and_told(tmp_path):
    (tmp_path / "t.csv").write_text("id,a,y\n1,5,6\n2,6,8\n3,5,5\n")
    found = read_table(tmp_path / "t.csv", ["y"])
    assert found.inputs == ("id", "a")
    assert found.notes == ("column 'id' counts the rows, and is an input: drop it if it means nothing",)


# Types.


@pytest.mark.parametrize("kind", [pa.decimal128(20, 3), pa.decimal256(50, 3)])
def test_decimals_are_the_nearest_floats(tmp_path, kind):
    texts = ["0.100", "-12345678.125", "0.007", "9007199254740991.123"]
    values = [Decimal(text) for text in texts]
    pq.write_table(pa.table({"a": pa.array(values, kind), "y": [1.0, 5, 2, 3]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", ["y"]).x[:, 0].tolist() == [float(text) for text in texts]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([True, False, True]),
        pa.array([1, 0, 1], pa.uint8()),
        pa.array(np.array([1, 0, 1], np.float16)),
        pa.array([1, 0, 1]).dictionary_encode(),
        pa.chunked_array([[1.0], [0.0, 1.0]]),
    ],
    ids=lambda column: str(column.type),
)
def test_every_type_of_number_is_taken(tmp_path, column):
    pq.write_table(pa.table({"a": column, "y": [3.0, 5, 2]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", ["y"]).x[:, 0].tolist() == [1, 0, 1]


DAY = datetime.datetime(2020, 1, 1, 12)
REFUSED = {
    "dates": pa.array([DAY.date()] * 3),
    "dates with times": pa.array([DAY] * 3),
    "times of day": pa.array([DAY.time()] * 3),
    "durations": pa.array([datetime.timedelta(1)] * 3),
    "text, not numbers, as 'u' in data row 2: encode": pa.array(["1", "u", "v"]),
    "text, not numbers, as '1' in data row 1: numbers kept as text": pa.array(["1", "2", "3"]),
    "text, not numbers, as 'v'": pa.array(["v", "w", "v"]).dictionary_encode(),
    "bytes": pa.array([b"1"] * 3),
    "lists or structures": pa.array([[1.0]] * 3),
    "lists or structures, not numbers: give each": pa.array([{"u": 1.0}] * 3),
    "nothing but empty values": pa.nulls(3),
    "1 empty, NaN or infinite values, the first in data row 3": pa.array([True, False, None]),
    "2 empty, NaN or infinite values, the first in data row 1": pa.array([None, 4, None]),
    "1 empty, NaN or infinite values, the first in data row 2": pa.array([Decimal(1), None, Decimal(2)]),
    "3 empty, NaN or infinite values, the first in data row 1": pa.array([np.nan, np.inf, None]),
    "9007199254740993 in data row 2, and a 64-bit float": pa.array([1, 2**53 + 1, 5]),
    "18446744073709551615 in data row 3": pa.array([1, 2, 2**64 - 1], pa.uint64()),
    "-9223372036854775807 in data row 1": pa.array([-(2**63) + 1, 2, 3]),
    "12345678901234567890 in data row 1": pa.array([Decimal("12345678901234567890"), Decimal(1), Decimal(2)]),
}


@pytest.mark.parametrize("words", REFUSED)
def test_other_types_are_named(tmp_path, words):
    pq.write_table(pa.table({"a": REFUSED[words], "y": [3.0, 5, 2]}), tmp_path / "t.parquet")
    with pytest.raises(DataDamaged, match=f"column 'a' holds {words}"):
        read_table(tmp_path / "t.parquet", ["y"])


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (A[:, 0] + 1j, "complex numbers, not numbers: give their real and imaginary parts as two columns"),
        (np.array(["u"] * ROWS), "text"),
        (np.array(["2020-01-01"] * ROWS, "datetime64[D]"), "dates"),
        (np.array([1] * ROWS, "timedelta64[s]"), "durations"),
        (np.full(ROWS, 2**63 + 1, np.uint64), "9223372036854775809 in data row 1"),
        (np.where(np.arange(ROWS) == 6, np.nan, A[:, 0]), "1 empty, NaN or infinite values, the first in data row 7"),
        (np.full((ROWS, 2), np.inf, np.float16), "80 empty, NaN or infinite values, the first in data row 1"),
    ],
)
def test_arrays_of_no_numbers_are_named(tmp_path, column, words):
    np.savez(tmp_path / "t.npz", a=column, y=A[:, 1])
    with pytest.raises(DataDamaged, match=f"column 'a' holds {words}"):
        read_table(tmp_path / "t.npz", ["y"])


def test_whole_numbers_that_a_float_holds_are_taken_however_long(tmp_path):
    (tmp_path / "t.csv").write_text("a,y\n100000000000000000000,1\n9007199254740994,2\n")
    assert read_table(tmp_path / "t.csv", ["y"]).x.tolist() == [[1e20], [9007199254740994.0]]
    (tmp_path / "t.csv").write_text("a,y\n0.12345678901234567890,1\n12345678901234567890e-19,2\n")
    assert read_table(tmp_path / "t.csv", ["y"]).x.tolist() == [[0.12345678901234568], [1.2345678901234568]]


def test_column_names_of_two_levels_are_refused_in_a_line(tmp_path):
    columns = pd.MultiIndex.from_tuples([("x", "a"), ("x", "b"), ("y", "c")])
    table = pd.DataFrame(np.arange(120.0).reshape(40, 3), columns=columns)
    table.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataDamaged, match="has column names of several levels: join them with"):
        read_table(tmp_path / "t.parquet", ["y"])
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataDamaged, match="has two columns named 'x'"):
        read_table(tmp_path / "t.csv", ["y"])


# Arrays.


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


# Folders of parts.


def test_parts_sorted_by_a_value_have_it_as_a_column(tmp_path):
    table = pd.DataFrame({"a": A[:, 0], "y": A[:, 1], "year": np.arange(ROWS) // 20 + 2019})
    table.to_parquet(tmp_path / "t", partition_cols=["year"])
    found = read_table(tmp_path / "t", ["y"])
    assert found.inputs == ("a", "year")
    assert np.array_equal(found.x, table[["a", "year"]].to_numpy())


def test_the_folders_above_a_file_are_no_columns(tmp_path):
    (tmp_path / "run=3").mkdir()
    pd.DataFrame({"a": [3.0, 5], "y": [1.0, 2]}).to_parquet(tmp_path / "run=3" / "t.parquet")
    assert read_table(tmp_path / "run=3" / "t.parquet", ["y"]).inputs == ("a",)
    assert read_table(tmp_path / "run=3", ["y"]).inputs == ("a",)


def test_parts_of_whole_numbers_and_of_fractions_are_joined(tmp_path):
    pd.DataFrame({"a": [3, 5], "y": [1.0, 2]}).to_parquet(tmp_path / "0.parquet")
    pd.DataFrame({"y": [3.0], "a": [0.5]}).to_parquet(tmp_path / "1.parquet")
    found = read_table(tmp_path, ["y"])
    assert (found.x[:, 0].tolist(), found.y[:, 0].tolist()) == ([3, 5, 0.5], [1, 2, 3])


def test_parts_with_other_columns_are_refused(tmp_path):
    pd.DataFrame({"a": [3, 5], "y": [1.0, 2]}).to_parquet(tmp_path / "0.parquet")
    pd.DataFrame({"a": [3, 5], "y": [1.0, 2], "b": [1, 2]}).to_parquet(tmp_path / "1.parquet")
    with pytest.raises(DataDamaged, match=r"1.parquet has other columns than 0.parquet, as 'b'"):
        read_table(tmp_path, ["y"])


def test_folders_without_parts_and_with_others_inside_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no Parquet files"):
        read_table(tmp_path, ["y"])
    (tmp_path / "train").mkdir()
    with pytest.raises(ConfigError, match="has a subfolder 'train'"):
        read_table(tmp_path, ["y"])


# A split of the table's own.


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


@pytest.mark.parametrize("name", ["t.csv", "european.csv", "t.parquet", "parts.parquet", "t.npz"])
def test_a_column_split_is_the_tables_own_split(tmp_path, name):
    test = np.random.default_rng(1).random(ROWS) < 0.3
    table = pd.DataFrame(A, columns=["a", "b", "y"]).assign(split=np.where(test, "test", "train"))
    if name == "t.npz":
        np.savez(tmp_path / name, x=A[:, :2], y=A[:, 2], split=np.where(test, "test", "train"))
    else:
        WRITERS[name](table, tmp_path / name)
    found = read_table(tmp_path / name, ["y"])
    assert np.array_equal(found.x, A[:, :2])
    assert np.array_equal(found.test, test)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "val", "test"], "must hold train or test in every row, and both of them: got 'val' in data row 2"),
        (["train", "", "test"], "got '' in data row 2"),
        (["train", "train", "train"], "got train alone"),
        ([0, 1, 1], "got 0 in data row 1"),
    ],
)
def test_other_words_in_a_column_split_are_refused(tmp_path, words, message):
    table = pd.DataFrame({"a": [5, 6, 8], "y": [3, 4, 1], "split": words})
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataDamaged, match=message):
        read_table(tmp_path / "t.csv", ["y"])


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


# Text.

TEXTS = {
    "semicolons and decimal commas": b"a;b;y\n0,5;2,25;9\n1,5;4,25;-1e2\n",
    "semicolons": b"a;b;y\n.5;2.25;9\n1.5;4.25;-1e2\n",
    "tabs in a CSV": b"a\tb\ty\n0,5\t2,25\t9\n1,5\t4,25\t-100,0\n",
    "pipes": b"a|b|y\n0.5|2.25|9\n1.5|4.25|-100\n",
    "comments": b"# by hand\n#2020;x\n\na,b,y\n0.5,2.25,9\n1.5,4.25,-100\n",
    "sep=": b"sep=;\r\na;b;y\r\n0,5;2,25;9\r\n1,5;4,25;-100\r\n",
    "sep= of tabs": b"sep=\t\na\tb\ty\n0.5\t2.25\t9\n1.5\t4.25\t-100\n",
    "spaces beside separators": b"a, b ,y\n 0.5, 2.25 ,9\n1.5,4.25, -100\n",
    "empty lines": b"\n\na,b,y\n\n0.5,2.25,9\n\n1.5,4.25,-100\n\n",
    "quotes": b'"a","b","y"\n"0.5","2.25","9"\n1.5,4.25,-100',
    "a mark of UTF-8": b"\xef\xbb\xbfa,b,y\n0.5,2.25,9\n1.5,4.25,-100\n",
    "UTF-16": "a;b;y\n0,5;2,25;9\n1,5;4,25;-100\n".encode("utf-16"),
    "comments in UTF-16": "# 2020\na\tb\ty\n0.5\t2.25\t9\n1.5\t4.25\t-100\n".encode("utf-16"),
}


@pytest.mark.parametrize("words", TEXTS)
@pytest.mark.parametrize("packed", [False, True])
def test_texts_that_leave_no_doubt_are_taken(tmp_path, words, packed):
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(TEXTS[words]) if packed else TEXTS[words])
    found = read_table(path, ["y"])
    assert found.inputs == ("a", "b")
    assert np.array_equal(found.x, [[0.5, 2.25], [1.5, 4.25]])
    assert np.array_equal(found.y, [[9], [-100]])


REFUSED_TEXTS = {
    "line 3 has 3 fields and the header 2 names": b"a,y\n1,2\n1,2,3\n4,5\n",
    "line 2 has 3 fields and the header 2 names .are the numbers of the rows": b"a,y\n1,2,3\n4,5,6\n",
    "line 4 has 1 fields and the header 2 names": b"a,y\n1,2\n\n3\n",
    "line 6 has 3 fields": b'# 1\n"a",y\n"1",2\n\n"3\n",2\n1,2,3\n'.replace(b'"3\n"', b'"3"', 1),
    "line 2 has 4 fields and the header 2 names .decimal commas.": b"a,y\n1,5,2,5\n1,5,2,5\n",
    "line 3 has 1 fields": b'a,y\n1,2\n"3,4\n5,6\n',
    "columns may be separated by ',' or ';'": b"a,b;y\n1,2;3\n1,2;3\n",
    "its header 'a b y' has no separator but spaces: convert it with pd.read_csv": b"a b y\n1 2 3\n",
    "it has no names of columns: line 1, where they should be, holds numbers: write": b"1,2,3\n4,5,6\n",
    "line 1, where they should be, holds numbers": b"1.5,nan,-inf\n4,5,6\n",
    "they seem to be in the comment above: take the # off": b"# a,b,y\n1,2,3\n4,5,6\n",
    "it has no header": b"# nothing\n\n",
    "it has no header$": b"",
    r"byte 0xe4 in line 2\), perhaps in Latin-1": "# 1\nLänge,y\n1,2\n".encode("latin-1"),
    "it holds zero bytes, as UTF-16 does": "a,y\n1,2\n".encode("utf-16-le"),
    "column 'a' holds text, not numbers, as '1,000' in data row 1: write numbers as 1234.5": b'a,y\n"1,000",2\n',
    "column 'a' holds text, not numbers, as '1 000' in data row 1: write numbers": b"a,y\n1 000,2\n",
    "column 'a' holds text, not numbers, as '1.000.000'": b"a,y\n1.000.000,2\n",
    "'1,000' may be a thousand or a decimal": b"a;y\n1,000;2\n12,500;3\n",
    "column 'y' holds text, not numbers, as '2.5' in data row 1: numbers kept as text": b"a;y\n1,5;2.5\n2,5;3.5\n",
    "column 'a' holds text, not numbers, as '1.000,5'": b"a;y\n1.000,5;2,5\n",
    "column 'a' holds text, not numbers, as 'x' in data row 2": b"a;y\n1,5;2\nx;3\n",
    "column 'day' holds dates, not numbers: turn it into a number": b"day,y\n2020-01-01,2\n2020-01-02,3\n",
    "column 'day' holds text, not numbers, as '01/02/2020' in data row 1: turn": b"day,y\n01/02/2020,2\n",
    "column 'a' holds text, not numbers, as '1.2j'": b"a,y\n1+2j,2\n".replace(b"+", b"-"),
    "column 'id' holds 12345678901234567890 in data row 2": b"id,y\n5,6\n12345678901234567890,2\n",
    "column 'id' holds 12345678901234567 in data row 1": b"id,y\n12345678901234567,2\n",
    "column 'y' holds 2 empty, NaN or infinite values, the first in data row 1": b"a,y\n1,None\n2,\n3,4\n",
    "has no rows": b"a,y",
}


@pytest.mark.parametrize("message", REFUSED_TEXTS)
def test_texts_that_are_refused(tmp_path, message):
    (tmp_path / "t.csv").write_bytes(REFUSED_TEXTS[message])
    with pytest.raises(DataDamaged, match=message) as raised:
        read_table(tmp_path / "t.csv", ["y"])
    assert len(str(raised.value).splitlines()) == 1


def test_a_row_with_another_number_of_fields_is_found_wherever_it_is(tmp_path):
    names, path = ["a", "b", "y"], tmp_path / "t.csv"
    for place, fields in itertools.product((2, 500, 1001), (1, 2, 4, 6)):
        lines = [",".join(names), *["1,2,3"] * 1000]
        lines[place - 1] = ",".join("1" * fields)
        path.write_text("\n".join(lines))
        with pytest.raises(DataDamaged, match=rf"line {place} has {fields} fields and the header 3 names"):
            read_table(path, ["y"])


def test_very_wide_tables_are_read(tmp_path):
    values = np.random.default_rng(0).standard_normal((3, 2_000))
    names = [f"{'long ' * 120}{i}" for i in range(2_000)]  # more than a million letters in one line
    pd.DataFrame(values, columns=names).to_csv(tmp_path / "t.csv", index=False)
    assert np.array_equal(read_table(tmp_path / "t.csv", [names[-1]]).x, values[:, :-1])


# Files.


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my.xlsx", r"convert it with pd.read_excel\('my.xlsx'\).to_parquet\('my.parquet'\)"),
        ("my.csv.zip", r"convert it with pd.read_csv\('my.csv.zip'\)"),
        ("", "unknown data set ''"),
        ("x" * 5000, "unknown data set"),
    ],
)
def test_other_files_say_how_to_convert_them(name, message):
    with pytest.raises(ConfigError, match=message):
        check_name(name)


@pytest.mark.parametrize("name", ["missing.csv", "missing.parquet", "x" * 5000 + ".csv"])
def test_files_that_are_not_there_are_told(name):
    with pytest.raises(ConfigError, match=r"no table at .*: check the path"):
        data_identity(name, targets=["y"])


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


# From the command line to the results.


@pytest.mark.parametrize(
    ("text", "targets", "message"),
    [
        ("a,y\n1,2\n3,4\n5,6\n", "y,y", "every target column must be named once: got 'y' twice"),
        ("a,y,y\n1,2,2\n3,4,4\n5,6,6\n", "y", "has two columns named 'y'"),
        ("a,y\n1,2,3\n4,5,6\n", "y", "line 2 has 3 fields and the header 2 names"),
        ("a,y1,y2\n1,2,3\n4,5,6\n", "y", "did you mean targets=y1,y2?"),
    ],
)
def test_a_command_refuses_a_table_in_one_line_and_stores_nothing(tmp_path, capsys, text, targets, message):
    (tmp_path / "t.csv").write_text(text)
    store = tmp_path / "store"
    given = [f"dataset={tmp_path / 't.csv'}", f"targets={targets}", "epochs=1", "--store", str(store)]
    assert main(["compute", "deep_nrc_mlp", *given]) != 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("nrc: ")
    assert message in line
    assert not list(store.glob("[0-9a-f]*"))


def test_a_run_on_a_table_with_its_own_split_says_so_and_is_another_with_another_split(tmp_path):
    store, keys = Store(tmp_path / "store"), set()
    for tests in (10, 11):
        split = ["train"] * (ROWS - tests) + ["test"] * tests
        pd.DataFrame(A, columns=["a", "b", "y"]).assign(split=split).to_csv(tmp_path / "t.csv", index=False)
        configs = deep_nrc_mlp(str(tmp_path / "t.csv"), targets=["y"], width=4, depth=2, epochs=1, measurements=1)
        results = run(configs, store=store, device="cpu")
        assert results.runs["split"].tolist() == ["own"]
        (record,) = results.provenance.values()
        assert (record["data"]["n_train"], record["data"]["n_test"]) == (ROWS - tests, tests)
        assert "own split" in setting(results)
        assert f"* Its own split is used, {ROWS - tests} rows for training and {tests} for the test." in caveats(
            results
        )
        keys |= set(results.runs["key"])
    assert len(keys) == 2
