"""Layout of the samples in the input of a layer: their axis, and whether this axis also has positions.

A network may put the tokens of all samples into one axis, or move the samples to another axis. The shape of one batch
does not show this. The shapes of two batches of different sizes show the axis, and the values show the order in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nrc_core.errors import ConfigError
from nrc_core.metrics.layers import WeightLayer, channels_first


@dataclass(frozen=True)
class Layout:
    """The axis of the samples.

    `folded` is not None if the axis also has positions: "by sample" if all positions of a sample follow each other,
    "by position" if all samples of a position follow each other.
    """

    axis: int = 0
    folded: str | None = None

    def samples_first(self, activation: Tensor, n: int, layer: WeightLayer) -> Tensor:
        """The activation of n samples with the sample axis first, and the features on the same side of positions."""
        moved = activation.movedim(self.axis, 0) if self.axis else activation
        if self.folded is None:
            return moved
        apart = (
            moved.unflatten(0, (n, -1)) if self.folded == "by sample" else moved.unflatten(0, (-1, n)).transpose(0, 1)
        )
        return apart.movedim(2, 1) if channels_first(layer) else apart


def layout(name: str, layer: WeightLayer, few: Tensor, whole: Tensor, k: int, n: int) -> Layout | None:
    """The layout of a layer's input, from its inputs for n samples and for the last k of these samples.

    None if the input has the same shape for any number of samples, so that it does not depend on them. If k is n, the
    layout cannot be found, and the input must have one row for each sample (any input is accepted if n is 1).

    Raises:
        ConfigError: the layout cannot be found with certainty.
    """
    possible = _possible(layer, few, whole, k, n)
    if len(possible) != 1:
        raise ConfigError(
            f"layer {name!r} takes {tuple(whole.shape)} for {n} samples, and which rows are of which sample cannot be "
            "told: keep one row a sample, or leave the layer out with sites=[...]"
        )
    return possible[0]


def _possible(layer: WeightLayer, few: Tensor, whole: Tensor, k: int, n: int) -> Sequence[Layout | None]:
    """All layouts that fit the inputs of `layout`."""
    if k == n and len(whole) == n:
        return [Layout()]
    if k == n:
        return [Layout(0, "by sample")] if n == 1 else []
    changed = [axis for axis, (a, b) in enumerate(zip(few.shape, whole.shape, strict=False)) if a != b]
    if few.ndim == whole.ndim and not changed:
        return [None]
    if few.ndim != whole.ndim or len(changed) != 1 or (channels_first(layer) and changed != [0]):
        return []
    axis = changed[0]
    if (few.shape[axis], whole.shape[axis]) == (k, n):
        return [Layout(axis)]
    if few.shape[axis] * n != whole.shape[axis] * k or whole.shape[axis] % n:
        return []
    folded = [Layout(axis, order) for order in ("by sample", "by position")]
    return [one for one in folded if agree(one.samples_first(few, k, layer), one.samples_first(whole, n, layer)[-k:])]


def agree(a: Tensor, b: Tensor) -> bool:
    """Whether two computations of one tensor are equal up to rounding; on a GPU, up to the rounding of TF32."""
    if a.shape != b.shape:
        return False
    coarse = torch.finfo(a.dtype).bits < 32 or torch.finfo(b.dtype).bits < 32
    tolerance = 0.1 if coarse else 1e-3 if a.device.type == "cpu" else 1e-2
    first, second = a.double(), b.double()
    return bool(torch.linalg.vector_norm(first - second) <= tolerance * torch.linalg.vector_norm(second))


def is_reordered(few: Tensor, whole: Tensor) -> bool:
    """Whether the network moved the last rows of a batch to other places, for example by sorting or shuffling.

    Args:
        few: a layer's input for the last samples alone, one row for each sample.
        whole: the layer's input for the whole batch.
    """
    alone, rows = few.flatten(1), whole.flatten(1)
    own, spread = alone - rows[-len(alone) :], alone - alone.mean(0)
    if torch.linalg.vector_norm(own.double()) <= 0.1 * torch.linalg.vector_norm(spread.double()):
        return False  # such small differences come from rounding; another order gives larger ones
    nearest = rows[torch.stack([(rows - row).float().norm(dim=1).argmin() for row in alone])]
    off = torch.linalg.vector_norm((alone - nearest).double())
    return bool(agree(alone, nearest) and off <= 0.25 * torch.linalg.vector_norm(own.double()))
