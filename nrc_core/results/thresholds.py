"""The thresholds behind every verdict, from `thresholds.yaml`, where each has a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nrc_core.files import read_yaml

THRESHOLDS = Path(__file__).with_name("thresholds.yaml")


@dataclass(frozen=True)
class Threshold:
    """A number that the papers leave open: ours, others to try in its place, and why."""

    value: float
    others: tuple[float, ...]
    reason: str


@cache
def read_thresholds() -> Mapping[str, Threshold]:
    """Every threshold by name.

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
    """The values in force."""
    return {name: threshold.value for name, threshold in read_thresholds().items()}
