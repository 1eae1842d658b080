"""What the exposure of a network to weight decay predicts: whether its weights align with its features."""

import math

from nrc_core.results.thresholds import thresholds

ALIGNED, NOT_ALIGNED, TURNING = "aligned", "not aligned", "turning"


def predicted(exposure: float) -> str:
    """Whether NRC3 at rank k* is predicted to hold at the penultimate weight site of an MLP, from its exposure E alone.

    The prediction is for networks without biases.
    A part of a weight that no gradient holds keeps exp(-E) of its size, see `Configuration.exposure`. What stays of a
    weight after a large E is what the gradient holds, and this lies in the span of the features. The limits are
    thresholds: `exposure_enough` and `exposure_too_little`.

    Returns:
        "aligned" from `exposure_enough` on, "not aligned" below `exposure_too_little`, and "turning" between them,
        where nothing is predicted.

    Raises:
        ValueError: the exposure is negative or NaN.

    Example:
        >>> predicted(12.9), predicted(1.5), predicted(0.0)
        ('aligned', 'turning', 'not aligned')
    """
    if math.isnan(exposure) or exposure < 0:
        raise ValueError(f"an exposure is zero or positive: got {exposure}")
    limits = thresholds()
    if exposure >= limits["exposure_enough"]:
        return ALIGNED
    return NOT_ALIGNED if exposure < limits["exposure_too_little"] else TURNING
