"""Columns of finite numbers from the types that files have: exactly the same numbers, or an error with their name.

Errors here say what is wrong in a file; `nrc_core.data.tables.read_table` adds which file it is.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds
from jaxtyping import Bool, Float64

from nrc_core.errors import DataDamaged, shown

SPLIT = "split"  # the column with the own split of a table
LARGEST_EXACT = 2**53  # up to here a 64-bit float holds every whole number
_PARTS = ("train", "test")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_PUNCTUATED = re.compile(r"[\s+-]*[\d.]*\d[,'\s\u00a0.]\d[\d,.'\s\u00a0]*", re.ASCII)
_UNNAMED = re.compile(r"\s*|Unnamed: \d+|__index_level_\d+__")  # to_csv(), read_csv() of it, to_parquet()
_ENCODE, _DROP = "encode or drop it", "turn it into a number, as days since the first, or drop it"
# Remedies for text, by its pattern; the first that fits is used.
_REMEDIES = (
    (re.compile(r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*", re.ASCII), _DROP),
    (re.compile(r"\s*#.*"), "take out lines of comments below the header"),
    (_PUNCTUATED, "write numbers as 1234.5, after pd.read_csv(..., thousands=',') or pd.read_csv(..., decimal=',')"),
    (re.compile(r"[^a-zA-Z\d]*\d[^a-zA-Z]*"), "write numbers as 1234.5, without other signs"),  # 5 %, $5, 1_000
)
# Words and remedies for values that are no numbers: by the test of Arrow's type, and by the letter of NumPy's type.
_ARROW = (
    (kinds.is_null, "nothing but empty values", "drop it"),
    (kinds.is_date, "dates", _DROP),
    (kinds.is_timestamp, "dates with times", _DROP),
    (kinds.is_time, "times of day", _DROP),
    (kinds.is_duration, "durations", _DROP),
    (kinds.is_binary, "bytes", _ENCODE),
    (kinds.is_nested, "lists or structures", "give each of their entries a column"),
)
_NUMPY = {
    "c": ("complex numbers", "give their real and imaginary parts as two columns"),
    "M": ("dates", _DROP),
    "m": ("durations", _DROP),
    "U": ("text", _ENCODE),
    "S": ("bytes", _ENCODE),
}


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes:
        groups: for each name in the file the labels of the columns that it stands for: a column of a table, or all
            columns of a matrix.
        columns: by label; all have the same number of rows.
        test: which rows are for the test, if the file says so.
        notes: what was changed in reading, for its user to know.
        aliases: other names of groups.
    """

    groups: Mapping[str, Sequence[str]]
    columns: Mapping[str, Float64[np.ndarray, " n"]]
    test: Bool[np.ndarray, " n"] | None = None
    notes: Sequence[str] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)


def from_arrow(table: pa.Table, notes: Sequence[str] = ()) -> Content:
    """The columns of a table in its order, without row names and without the column `split`.

    Raises:
        DataDamaged: a name occurs twice or is missing, or a column holds something else than finite numbers.
    """
    check_names(table.column_names)
    if not table.num_rows:
        raise DataDamaged("it has no rows")
    columns, notes, test = {}, list(notes), None
    for place, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if _UNNAMED.fullmatch(name):
            notes.append(_left_out(place, column))
        elif name == SPLIT:
            test = split_rows(column.to_pylist())
        else:
            columns[name] = _arrow_numbers(name, column)[:, 0]
    return Content({name: [name] for name in columns}, columns, test, notes)


def check_names(names: Iterable[str]) -> None:
    """Raise DataDamaged if two columns have the same name; columns without a name are not counted."""
    twice = [name for name, count in Counter(names).items() if count > 1 and not _UNNAMED.fullmatch(name)]
    if twice:
        raise DataDamaged(f"it has two columns named {shown(twice[0])}: give every column a name of its own")


def split_rows(words: Sequence[object]) -> Bool[np.ndarray, " n"]:
    """Which rows are for the test, by the words in the column `split`.

    Raises:
        DataDamaged: a word is neither train nor test, or all words are the same.
    """
    rule = f"column {SPLIT!r} must hold train or test in every row, and both of them"
    for row, word in enumerate(words, start=1):
        if word not in _PARTS:
            raise DataDamaged(f"{rule}: got {shown(word)} in data row {row} (is it an input? rename it)")
    if len(set(words)) < len(_PARTS):
        raise DataDamaged(f"{rule}: got {words[0]} alone")
    return np.array([word == "test" for word in words])


def array_numbers(name: str, array: np.ndarray) -> Float64[np.ndarray, "n k"]:
    """An array as float64 with exactly the same numbers; each row is flattened.

    Raises:
        DataDamaged: the array holds something else than finite numbers, or whole numbers that a float64 cannot hold.
    """
    if array.dtype.kind not in "biuf":
        raise _no_numbers(name, *_NUMPY.get(array.dtype.kind, (f"values of type {array.dtype}", "drop it")))
    matrix = array.reshape(len(array), -1)
    labels = [name] if array.ndim == 1 else [f"{name}{i}" for i in range(matrix.shape[1])]
    with np.errstate(over="ignore"):  # a longer float that is too large becomes infinite, and is refused below
        values = matrix.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        column = int(bad.any(axis=0).argmax())
        raise DataDamaged(
            f"column {shown(labels[column])} holds {bad[:, column].sum()} empty, NaN or infinite values, the first in "
            f"data row {bad[:, column].argmax() + 1}: drop or fill those rows"
        )
    if array.dtype.kind in "iu":
        for row, column in zip(*np.nonzero((matrix > LARGEST_EXACT) | (matrix < -LARGEST_EXACT)), strict=True):
            _check_exact(labels[column], int(matrix[row, column]), int(row))
    return values


def check_whole_numbers(name: str, words: Iterable[str | None]) -> None:
    """Raise DataDamaged if a text is a whole number that a float64 cannot hold."""
    for row, word in enumerate(words):
        if word is not None and re.fullmatch(r"\s*[+-]?\d{16,}\s*", word, re.ASCII):
            _check_exact(name, Decimal(word.strip()), row)


def _arrow_numbers(name: str, column: pa.ChunkedArray) -> Float64[np.ndarray, "n 1"]:
    if kinds.is_dictionary(column.type):  # categories are replaced by their values
        column = column.cast(column.type.value_type)
    kind = column.type
    if kinds.is_boolean(kind) or kinds.is_integer(kind) or kinds.is_floating(kind):
        whole = column.cast(pa.float64(), safe=False) if column.null_count else column
        return array_numbers(name, whole.to_numpy())
    if kinds.is_decimal(kind):
        words = column.cast(pa.string())  # the text is exact, and becomes the nearest float
        values = array_numbers(name, words.cast(pa.float64()).to_numpy())
        for row in np.flatnonzero(np.abs(values) >= LARGEST_EXACT):
            exact = Decimal(words[row].as_py())
            if abs(exact) > LARGEST_EXACT:  # the float of 2^53 + 1 is 2^53
                _check_exact(name, exact, int(row))
        return values
    if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
        raise _text(name, column.to_pylist())
    for holds, what, remedy in _ARROW:
        if holds(kind):
            raise _no_numbers(name, what, remedy)
    raise _no_numbers(name, f"values of type {kind}", "drop it")


def _check_exact(name: str, value: int | Decimal, row: int) -> None:
    if np.isfinite(float(value)) and Decimal(float(value)) != value:
        raise DataDamaged(
            f"column {shown(name)} holds {shown(int(value))} in data row {row + 1}, and a 64-bit float has no such "
            "number: subtract the smallest value of the column, or drop it if it is a name"
        )


def _left_out(place: int, column: pa.ChunkedArray) -> str:
    """A note that a column without a name is left out, if it only names the rows; else raise DataDamaged."""
    rows, unnamed = len(column), f"column {place + 1} has no name"
    counts = kinds.is_integer(column.type) and not column.null_count and counts_rows(column.to_numpy())
    labels = not (kinds.is_floating(column.type) or kinds.is_boolean(column.type) or kinds.is_nested(column.type))
    if counts or (place == 0 and labels and not column.null_count and len(column.unique()) == rows):
        what = "numbers" if counts else "names"
        return f"{unnamed} and {what} the rows: left out (write the table with index=False)"
    if column.null_count == rows:
        raise DataDamaged(f"{unnamed} and no values: take the separators off the ends of the lines")
    raise DataDamaged(f"{unnamed}: name it if it is an input, or leave it out")


def counts_rows(values: np.ndarray) -> bool:
    """Whether a column is 0, 1, 2, ... or 1, 2, 3, ...

    Example:
        >>> counts_rows(np.array([1, 2, 3])), counts_rows(np.array([2, 3, 4]))
        (True, False)
    """
    return bool(values[0] in (0, 1) and np.array_equal(values, values[0] + np.arange(len(values))))


def _text(name: str, values: Sequence[str | None]) -> DataDamaged:
    given = [(row, value) for row, value in enumerate(values, start=1) if value is not None] or [(1, "")]
    odd = [one for one in given if not _NUMBER.fullmatch(one[1])]
    words = [one for one in odd if not _PUNCTUATED.fullmatch(one[1])]
    row, word = (words or odd or given)[0]
    if broken := [one for one in given if "\n" in one[1] or "\r" in one[1]]:
        row, word = broken[0]
        remedy = 'the text runs over several lines: close the quote (")'
    elif {value.lower() for _, value in given} <= set(_PARTS):
        remedy = f"if it says which rows are for the test, name it {SPLIT!r} and write {' or '.join(_PARTS)} in it"
    elif not odd:
        remedy = "numbers kept as text, or with other decimals than the rest: convert it with pd.to_numeric"
    else:
        remedy = next((remedy for pattern, remedy in _REMEDIES if pattern.fullmatch(word)), _ENCODE)
    return _no_numbers(name, "text", remedy, f", as {shown(word)} in data row {row}")


def _no_numbers(name: str, what: str, remedy: str, example: str = "") -> DataDamaged:
    return DataDamaged(f"column {shown(name)} holds {what}, not numbers{example}: {remedy}")
