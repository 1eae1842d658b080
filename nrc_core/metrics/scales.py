"""Rows at a scale at which squares neither overflow nor vanish, for measures that do not depend on the scale."""

import math

from jaxtyping import Float
from torch import Tensor


def scale_of(*matrices: Float[Tensor, "_ _"]) -> float:
    """The largest power of two that is not above any largest absolute entry; 1 if all entries are zero.

    To divide by a power of two rounds nothing, so measures of features of ordinary size stay the same to the last bit.

    Example:
        >>> scale_of(torch.tensor([[-5.0, 3.0]])), scale_of(torch.zeros(1, 1))
        (4.0, 1.0)
    """
    largest = max(max(abs(low.item()), abs(high.item())) for low, high in (one.aminmax() for one in matrices))
    return math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest > 0 else 1.0


def directions(rows: Float[Tensor, "k h"]) -> Float[Tensor, "k h"]:
    """The rows scaled to length 1; a row of zeros becomes NaN.

    Example:
        >>> directions(torch.tensor([[4e30, 0.0]])).tolist()
        [[1.0, 0.0]]
    """
    inside = rows / rows.abs().amax(1, keepdim=True)
    return inside / inside.norm(dim=1, keepdim=True)
