"""Batches of inputs and targets on which a network is measured, from arrays or a loader; each batch is checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, pairwise
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from nrc_core.errors import ConfigError, NrcError
from nrc_core.metrics.arrays import as_tensor, check_finite, check_same_labels

LAST = object()  # marks the end of a loader


@dataclass(frozen=True)
class Batch:
    """Some samples: the inputs of the network, (n, ...) each, and the targets (n, t)."""

    inputs: tuple[Tensor, ...]
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, rows: slice) -> Batch:
        return Batch(tuple(one[rows] for one in self.inputs), self.targets[rows])

    def placed(self, device: torch.device | None, dtype: torch.dtype | None) -> Batch:
        """A copy on the network's device, with floating-point inputs in its type; a network may change its inputs."""
        return Batch(
            tuple(one.to(device, dtype if one.is_floating_point() else None, copy=True) for one in self.inputs),
            self.targets.to(device),
        )


def batches(x: Any, y: Any = None, *, batch_size: int | None = None) -> Iterator[Batch]:
    """The samples in their order, batch by batch.

    Args:
        x: inputs (n, ...), or a tuple of several; or, without y, a DataLoader or any other iterable of pairs (x, y).
        y: targets (n, t) or (n,).
        batch_size: number of rows of arrays in a batch; 4096 vectors or 256 samples of any other kind unless given.

    Raises:
        ConfigError: x and y have different numbers of rows, there are no rows, values are not real and finite
            numbers, or the iterable does not give pairs.

    Example:
        >>> [len(batch) for batch in batches(np.zeros((5, 2)), np.zeros(5), batch_size=2)]
        [2, 3]
    """
    whole = isinstance(batch_size, Integral) and not isinstance(batch_size, bool)
    if batch_size is not None and not (whole and batch_size >= 1):
        raise ConfigError(f"batch_size must be a whole number, at least 1: got {batch_size!r}")
    return _of_pairs(x, batch_size) if y is None else _of_arrays(x, y, batch_size)


def _of_arrays(x: Any, y: Any, batch_size: int | None) -> Iterator[Batch]:
    if isinstance(x, Mapping):
        raise ConfigError(
            "x must be an array or a tuple of arrays, in the order of the network's inputs: got a dictionary"
        )
    if isinstance(x, Dataset) or (isinstance(x, Iterable) and not _is_array(x) and not isinstance(x, list | tuple)):
        raise ConfigError(
            f"x must be an array or a tuple of arrays: got a {type(x).__name__}; a DataLoader brings its own targets, "
            "so give no y"
        )
    whole = _batch(x, y, "x", "y")
    size = int(batch_size or rows_at_once(whole.inputs[0]))
    bounds = [*range(0, len(whole), size), len(whole)]
    if size > 1 and len(bounds) > 2 and bounds[-1] - bounds[-2] == 1:
        del bounds[-2]  # avoid a batch of a single row: some networks squeeze its first axis away
    return (whole[start:stop] for start, stop in pairwise(bounds))


def _of_pairs(x: Any, batch_size: int | None) -> Iterator[Batch]:
    if _is_array(x) or isinstance(x, Mapping) or not isinstance(x, Iterable):
        wrap = ": wrap it, DataLoader(dataset, batch_size=256)" if isinstance(x, Dataset) else ""
        raise ConfigError(
            f"y is missing: give targets (n, t), or a DataLoader of pairs (x, y); x is a {type(x).__name__}{wrap}"
        )
    if batch_size is not None:
        raise ConfigError(f"a DataLoader has its own size of batches: got batch_size={batch_size} too, leave it out")
    return _loaded(x)


def _loaded(pairs: Iterable[Any]) -> Iterator[Batch]:
    source, targets = iter(pairs), None
    for number in count():
        with errors_in_a_line(f"batch {number} cannot be loaded from the {type(pairs).__name__}"):
            pair = next(source, LAST)
        if pair is LAST:
            return
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ConfigError(f"batch {number} must be a pair (x, y): got {_other_than_pair(pair)}")
        batch = _batch(pair[0], pair[1], f"x of batch {number}", f"y of batch {number}")
        targets = batch.targets.shape[1] if targets is None else targets
        if batch.targets.shape[1] != targets:
            raise ConfigError(f"every batch must have as many targets: got {batch.targets.shape[1]} after {targets}")
        if len(batch):
            yield batch


@contextmanager
def errors_in_a_line(words: str) -> Iterator[None]:
    """Turn any error in the block into a ConfigError of one line that begins with `words`; the error is its cause.

    Example:
        >>> with errors_in_a_line("x cannot be halved"):
        ...     "x" / 2
        Traceback (most recent call last):
        nrc_core.errors.ConfigError: x cannot be halved: TypeError: unsupported operand type(s) for /: 'str' and 'int'
    """
    try:
        yield
    except NrcError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        small = "; give a smaller batch_size" if isinstance(error, torch.OutOfMemoryError) else ""
        raise ConfigError(f"{words}: {type(error).__name__}: {reason}{small}") from error


def _other_than_pair(batch: Any) -> str:
    """What a batch is, and how a generator makes pairs (x, y) from such batches."""
    if isinstance(batch, Mapping):
        named = ", ".join(map(repr, batch))
        return f"a dictionary of {named}; make pairs of it, as in ((b['x'], b['y']) for b in loader)"
    parts = f"{len(batch)} parts" if isinstance(batch, list | tuple) else f"a {type(batch).__name__}"
    return f"{parts}; a generator can make pairs of it, as in (((a, b), y) for a, b, y in loader)"


def _batch(x: Any, y: Any, x_name: str, y_name: str) -> Batch:
    """Inputs and targets as tensors with the same number of rows."""
    several = isinstance(x, tuple) or (isinstance(x, list) and any(_is_array(one) for one in x))
    given = {f"{x_name}[{place}]": one for place, one in enumerate(x)} if several else {x_name: x}
    for one in given.values():
        check_same_labels(one, y)
    _check_not_columns(y, next(iter(given.values())), y_name)
    inputs = {name: as_tensor(one, name) for name, one in given.items()}
    targets = as_tensor(y, y_name)
    targets = targets[:, None] if targets.ndim == 1 else targets
    if targets.ndim != 2 or targets.shape[1] == 0:
        raise ConfigError(
            f"{y_name} must be (n, t), one row a sample: got shape {tuple(targets.shape)}; targets over several steps "
            "count one by one as y.flatten(1), with output=lambda out: out.flatten(1)"
        )
    if len(inputs) == len(targets) != len(next(iter(inputs.values()))):
        raise ConfigError(
            f"{x_name} is a {type(x).__name__} of {len(inputs)} arrays, as of several inputs: stack them to one"
        )
    for name, one in inputs.items():
        if one.ndim == 0 or 0 in one.shape[1:]:
            raise ConfigError(f"{name} must have one row a sample, with columns: got shape {tuple(one.shape)}")
        if len(one) != len(targets):
            raise ConfigError(f"x and y must have equal rows: {name} has {len(one)} and {y_name} {len(targets)}")
    for name, one in {**inputs, y_name: targets}.items():
        check_finite(one, name)
    return Batch(tuple(inputs.values()), targets)


def _check_not_columns(y: Any, x: Any, name: str) -> None:
    """Raise ConfigError if y is one array for each target: taken as rows, the targets would be transposed.

    A loader gives such a list if the targets of a sample are a tuple.
    """
    listed = isinstance(y, list | tuple) and all(_is_array(one) and len(np.shape(one)) > 0 for one in y)
    if listed and y and all(np.shape(one)[0] == len(x) for one in y):
        raise ConfigError(
            f"{name} is a {type(y).__name__} of {len(y)} arrays of {len(x)} rows each: stack them, one target a "
            "column, as torch.stack(y, 1); of a loader, ((x, torch.stack(y, 1)) for x, y in loader)"
        )


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor) or hasattr(value, "__array__")


def rows_at_once(x: Tensor) -> int:
    """Number of samples in a batch when a network is not trained: 4096 vectors, or 256 images."""
    return 4096 if x.ndim == 2 else 256


class Copies:
    """Count the input rows that are copies of earlier rows, by hashes, which take a few bytes for each row.

    Example:
        >>> copies = Copies()
        >>> copies.add(Batch((torch.tensor([[1.0], [2.0], [1.0]]),), torch.zeros(3, 1)))
        >>> copies.rows, copies.different
        (3, 2)
    """

    def __init__(self) -> None:
        self.rows = 0
        self._hashes: set[int] = set()

    def add(self, batch: Batch) -> None:
        """Count the rows of one more batch."""
        parts = [one.reshape(len(batch), -1).cpu().contiguous().view(torch.uint8).numpy() for one in batch.inputs]
        self.rows += len(batch)
        self._hashes.update(hash(b"".join(row.tobytes() for row in rows)) for rows in zip(*parts, strict=True))

    @property
    def different(self) -> int:
        """Number of rows that are not copies."""
        return len(self._hashes)
