"""Tables that users bring: CSV, NPZ or Parquet, with the target columns named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from nrc_core.errors import ConfigError, DataDamaged, suggestion

SUFFIXES = (".csv", ".npz", ".parquet")


def is_table(name: str) -> bool:
    """Whether a data set's name is the path of a table."""
    return name.lower().endswith(SUFFIXES)


def read_table(path: Path, targets: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """A numeric table and the names of its input columns, which are all but the targets.

    An NPZ file holds one array a column, or matrices whose columns are then called name0, name1, ...;
    a matrix named as a target stands for all its columns. Nothing pickled is ever loaded.

    Raises:
        ConfigError: the file or a target column does not exist, or no input column is left.
        DataDamaged: the file cannot be parsed, or holds text, NaN or infinity.
    """
    if not path.is_file():
        raise ConfigError(f"no table at {path}: check the path")
    try:
        table = _read(path)
    except Exception as error:  # parsers of foreign bytes raise whatever they stumble over
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataDamaged(f"{path} is not a readable {path.suffix[1:].upper()} table ({reason})") from None
    table.columns = table.columns.astype(str)
    chosen = _target_columns(list(table.columns), targets, path)
    inputs = [column for column in table.columns if column not in chosen]
    if not inputs:
        raise ConfigError(f"{path} has no input column besides its targets {chosen}: name fewer targets")
    _check_numbers(table, path)
    return table[inputs + chosen], inputs


def _read(path: Path) -> pd.DataFrame:
    if path.suffix.lower() == ".csv":
        return pd.read_csv(path)
    if path.suffix.lower() == ".parquet":
        return pd.read_parquet(path)
    columns: dict[str, np.ndarray] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            array = np.asarray(arrays[name])  # a member that is no array comes as bytes
            if array.ndim == 1:
                columns[name] = array
            elif array.ndim == 2:
                columns |= {f"{name}{i}": array[:, i] for i in range(array.shape[1])}
            else:
                raise ValueError(f"array {name!r} has {array.ndim} dimensions, not 1 or 2")
    return pd.DataFrame(columns)


def _target_columns(columns: list[str], targets: list[str], path: Path) -> list[str]:
    if not targets:
        raise ConfigError(f"which columns of {path} are targets? give targets=NAME,NAME out of {', '.join(columns)}")
    chosen = []
    for target in targets:
        group = [column for column in columns if column[: len(target)] == target and column[len(target) :].isdigit()]
        found = [target] if target in columns else group
        if not found:
            raise ConfigError(f"{path} has no column {target!r}: {suggestion(target, columns, 'it has')}")
        chosen += found
    return chosen


def _check_numbers(table: pd.DataFrame, path: Path) -> None:
    if table.empty:
        raise DataDamaged(f"{path} has no rows")
    for column in table.columns:
        values = table[column]
        if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
            raise DataDamaged(f"{path}: column {column!r} holds text, not numbers: encode or drop it")
        bad = np.flatnonzero(~np.isfinite(values.to_numpy(dtype=np.float64, na_value=np.nan)))
        if len(bad):
            raise DataDamaged(
                f"{path}: column {column!r} holds {len(bad)} empty, NaN or infinite values, the first in data row "
                f"{bad[0] + 1}: drop or fill those rows"
            )
