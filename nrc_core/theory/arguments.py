"""Checks of the arguments of theoretical models."""

import math


def check_whole(name: str, value: float | int, least: int) -> None:
    """Raise ValueError unless a value is a whole number from `least` on.

    Example:
        >>> check_whole("depth", 3, 1)
    """
    if isinstance(value, bool) or not math.isfinite(value) or value != int(value) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}: got {value}")


def check_decay(*decays: float | int) -> None:
    """Raise ValueError unless all decays are positive numbers.

    Example:
        >>> check_decay(0.1, 2.0)
    """
    for decay in decays:
        if not (decay > 0 and math.isfinite(decay)):
            raise ValueError(f"decays must be positive, for a minimum that is attained: got {decay}")
