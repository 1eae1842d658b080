"""Parquet tables: every type of number is read exactly, other types are refused by name, and folders are joined."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nrc_core.data.tables import read_table
from nrc_core.errors import ConfigError, DataDamaged

ROWS = 40
A = np.random.default_rng(0).standard_normal((ROWS, 3))


@pytest.mark.parametrize("kind", [pa.decimal128(20, 3), pa.decimal256(50, 3)])
def test_decimals_are_the_nearest_floats(tmp_path, kind):
    texts = ["0.100", "-12345678.125", "0.007", "9007199254740991.123", "9007199254740991.875"]
    values = [Decimal(text) for text in texts]
    pq.write_table(pa.table({"a": pa.array(values, kind), "y": [1.0, 5, 2, 3, 4]}), tmp_path / "t.parquet")
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
    "9007199254740993 in data row 3, and a 64-bit float": pa.array([Decimal(1), Decimal(2**53), Decimal(2**53 + 1)]),
    "18446744073709551615 in data row 3": pa.array([1, 2, 2**64 - 1], pa.uint64()),
    "-9223372036854775807 in data row 1": pa.array([-(2**63) + 1, 2, 3]),
    "12345678901234567890 in data row 1": pa.array([Decimal("12345678901234567890"), Decimal(1), Decimal(2)]),
}


@pytest.mark.parametrize("words", REFUSED)
def test_other_types_are_named(tmp_path, words):
    pq.write_table(pa.table({"a": REFUSED[words], "y": [3.0, 5, 2]}), tmp_path / "t.parquet")
    with pytest.raises(DataDamaged, match=f"column 'a' holds {words}"):
        read_table(tmp_path / "t.parquet", ["y"])


def test_column_names_of_two_levels_are_refused_in_a_line(tmp_path):
    columns = pd.MultiIndex.from_tuples([("x", "a"), ("x", "b"), ("y", "c")])
    table = pd.DataFrame(np.arange(120.0).reshape(40, 3), columns=columns)
    table.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataDamaged, match="has column names of several levels: join them with"):
        read_table(tmp_path / "t.parquet", ["y"])
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataDamaged, match="has two columns named 'x'"):
        read_table(tmp_path / "t.csv", ["y"])


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


OTHERS = {
    "other data": ("more.csv", "holds 'more.csv' too: parts are files"),
    "another ending": ("part.2.pq", "holds 'part.2.pq' too"),
    "a log of Delta Lake": ("_delta_log/0.json", "has a log '_delta_log' of which parts count"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_no_rows_of_a_folder_are_lost_and_none_that_were_deleted_come_back(tmp_path, what):
    name, message = OTHERS[what]
    pd.DataFrame({"a": A[:, 0], "y": A[:, 1]}).to_parquet(tmp_path / "part.1.parquet")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(ConfigError, match=message):
        read_table(tmp_path, ["y"])


def test_a_column_in_the_parts_and_in_the_names_of_their_folders_is_refused(tmp_path):
    for value in (1, 2):
        (tmp_path / f"a={value}").mkdir()
        pd.DataFrame({"a": [5, 6], "y": [0.5, 1.5]}).to_parquet(tmp_path / f"a={value}" / "part.parquet")
    with pytest.raises(DataDamaged, match="column 'a' is in the parts and in the names of their folders"):
        read_table(tmp_path, ["y"])


def test_parts_with_another_type_of_a_column_are_refused(tmp_path):
    for number, column in enumerate(([0.5, 1.5], ["low", "high"])):
        pd.DataFrame({"a": column, "y": [1, 2]}).to_parquet(tmp_path / f"{number}.parquet")
    with pytest.raises(DataDamaged, match="its parts have other types of one column, a has incompatible types"):
        read_table(tmp_path, ["y"])
