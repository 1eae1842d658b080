"""How claims are checked: functions from measured networks and thresholds to observations, by name."""

from nrc_core.checks.networks import NETWORKS
from nrc_core.checks.observation import Check, Evidence, Limits, Observation
from nrc_core.checks.sweeps import SWEEPS
from nrc_core.checks.theory import THEORY

CHECKS: dict[str, Check] = {**NETWORKS, **SWEEPS, **THEORY}

__all__ = ["CHECKS", "Check", "Evidence", "Limits", "Observation"]
