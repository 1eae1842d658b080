"""Arrays as tables: NPY, and NPZ with a column or a matrix an array."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from nrc_core.errors import DataDamaged, shown
from nrc_core.data.table_columns import SPLIT, Columns, Content, array_numbers, check_names, split_rows

# X_train and X_test are two parts of X, as are train_X and test_X.
_WORDS = "train(?:ing)?|test(?:ing)?|valid(?:ation)?|val|dev"
_PART = re.compile(rf"(?i)(?P<base>.*?)_?(?P<part>{_WORDS})|(?P<base_>.*)_(?P<part_>tr|trn|te|tst)")
_PART_FIRST = re.compile(rf"(?i)(?P<part>{_WORDS})_?(?P<base>.+)|(?P<part_>tr|trn|te|tst)_(?P<base_>.+)")
_SHORT = {"tr": "train", "trn": "train", "training": "train", "te": "test", "tst": "test", "testing": "test"}
_PICKLED = "it holds pickled objects, which are never loaded: save arrays of numbers, as array.astype(float)"


def read_npy(path: Path) -> Content:
    """The columns of a matrix, named by their number from 0, or by its fields where it has any.

    Raises:
        DataDamaged: it is no matrix of finite numbers.
    """
    array = _opened(path, "NPY")
    if not isinstance(array, np.ndarray):
        raise DataDamaged(f"{path} is not a readable NPY table: it holds several arrays: name it .npz")
    if array.dtype.names is None and array.ndim != 2:
        raise DataDamaged(
            f"{path} is not a readable NPY table: an array of shape {array.shape}, not of rows and columns: give "
            "inputs and targets as two arrays of an NPZ file"
        )
    found = _columns("", array, path)
    check_names(found.labels, path)
    return Content(_each(found))


def read_npz(path: Path) -> Content:
    """The columns of all arrays: a vector is one, a matrix `y` is y0, y1, ..., an image is flattened to a row.

    Arrays like X_train, X_test, y_train, y_test are the parts of X and y: the file brings its own split, as it does
    by an array `split` of the words train and test.
    Where such names run together, as with matrices x and x1, the columns are x[0], x[1], ...

    Raises:
        DataDamaged: an array that is no column or matrix of finite numbers, arrays of different lengths, or parts
            for the training without their parts for the test.
    """
    arrays = _load(path)
    if bases := _bases(list(arrays)):
        return _parts(arrays, bases, path)
    _check_lengths(arrays, path)
    marks = arrays.pop(SPLIT, None)
    parts, notes = [], []
    for name, array in arrays.items():
        parts.append(_columns(name, array, path))
        notes += _flattened(name, array)
    test = None
    if marks is not None:
        if marks.ndim != 1:
            raise DataDamaged(f"{path}: array {SPLIT!r} must be a vector of the words train and test")
        test = split_rows(marks.tolist(), path)
    return Content(_named(parts, path), test, notes)


def _opened(path: Path, kind: str) -> Any:
    """What NumPy reads, but no pickles."""
    with path.open("rb") as file:
        start = file.read(6)
    if not start.startswith((b"\x93NUMPY", b"PK")):
        raise DataDamaged(f"{path} is not a readable {kind} table: it was not written by numpy.save or numpy.savez")
    try:
        return np.load(path, allow_pickle=False)
    except ValueError as error:
        raise DataDamaged(f"{path} is not a readable {kind} table: {_reason(error)}") from None


def _reason(error: ValueError) -> str:
    return _PICKLED if "allow_pickle" in str(error) else str(error)


def _load(path: Path) -> dict[str, np.ndarray]:
    found = _opened(path, "NPZ")
    if isinstance(found, np.ndarray):
        raise DataDamaged(f"{path} is not a readable NPZ table: it holds a single array: name it .npy")
    with found:
        arrays = {}
        for name in found.files:
            if name in arrays:
                raise DataDamaged(f"{path} has two arrays named {shown(name)}: give each a name of its own")
            try:
                arrays[name] = np.asarray(found[name])  # a member that is no array comes as bytes
            except ValueError as error:
                raise DataDamaged(
                    f"{path} is not a readable NPZ table: array {shown(name)}: {_reason(error)}"
                ) from None
    if not arrays:
        raise DataDamaged(f"{path} is not a readable NPZ table: it holds no arrays")
    return arrays


def _columns(name: str, array: np.ndarray, path: Path, label: str | None = None) -> Columns:
    """The columns of an array, called by its name or by that of what it is a part of."""
    label = name if label is None else label
    if array.dtype.names is not None and array.ndim == 1:  # a record a row
        fields = [array_numbers(field, _one_dimension(field, array[field], path), path) for field in array.dtype.names]
        return Columns(label, array.dtype.names, np.concatenate(fields, axis=1))
    if not array.size:
        raise DataDamaged(f"{path} has no rows" if not len(array) else f"{path}: array {shown(name)} has no columns")
    values = array_numbers(name, array, path)
    return Columns(label, (label,) if array.ndim == 1 else _matrix_labels(label, values), values)


def _one_dimension(name: str, column: np.ndarray, path: Path) -> np.ndarray:
    if column.ndim != 1:
        raise DataDamaged(f"{path}: field {shown(name)} holds arrays, not numbers: give each of their entries a field")
    return column


def _matrix_labels(name: str, values: np.ndarray) -> tuple[str, ...]:
    return tuple(f"{name}{i}" for i in range(values.shape[1]))


def _named(parts: list[Columns], path: Path) -> list[Columns]:
    """The parts with names that are all different."""
    counts = Counter(chain.from_iterable(part.labels for part in parts))
    named = []
    for part in parts:
        if part.labels == _matrix_labels(part.name, part.values) and any(counts[label] > 1 for label in part.labels):
            part = Columns(part.name, tuple(f"{part.name}[{i}]" for i in range(len(part.labels))), part.values)
        named.append(part)
    check_names(chain.from_iterable(part.labels for part in named), path)
    return named


def _each(columns: Columns) -> list[Columns]:
    """Those of an array without a name, one by one."""
    return [Columns(label, (label,), columns.values[:, [i]]) for i, label in enumerate(columns.labels)]


def _flattened(name: str, array: np.ndarray) -> list[str]:
    if array.ndim < 3:
        return []
    shape = " x ".join(map(str, array.shape[1:]))
    return [f"array {shown(name)}, {shape} a row, is flattened to {array[0].size} columns"]


def _check_lengths(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    for name, array in arrays.items():
        if array.ndim == 0:
            raise DataDamaged(f"{path}: array {shown(name)} is a single value, not a column: leave it out of the file")
    (first, array), *others = arrays.items()
    for name, other in others:
        if len(other) != len(array):
            raise DataDamaged(
                f"{path}: arrays {shown(first)} and {shown(name)} have {len(array)} and {len(other)} rows: give all "
                "arrays a row a sample (parts of a split are named X_train, X_test, y_train, y_test)"
            )


def _bases(names: list[str]) -> dict[str, dict[str, str]]:
    """Arrays by what they are parts of and by part; none unless something has several parts."""
    bases: dict[str, dict[str, str]] = {}
    for name in names:
        if found := _PART.fullmatch(name) or _PART_FIRST.fullmatch(name):
            base, word = found["base"] or found["base_"] or "", (found["part"] or found["part_"]).lower()
            same = next((one for one in bases if one.lower() == base.lower()), base)  # X_train and x_test
            part = _SHORT.get(word, word)
            bases.setdefault(base if part in bases.get(same, {}) else same, {})[part] = name
    return bases if any(len(parts) > 1 for parts in bases.values()) else {}


def _parts(arrays: Mapping[str, np.ndarray], bases: Mapping[str, Mapping[str, str]], path: Path) -> Content:
    whole = {base: (parts["train"], parts["test"]) for base, parts in bases.items() if set(parts) == {"train", "test"}}
    if alone := sorted(set(arrays) - set(chain.from_iterable(whole.values()))):
        raise DataDamaged(
            f"{path} brings its own split, and {', '.join(map(shown, alone[:5]))} fits none of its pairs: every array "
            "needs one part for train and one for test, as X_train and X_test, and no others"
        )
    joined, notes = [], []
    aliases: dict[str, str] = {}
    for names in zip(*whole.values(), strict=True):
        _check_lengths({name: arrays[name] for name in names}, path)
    for base, (train, test) in whole.items():
        here, there = _row(arrays[train]), _row(arrays[test])
        if here != there:
            raise DataDamaged(
                f"{path}: a row of {shown(train)} is {here}, of {shown(test)} {there}: give both the same columns"
            )
        first, second = (_columns(name, arrays[name], path, base) for name in (train, test))
        both = Columns(base, first.labels, np.concatenate([first.values, second.values]))
        joined += [both] if base else _each(both)
        notes += _flattened(base, arrays[train])
        aliases |= dict.fromkeys((train, test), base)
    train, _ = next(iter(whole.values()))
    test_rows = np.arange(len(joined[0].values)) >= len(arrays[train])
    return Content(_named(joined, path), test_rows, notes, aliases)


def _row(array: np.ndarray) -> str:
    """What a row of an array is, in words."""
    fields = f" with fields {', '.join(array.dtype.names)}" if array.dtype.names else ""
    return f"of shape {array.shape[1:]}{fields}"
