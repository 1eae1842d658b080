"""Tables that users bring: which files are read, and their columns as inputs and targets."""

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from nrc_core.data.array_tables import read_npy, read_npz
from nrc_core.data.parquet_tables import parts_of, read_parquet
from nrc_core.data.table_columns import Content, counts_rows
from nrc_core.data.text_tables import read_text
from nrc_core.errors import ConfigError, DataDamaged, NrcError, nearest, shown
from nrc_core.files import sha256

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".npz", ".npy")
FORMATS = "CSV, TSV, Parquet, NPZ or NPY"
# The functions of pandas that read the formats that are not read here.
_CONVERTED = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods"), "read_excel"),
    **dict.fromkeys((".txt", ".dat", ".data", ".zip", ".bz2", ".xz", ".zst"), "read_csv"),
    **dict.fromkeys((".pkl", ".pickle"), "read_pickle"),
    **dict.fromkeys((".h5", ".hdf5"), "read_hdf"),
    **dict.fromkeys((".json", ".jsonl"), "read_json"),
    **dict.fromkeys((".feather", ".arrow"), "read_feather"),
    ".orc": "read_orc",
    ".dta": "read_stata",
    ".sav": "read_spss",
    ".sas7bdat": "read_sas",
}
_READERS = {"PARQUET": read_parquet, "NPZ": read_npz, "NPY": read_npy}  # for all other formats it is `read_text`
_MOST_NAMES, _LONGEST_NAME = 12, 80  # in the list of an error: how many names, and their letters


@dataclass(frozen=True)
class Table:
    """A table of finite numbers, its columns divided into inputs and targets.

    Attributes:
        x, y: (n, d) inputs and (n, t) targets.
        inputs, targets: the names of their columns.
        test: which rows are for the test, if the table brings its own split.
        notes: what was changed in reading, and what may be wrong; one line each.
    """

    x: Float64[np.ndarray, "n d"]
    y: Float64[np.ndarray, "n t"]
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    test: Bool[np.ndarray, " n"] | None
    notes: tuple[str, ...]

    @property
    def identity(self) -> str:
        """Fingerprint of the numbers, the names of the targets and the split; the same in every format of file."""
        digest = hashlib.sha256(json.dumps([self.x.shape, self.targets, self.test is not None]).encode())
        for array in (self.x, self.y, *([] if self.test is None else [self.test])):
            digest.update(array.tobytes())
        return digest.hexdigest()


def is_table(name: str) -> bool:
    """Whether a name is the path of a table: it has the ending of one, or it is a folder, which may hold parts."""
    return name.lower().rstrip("/").endswith(SUFFIXES) or (name != "" and _kind(Path(name)) == "folder")


def conversion(name: str) -> str | None:
    """How to convert a file of another format to one that is read.

    Example:
        >>> conversion("my.xlsx")
        "convert it with pd.read_excel('my.xlsx').to_parquet('my.parquet')"
    """
    path = Path(name)
    if not (function := _CONVERTED.get(path.suffix.lower())):
        return None
    target = path.with_name(path.name.split(".")[0] + ".parquet")
    options = ", sep=None, engine='python'" if function == "read_csv" else ""  # pandas finds the separator itself
    return f"convert it with pd.{function}({name!r}{options}).to_parquet({str(target)!r})"


def checksum(path: Path) -> str:
    """Fingerprint of the bytes of a table's files.

    Raises:
        ConfigError: there are no files.
    """
    _check_there(path)
    parts = parts_of(path) if path.is_dir() else [path]
    return " ".join(f"{part.relative_to(path)} {sha256(part)}" for part in parts)


def read_table(path: Path, targets: Sequence[str], *, split: str = "random") -> Table:
    """A table of numbers. Its inputs are all columns that are not targets.

    The formats are CSV and TSV (also compressed by gzip), Parquet files and folders of them, NPZ and NPY. A target is
    the exact name of a column, or of a matrix in an NPZ file, which stands for its columns. The columns of an NPY file
    are named "0", "1", ... A column `split` of the words train and test is the table's own split; then the argument
    `split` must be "random", the default. Pickled objects are never loaded.

    Raises:
        ConfigError: the file or a target column does not exist, a target is named twice, no input column is left, or
            another split is asked for than the table's own.
        DataDamaged: the file cannot be parsed, or holds something else than columns of finite numbers with different
            names.
    """
    _check_there(path)
    try:
        content = _READERS.get(_format(path), read_text)(path)
    except DataDamaged as error:
        raise DataDamaged(f"{path}: {error}") from None
    except NrcError:
        raise
    except Exception as error:  # a parser may raise any error on bytes that it does not expect
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataDamaged(f"{path} is not a readable {_format(path)} table: {reason}") from None
    chosen = _target_columns(content, targets, path)
    inputs = [label for label in content.columns if label not in chosen]
    if not inputs:
        raise ConfigError(f"{path} has no input column besides its targets {_listed(chosen)}: name fewer targets")
    if content.test is not None and split != "random":
        raise ConfigError(f"{path} brings its own split, so it is not to be {split}: leave the split as it is, random")
    x, y = (np.array([content.columns[label] for label in labels]).T for labels in (inputs, chosen))
    notes = [*content.notes, *_doubts(x, y, inputs, list(chosen))]
    if content.test is not None:
        tests = int(content.test.sum())
        notes.append(f"its own split is used, {len(x) - tests} rows for training and {tests} for the test")
    return Table(x, y, tuple(inputs), tuple(chosen), content.test, tuple(notes))


def _kind(path: Path) -> str | None:
    """Whether a path is that of a folder or of a file; None if nothing is there."""
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else None
    except OSError:  # the name is longer than the system allows
        return None


def _check_there(path: Path) -> None:
    kind = _kind(path)
    if kind == "folder" and not parts_of(path):
        raise ConfigError(f"folder {path} holds no Parquet files (*.parquet): give the path of a table")
    if kind is None:
        if re.match(r"\w{2,}:/", str(path)):
            raise ConfigError(f"{path} is an address, no file on this machine: download it, and give the file's path")
        if str(path).startswith("~") and path.expanduser().exists():
            raise ConfigError(f"no table at {path}: write the folder in full, {path.expanduser()}")
        raise ConfigError(f"no table at {path}: check the path")


def _format(path: Path) -> str:
    return "PARQUET" if path.is_dir() else path.name.lower().removesuffix(".gz").rpartition(".")[2].upper()


def _target_columns(content: Content, targets: Sequence[str], path: Path) -> dict[str, str]:
    """The labels of the target columns, each with the target that named it."""
    if not targets:
        names = _listed(content.groups)
        raise ConfigError(f"which columns of {path} are targets? give targets=NAME,NAME out of {names}")
    chosen: dict[str, str] = {}
    for target in targets:
        name = content.aliases.get(target, target)
        if not (name in content.groups or name in content.columns):
            raise ConfigError(f"{path} has no column {shown(target)}: {_remedy(target, content, path)}")
        for label in content.groups.get(name, [name]):
            if label in chosen:
                before = chosen[label]
                by = f"{shown(target)} twice" if before == target else f"{shown(before)} and {shown(target)}"
                raise ConfigError(f"every target column must be named once: got {by}, both column {shown(label)}")
            chosen[label] = target
    return chosen


def _remedy(target: str, content: Content, path: Path) -> str:
    columns = list(content.columns)
    numbered = [one for one in columns if one.startswith(target) and one.removeprefix(target).isdigit()]
    if numbered:
        return f"did you mean targets={_listed(numbered).replace(', ', ',')}? a target is the exact name of a column"
    if near := nearest(target.strip(), [*content.groups, *columns]):
        return f"did you mean {near!r}?"
    if path.suffix.lower() == ".npy":
        return f"the columns of an NPY file are named by number, {columns[0]} to {columns[-1]}"
    return f"it has {_listed(content.groups)}"


def _listed(names: Collection[str]) -> str:
    words = [name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..." for name in list(names)[:_MOST_NAMES]]
    return ", ".join(words) + (f", ... ({len(names)} in all)" if len(names) > _MOST_NAMES else "")


def _doubts(x: np.ndarray, y: np.ndarray, inputs: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Notes on columns that only count the rows, and on inputs that equal a target."""
    counters = [name for name, column in zip(inputs, x.T, strict=True) if counts_rows(column)]
    notes = [f"column {shown(name)} counts the rows, and is an input: drop it if it means nothing" for name in counters]
    for name, target in zip(targets, y.T, strict=True):
        if counts_rows(target):
            notes.append(f"target {shown(name)} counts the rows: is it a number of the row?")
        for place in np.flatnonzero(x[0] == target[0]).tolist():
            if np.array_equal(x[:, place], target):
                notes.append(f"input {shown(inputs[place])} equals target {shown(name)}: drop it")
    return notes
