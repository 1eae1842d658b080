"""Conversion of common containers of numbers to real tensors: torch, NumPy, pandas, lists."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from nrc_core.errors import ConfigError

Matrix = Any  # a tensor, NumPy array or pandas table (rows, columns) of real numbers
Labels = Any  # a tensor, NumPy array, pandas column or list (rows,) of whole numbers
WHOLE = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
ROWS_AT_ONCE = 65_536  # number of rows that are searched together for values that are not finite


def as_tensor(value: Any, name: str) -> Tensor:
    """Convert a tensor, array, table or list to a real tensor, which shares the memory if possible.

    Whole numbers stay whole numbers. A pandas table or column becomes float64, and missing values become NaN.

    Raises:
        ConfigError: complex numbers, text, dates, masked or sparse values, or rows of different lengths.

    Example:
        >>> as_tensor(pd.DataFrame({"a": [1, 2], "b": [0.5, None]}), "x").tolist()
        [[1.0, 0.5], [2.0, nan]]
    """
    if isinstance(value, Tensor):
        return _plain(value.detach(), name)
    if isinstance(value, pd.DataFrame | pd.Series):
        return torch.from_numpy(_table(value, name))
    if np.ma.isMaskedArray(value) and np.ma.is_masked(value):
        raise ConfigError(f"{name} has masked values, which an array of numbers cannot have: drop or fill those rows")
    if isinstance(value, list | tuple) and value and all(isinstance(one, Tensor) for one in value):
        rows = [_plain(one.detach(), name) for one in value]
        if len({one.shape for one in rows}) == 1:
            return torch.stack(rows)
    return _of_array(_array(value, name), name, type(value).__name__)


def check_finite(tensor: Tensor, name: str, remedy: str = "drop or mend those rows first") -> None:
    """Raise ConfigError if there is NaN or infinity; the message names the first such row."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return
    for start in range(0, len(tensor), ROWS_AT_ONCE):
        finite = tensor[start : start + ROWS_AT_ONCE].isfinite()
        if not finite.all():
            row = start + int(finite.reshape(len(finite), -1).all(1).logical_not().nonzero()[0])
            raise ConfigError(f"{name} must be finite, but holds NaN or infinity, first in row {row}: {remedy}")


def checked_matrix(array: Matrix, name: str) -> Tensor:
    """Convert to a matrix in float64; ConfigError (a ValueError) unless it is a real, finite matrix, not empty."""
    tensor = as_tensor(array, name).double()
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise ConfigError(f"{name} must be a matrix with samples in rows, not empty: got shape {tuple(tensor.shape)}")
    check_finite(tensor, name)
    return tensor


def checked_labels(labels: Labels, rows: int, *, name: str = "labels", from_zero: bool = False) -> Tensor:
    """Convert labels of classes to int64; ConfigError unless there is one whole number for each row.

    Args:
        labels: (n,).
        rows: n.
        name: what an error calls the labels.
        from_zero: whether labels below 0 are refused.

    Example:
        >>> checked_labels(["cat", "dog"], 2)
        Traceback (most recent call last):
        nrc_core.errors.ConfigError: labels must be 2 whole numbers: got text; number the classes, as \
np.unique(labels, return_inverse=True)[1]
    """
    rule = f"{name} must be {rows} whole numbers{' from 0' if from_zero else ''}"
    given = labels.to_numpy() if isinstance(labels, pd.Series) else labels  # `as_tensor` makes float64 of a column
    kind = _kind(given, name)
    if kind not in WHOLE:
        raise ConfigError(f"{rule}: got {kind}; number the classes, as np.unique({name}, return_inverse=True)[1]")
    found = as_tensor(given, name).long()
    if found.shape != (rows,):
        raise ConfigError(f"{rule}: got shape {tuple(found.shape)}; give one for each row, in one dimension")
    if from_zero and found.min() < 0:
        raise ConfigError(f"{rule}: got {found.min()}; leave out its rows, or number the classes from 0")
    return found


def check_same_labels(x: Any, y: Any) -> None:
    """Raise ConfigError if two pandas objects have different row labels, since pandas would reorder the rows."""
    labels = [one.index for one in (x, y) if isinstance(one, pd.DataFrame | pd.Series)]
    if len(labels) == 2 and not labels[0].equals(labels[1]):
        raise ConfigError(
            "the rows of x and y have different labels: give y.loc[x.index], or y.to_numpy() if both are in one order"
        )


def _array(value: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError):
        raise ConfigError(
            f"{name} must be an array: got a {type(value).__name__} of rows of different lengths"
        ) from None


def _kind(value: Any, name: str) -> str:
    """The type of the entries of a tensor, array or list, under the same name for all of them."""
    if isinstance(value, Tensor):
        return str(value.dtype).removeprefix("torch.")
    kind = _array(value, name).dtype
    return "text" if kind.kind in "US" else kind.name


def _plain(tensor: Tensor, name: str) -> Tensor:
    if tensor.is_complex():
        raise ConfigError(f"{name} must be real: got {tensor.dtype}; give real and imaginary parts as columns")
    kinds = {
        "nested": tensor.is_nested,
        "meta": tensor.is_meta,
        "quantised": tensor.is_quantized,
        "sparse": tensor.layout != torch.strided,
    }
    if kind := next((kind for kind, holds in kinds.items() if holds), None):
        raise ConfigError(f"{name} must be a dense tensor of numbers: got a {kind} one, convert it first")
    return tensor


def _table(table: pd.DataFrame | pd.Series, name: str) -> np.ndarray:
    columns = table.to_frame() if isinstance(table, pd.Series) else table
    for column, dtype in zip(columns.columns, columns.dtypes, strict=True):
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
            raise ConfigError(f"{name}: column {column!r} holds {dtype} values, not real numbers: encode or drop it")
    return np.array(table.to_numpy(dtype=np.float64, na_value=np.nan))


def _of_array(array: np.ndarray, name: str, kind: str) -> Tensor:
    if array.dtype.kind == "c":
        raise ConfigError(f"{name} must be real: got {array.dtype}; give real and imaginary parts as columns")
    if array.dtype.kind not in "biuf":
        raise ConfigError(
            f"{name} must hold numbers: got a {kind} of {array.dtype} values; convert it to an array first"
        )
    if array.dtype.itemsize > 8 or (array.dtype.kind == "u" and array.dtype.itemsize == 8):
        array = array.astype(np.float64)
    elif array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    with warnings.catch_warnings():  # the warning is about read-only memory; no code here writes to it
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)
