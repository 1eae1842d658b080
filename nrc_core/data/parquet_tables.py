"""Parquet tables, in one file or in the parts of a folder."""

import re
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from nrc_core.data.table_columns import Content, from_arrow
from nrc_core.errors import ConfigError, DataDamaged, shown

# Logs in folders where some files no longer count (Delta Lake, Hudi); and endings of data that would be left out.
_LOGS = ("_delta_log", ".hoodie")
_DATA = (".pq", ".parq", ".csv", ".tsv", ".gz", ".npz", ".npy", ".feather", ".arrow", ".orc")


def parts_of(folder: Path) -> list[Path]:
    """The Parquet files of a folder and of its subfolders `column=value`, part 2 before part 10.

    Files that start with a dot or an underscore hold no rows: programs write them for themselves.

    Raises:
        ConfigError: the folder has a log that says which parts count, or another subfolder or file of data, whose rows
            would be lost.

    Example:
        >>> (tmp / "part.10.parquet").touch(), (tmp / "part.2.parquet").touch(), (tmp / "_SUCCESS").touch()
        (None, None, None)
        >>> [path.name for path in parts_of(tmp)]
        ['part.2.parquet', 'part.10.parquet']
    """
    parts = []
    for path in folder.iterdir():
        if path.name in _LOGS:
            raise ConfigError(
                f"folder {folder} has a log {path.name!r} of which parts count: read it by a library for such tables, "
                "and write one Parquet file"
            )
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir():
            if "=" not in path.name:
                raise ConfigError(f"folder {folder} has a subfolder {path.name!r}: parts lie in one folder")
            parts += parts_of(path)
        elif path.suffix.lower() == ".parquet":
            parts.append(path)
        elif path.suffix.lower() in _DATA:
            raise ConfigError(f"folder {folder} holds {path.name!r} too: parts are files *.parquet, and no others")
    return sorted(parts, key=_in_order)


def _in_order(path: Path) -> list[tuple[int, str]]:
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in re.split(r"(\d+)", str(path))]


def read_parquet(path: Path) -> Content:
    """The columns in the order in which `to_csv` would write them: the index of pandas comes first.

    Values in the names of subfolders (`year=2020/`) are a column.

    Raises:
        DataDamaged: a part has other columns than the first, column names have several levels, or a column holds
            something else than finite numbers.
    """
    if path.is_dir():
        return from_arrow(_index_first(_joined(path)))
    with pq.ParquetFile(path) as file:  # read_table would take columns from the names of the folders above
        return from_arrow(_index_first(file.read()))


def _joined(folder: Path) -> pa.Table:
    parts = parts_of(folder)
    schemas = [pq.read_schema(part) for part in parts]
    for part, schema in zip(parts, schemas, strict=True):
        # The order of the columns may differ between parts, because they are joined by name.
        if sorted(schema.names) != sorted(schemas[0].names):
            other = sorted(set(schema.names) ^ set(schemas[0].names)) or schema.names
            raise DataDamaged(
                f"{part.name} has other columns than {parts[0].name}, as {shown(other[0])}: give all parts the same "
                "columns"
            )
    folders = ds.HivePartitioning.discover(infer_dictionary=False)
    opened = partial(ds.dataset, parts, format="parquet", partitioning=folders, partition_base_dir=str(folder))
    try:
        # A column may hold whole numbers in one part and fractions in another.
        schema = pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowTypeError as error:
        reason = str(error).removeprefix("Unable to merge: Field ")
        raise DataDamaged(f"its parts have other types of one column, {reason}: give it one type") from None
    above = {name.partition("=")[0] for part in parts for name in part.relative_to(folder).parts[:-1]}
    if both := sorted(above & set(schema.names)):
        raise DataDamaged(
            f"column {shown(both[0])} is in the parts and in the names of their folders: keep one of them"
        )
    schema = pa.unify_schemas([schema, opened().schema], promote_options="permissive")
    return opened(schema=schema).to_table()


def _index_first(table: pa.Table) -> pa.Table:
    pandas = table.schema.pandas_metadata or {}
    if len(pandas.get("column_indexes", [])) > 1:
        raise DataDamaged(
            "it has column names of several levels: join them with `t.columns = ['_'.join(map(str, c)) for c in "
            "t.columns]`"
        )
    kept = pandas.get("index_columns", [])
    index = [name for name in kept if name in table.column_names]
    if index:
        table = table.select([*index, *(name for name in table.column_names if name not in index)])
    for bounds in kept:  # the index of such a table only counts the rows
        if isinstance(bounds, dict) and bounds.get("name") is not None:
            counted = range(bounds["start"], bounds["stop"], bounds["step"])
            if len(counted) == table.num_rows:
                table = table.add_column(0, str(bounds["name"]), pa.array(counted))
    return table
