"""The thresholds of all verdicts, from `thresholds.yaml`, which has a reason for each threshold."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nrc_core.files import read_yaml

THRESHOLDS = Path(__file__).with_name("thresholds.yaml")


@dataclass(frozen=True)
class Threshold:
    """A number that the papers leave open: the chosen value, other values to try, and the reason for the choice."""

    value: float
    others: tuple[float, ...]
    reason: str


@cache
def read_thresholds() -> Mapping[str, Threshold]:
    """All thresholds by name.

    Raises:
        ConfigError: the file cannot be read.

    Example:
        >>> read_thresholds()["noise_most"].value
        0.05
    """
    return {
        name: Threshold(float(entry["value"]), tuple(map(float, entry["others"])), entry["reason"])
        for name, entry in read_yaml(THRESHOLDS, dict).items()
    }


def thresholds() -> dict[str, float]:
    """The chosen values of all thresholds, by name."""
    return {name: threshold.value for name, threshold in read_thresholds().items()}
