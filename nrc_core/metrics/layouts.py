"""Where the samples of a batch are in what a layer takes: along which axis, alone or together with positions.

A network may put the tokens of all samples into one axis, or move the samples to another one. No shape of one batch
tells which; those of two batches of different sizes do, and the order within an axis by its values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nrc_core.errors import ConfigError


@dataclass(frozen=True)
class Layout:
    """The axis of the samples; `folded` if positions are in it too, all of a sample in a row, or all of a position."""

    axis: int = 0
    folded: str | None = None  # or "by sample", "by position"

    def samples_first(self, activation: Tensor, n: int, *, channels_first: bool) -> Tensor:
        """The activation of n samples with an axis of samples before all others, features where they were."""
        moved = activation.movedim(self.axis, 0) if self.axis else activation
        if self.folded is None:
            return moved
        apart = (
            moved.unflatten(0, (n, -1)) if self.folded == "by sample" else moved.unflatten(0, (-1, n)).transpose(0, 1)
        )
        return apart.movedim(2, 1) if channels_first else apart


def layout(name: str, few: Tensor, whole: Tensor, k: int, n: int, *, channels_first: bool) -> Layout | None:
    """How a layer takes its samples, from what it took of n samples and of the last k of them.

    None if it takes the same whatever the samples are. Where k is n nothing can be told, and only what has one row a
    sample is taken.

    Raises:
        ConfigError: an arrangement that cannot be told with certainty.
    """
    if k == n:
        if len(whole) == n:
            return Layout()
        if n == 1:
            return Layout(0, "by sample")
        raise _uncertain(name, whole, n)
    changed = [axis for axis, (a, b) in enumerate(zip(few.shape, whole.shape, strict=False)) if a != b]
    if few.ndim == whole.ndim and not changed:
        return None
    if few.ndim != whole.ndim or len(changed) != 1 or (channels_first and changed != [0]):
        raise _uncertain(name, whole, n)
    axis = changed[0]
    if (few.shape[axis], whole.shape[axis]) == (k, n):
        return Layout(axis)
    if few.shape[axis] * n != whole.shape[axis] * k or whole.shape[axis] % n:
        raise _uncertain(name, whole, n)
    rows, last = whole.movedim(axis, 0), few.movedim(axis, 0)
    orders = {
        "by sample": rows.unflatten(0, (n, -1))[-k:].flatten(0, 1),
        "by position": rows.unflatten(0, (-1, n))[:, -k:].flatten(0, 1),
    }
    certain = [order for order, candidate in orders.items() if agree(last, candidate)]
    if len(certain) != 1:
        raise _uncertain(name, whole, n)
    return Layout(axis, certain[0])


def agree(a: Tensor, b: Tensor) -> bool:
    """Whether two computations of one tensor are equal but for rounding, on a GPU that of products in TF32."""
    if a.shape != b.shape:
        return False
    coarse = torch.finfo(a.dtype).bits < 32 or torch.finfo(b.dtype).bits < 32
    tolerance = 0.1 if coarse else 1e-3 if a.device.type == "cpu" else 1e-2
    first, second = a.double(), b.double()
    return bool(torch.linalg.vector_norm(first - second) <= tolerance * torch.linalg.vector_norm(second))


def is_reordered(few: Tensor, whole: Tensor) -> bool:
    """Whether the last rows of a batch are in it at other places than they were given in: sorted, say, or shuffled.

    Args:
        few: what a layer took of the last samples alone, a row each.
        whole: what it took of the batch.
    """
    alone, rows = few.flatten(1), whole.flatten(1)
    own, spread = alone - rows[-len(alone) :], alone - alone.mean(0)
    if torch.linalg.vector_norm(own.double()) <= 0.1 * torch.linalg.vector_norm(spread.double()):
        return False  # rounding does no more, and another order does
    nearest = rows[torch.stack([(rows - row).float().norm(dim=1).argmin() for row in alone])]
    off = torch.linalg.vector_norm((alone - nearest).double())
    return bool(agree(alone, nearest) and off <= 0.25 * torch.linalg.vector_norm(own.double()))


def _uncertain(name: str, whole: Tensor, n: int) -> ConfigError:
    return ConfigError(
        f"layer {name!r} takes {tuple(whole.shape)} for {n} samples, and which rows are of which sample cannot be "
        "told: keep one row a sample, or leave the layer out with sites=[...]"
    )
