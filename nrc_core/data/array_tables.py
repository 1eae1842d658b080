"""Arrays as tables: NPY files, and NPZ files in which each array is a column or a matrix."""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import numpy as np

from nrc_core.data.table_columns import SPLIT, Content, array_numbers, check_names, split_rows
from nrc_core.errors import DataDamaged, shown

# X_train and X_test are two parts of X, and so are train_X and test_X. Short words need an underscore, as in X_tr.
_LONG, _SHORT = "train(?:ing)?|test(?:ing)?|valid(?:ation)?|val|dev", "tr|trn|te|tst"
_PART_NAMES = (
    rf"(?P<base>.*?)_?(?P<part>{_LONG})",
    rf"(?P<base>.*)_(?P<part>{_SHORT})",
    rf"(?P<part>{_LONG})_?(?P<base>.+)",
    rf"(?P<part>{_SHORT})_(?P<base>.+)",
)
_FULL = {"tr": "train", "trn": "train", "training": "train", "te": "test", "tst": "test", "testing": "test"}
_PICKLED = "it holds pickled objects, which are never loaded: save arrays of numbers, as array.astype(float)"


def read_npy(path: Path) -> Content:
    """The columns of a matrix. Their names are their numbers from 0, or the array's fields if it has fields.

    Raises:
        ValueError: the file is not an NPY file, or its array is not a matrix.
        DataDamaged: a column holds something else than finite numbers.
    """
    array = _load(path, single=True)[""]
    if array.dtype.names is None and array.ndim != 2:
        raise ValueError(
            f"an array of shape {array.shape}, not of rows and columns: give inputs and targets as two arrays of an "
            "NPZ file"
        )
    return _content({"": array}, {"": ("",)})


def read_npz(path: Path) -> Content:
    """The columns of all arrays: a vector is one, a matrix `y` is y0, y1, ..., an image is flattened to a row.

    The file brings its own split if its arrays have names like X_train, X_test, y_train, y_test, which are the parts
    of X and y, or if it has an array `split` of the words train and test.
    If two columns would get the same name, as with matrices x and x1, the columns are x[0], x[1], ...

    Raises:
        ValueError: the file is not an NPZ file, or it holds pickled objects or nothing.
        DataDamaged: an array is not a column or matrix of finite numbers, arrays have different lengths, or an array
            for training has no array for the test.
    """
    arrays = _load(path, single=False)
    return _content(arrays, _pieces(arrays))


def _load(path: Path, *, single: bool) -> dict[str, np.ndarray]:
    """The arrays of an NPZ file by name, or the array of an NPY file under the name ""; pickled objects are refused."""
    with path.open("rb") as file:
        if not file.read(6).startswith((b"\x93NUMPY", b"PK")):
            raise ValueError("it was not written by numpy.save or numpy.savez")
    arrays: dict[str, np.ndarray] = {}
    where = ""
    try:
        opened = np.load(path, allow_pickle=False)
        if isinstance(opened, np.ndarray) != single:
            right = "several arrays: name it .npz" if single else "a single array: name it .npy"
            raise ValueError(f"it holds {right}")
        if single:
            return {"": opened}
        with opened:
            for name in opened.files:
                where = f"array {shown(name)}: "
                if name in arrays:
                    raise DataDamaged(f"it has two arrays named {shown(name)}: give each a name of its own")
                arrays[name] = np.asarray(opened[name])  # a member that is no array comes as bytes
    except ValueError as error:
        raise ValueError(where + (_PICKLED if "allow_pickle" in str(error) else str(error))) from None
    if not arrays:
        raise ValueError("it holds no arrays")
    return arrays


def _pieces(arrays: Mapping[str, np.ndarray]) -> Mapping[str, tuple[str, ...]]:
    """For each name of columns the arrays that hold its rows: one array, or one for training and one for the test."""
    bases: dict[str, dict[str, str]] = {}
    for name in arrays:
        matches = (re.fullmatch(pattern, name, re.IGNORECASE) for pattern in _PART_NAMES)
        if match := next(filter(None, matches), None):
            base, word = match["base"], match["part"].lower()
            same = next((one for one in bases if one.lower() == base.lower()), base)  # X_train and x_test
            part = _FULL.get(word, word)
            bases.setdefault(base if part in bases.get(same, {}) else same, {})[part] = name
    if all(len(parts) == 1 for parts in bases.values()):
        return {name: (name,) for name in arrays}
    whole = {base: (parts["train"], parts["test"]) for base, parts in bases.items() if set(parts) == {"train", "test"}}
    if alone := sorted(set(arrays) - set(chain.from_iterable(whole.values()))):
        raise DataDamaged(
            f"it brings its own split, and {', '.join(map(shown, alone[:5]))} fits none of its pairs: every array "
            "needs one part for train and one for test, as X_train and X_test, and no others"
        )
    return whole


def _content(arrays: Mapping[str, np.ndarray], pieces: Mapping[str, tuple[str, ...]]) -> Content:
    for names in zip(*pieces.values(), strict=True):
        _check_lengths({name: arrays[name] for name in names})
    tables: dict[str, dict[str, np.ndarray]] = {}  # the columns of each base by label
    notes = []
    for base, names in pieces.items():
        if names == (SPLIT,):
            continue
        array, rows = arrays[names[0]], [_row(arrays[name]) for name in names]
        if rows[0] != rows[-1]:
            raise DataDamaged(
                f"a row of {shown(names[0])} is {rows[0]}, of {shown(names[1])} {rows[1]}: give both the same columns"
            )
        parts = [_columns(name, arrays[name], base) for name in names]
        tables[base] = {label: np.concatenate([part[label] for part in parts]) for label in parts[0]}
        if array.ndim > 2:
            shape = " x ".join(map(str, array.shape[1:]))
            notes.append(f"array {shown(base)}, {shape} a row, is flattened to {array[0].size} columns")
    groups, columns = _joined(tables)
    aliases = {name: base for base, names in pieces.items() for name in names}
    return Content(groups, columns, _test_rows(arrays, pieces), notes, aliases)


def _check_lengths(arrays: Mapping[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        if array.ndim == 0:
            raise DataDamaged(f"array {shown(name)} is a single value, not a column: leave it out of the file")
    (first, array), *others = arrays.items()
    for name, other in others:
        if len(other) != len(array):
            raise DataDamaged(
                f"arrays {shown(first)} and {shown(name)} have {len(array)} and {len(other)} rows: give all arrays a "
                "row a sample (parts of a split are named X_train, X_test, y_train, y_test)"
            )


def _row(array: np.ndarray) -> str:
    """A row of an array, in words."""
    fields = f" with fields {', '.join(array.dtype.names)}" if array.dtype.names else ""
    return f"of shape {array.shape[1:]}{fields}"


def _columns(name: str, array: np.ndarray, base: str) -> dict[str, np.ndarray]:
    """The columns of an array, named after the base that the array is a part of."""
    if array.dtype.names is None or array.ndim != 1:
        if not array.size:
            raise DataDamaged("it has no rows" if not len(array) else f"array {shown(name)} has no columns")
        values = array_numbers(name, array)
        return dict(zip([base] if array.ndim == 1 else _numbered(base, values.shape[1]), values.T, strict=True))
    columns = {}
    for field in array.dtype.names:  # each row is a record
        if array[field].ndim != 1:
            raise DataDamaged(f"field {shown(field)} holds arrays, not numbers: give each of their entries a field")
        columns[field] = array_numbers(field, array[field])[:, 0]
    return columns


def _numbered(base: str, number: int) -> list[str]:
    return [f"{base}{i}" for i in range(number)]


def _joined(tables: Mapping[str, dict[str, np.ndarray]]) -> tuple[dict[str, list[str]], dict[str, np.ndarray]]:
    """The labels of the columns of each base, and all columns by label; no two labels are equal.

    If a base has no name, each of its columns is a base.
    """
    counts = Counter(chain(*tables.values()))
    groups: dict[str, list[str]] = {}
    columns: list[tuple[str, np.ndarray]] = []
    for base, table in tables.items():
        labels = list(table)
        if base and labels == _numbered(base, len(labels)) and any(counts[label] > 1 for label in labels):
            labels = [f"{base}[{i}]" for i in range(len(labels))]
        groups |= {base: labels} if base else {label: [label] for label in labels}
        columns += zip(labels, table.values(), strict=True)
    check_names(label for label, _ in columns)
    return groups, dict(columns)


def _test_rows(arrays: Mapping[str, np.ndarray], pieces: Mapping[str, tuple[str, ...]]) -> np.ndarray | None:
    """Which rows are for the test: the rows of the second arrays, or those that the array `split` names."""
    names = next(iter(pieces.values()))
    if len(names) > 1:
        return np.repeat([False, True], [len(arrays[name]) for name in names])
    if SPLIT not in arrays:
        return None
    if arrays[SPLIT].ndim != 1:
        raise DataDamaged(f"array {SPLIT!r} must be a vector of the words train and test")
    return split_rows(arrays[SPLIT].tolist())
