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
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where there is one, ten times as fast
LIMITATIONS = Path(__file__).with_name("claims_limitations.yaml")  # the claims of Hui et al.


@dataclass(frozen=True)
class Threshold:
    """A number that the papers leave open: ours, others to try in its place, and why."""

    value: float
    others: tuple[float, ...]
    reason: str


@cache
def read_ledger() -> Mapping[str, Any]:
    """The `thresholds`, and the `claims` of both papers.

    Raises:
        ConfigError: a file cannot be read or lacks what it must have.
    """
    ledger, limitations = _read(LEDGER, "thresholds", "claims"), _read(LIMITATIONS, "claims")
    return {**ledger, "claims": [*ledger["claims"], *limitations["claims"]]}


def _read(path: Path, *needed: str) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(), LOADER)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {path.name} ({type(error).__name__})") from None
    if not isinstance(content, dict) or not set(needed) <= set(content):
        raise ConfigError(f"{path.name} must have {' and '.join(f'`{name}`' for name in needed)}")
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
