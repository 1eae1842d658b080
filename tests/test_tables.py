"""Tables of users: the same data set in every format, its names, its own split, and its notes."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nrc_core import deep_nrc_mlp, run
from nrc_core.cli.main import main
from nrc_core.data.catalogue import check_name, check_request, data_identity
from nrc_core.data.tables import read_table
from nrc_core.errors import ConfigError, DataDamaged
from nrc_core.results.store import Store
from nrc_core.sections.page_parts import caveats, setting

ROWS = 40


def some_floats(generator, shape):
    """Floats of every size, made from random bits."""
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


A = np.random.default_rng(0).standard_normal((ROWS, 3))


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
    ("name", "message"),
    [
        ("my.xlsx", r"convert it with pd.read_excel\('my.xlsx'\).to_parquet\('my.parquet'\)"),
        ("my.csv.zip", r"convert it with pd.read_csv\('my.csv.zip', sep=None, engine='python'\)"),
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
        assert (
            f"* Of the table: its own split is used, {ROWS - tests} rows for training and {tests} for the test."
            in caveats(results)
        )
        keys |= set(results.runs["key"])
    assert len(keys) == 2
