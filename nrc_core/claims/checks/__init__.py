"""Checks of claims: functions from measured networks and thresholds to observations, by name.

The modules of this package register their checks in `CHECKS`, see `nrc_core.claims.checks.observation.check`.
"""

from nrc_core.claims.checks import causes, classification, low_rank, networks, theory, transfer, weight_decay  # noqa: F401
from nrc_core.claims.checks.observation import CHECKS, READERS, Check, Evidence, Limits, Observation

__all__ = ["CHECKS", "READERS", "Check", "Evidence", "Limits", "Observation"]
