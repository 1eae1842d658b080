"""The thresholds behind every verdict, from `claims.yaml`, where each has a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from nrc_core.errors import ConfigError

LEDGER = Path(__file__).with_name("claims.yaml")


@dataclass(frozen=True)
class Threshold:
    """A number that the papers leave open: ours, others to try in its place, and why."""

    value: float
    others: tuple[float, ...]
    reason: str


@cache
def read_ledger(path: Path = LEDGER) -> Mapping[str, Any]:
    """The file as it stands: `thresholds` and `claims`.

    Raises:
        ConfigError: it cannot be read or lacks one of the two.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {path.name} ({type(error).__name__})") from None
    if not isinstance(content, dict) or not {"thresholds", "claims"} <= set(content):
        raise ConfigError(f"{path.name} must have `thresholds` and `claims`")
    return content


def read_thresholds() -> dict[str, Threshold]:
    """Every threshold by name.

    Example:
        >>> read_thresholds()["noise_most"].value
        0.05
    """
    return {
        name: Threshold(float(entry["value"]), tuple(map(float, entry["others"])), entry["reason"])
        for name, entry in read_ledger()["thresholds"].items()
    }


def thresholds() -> dict[str, float]:
    """The values in force."""
    return {name: threshold.value for name, threshold in read_thresholds().items()}
