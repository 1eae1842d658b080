"""Conversion of common containers of numbers to real tensors: torch, NumPy, pandas, lists."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from nrc_core.errors import ConfigError

Matrix = Any  # a tensor, NumPy array or pandas table (rows, columns) of real numbers
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
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):
        raise ConfigError(
            f"{name} must be an array: got a {type(value).__name__} of rows of different lengths"
        ) from None
    return _of_array(array, name, type(value).__name__)


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


def check_same_labels(x: Any, y: Any) -> None:
    """Raise ConfigError if two pandas objects have different row labels, since pandas would reorder the rows."""
    labels = [one.index for one in (x, y) if isinstance(one, pd.DataFrame | pd.Series)]
    if len(labels) == 2 and not labels[0].equals(labels[1]):
        raise ConfigError(
            "the rows of x and y have different labels: give y.loc[x.index], or y.to_numpy() if both are in one order"
        )


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
