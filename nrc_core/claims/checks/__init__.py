"""Checks of claims: functions from measured networks and thresholds to observations, by name.

The modules of this package register their checks in `CHECKS`, see `nrc_core.claims.checks.observation.check`.
"""

from nrc_core.claims.checks import (  # noqa: F401
    causes,
    class_descents,
    classification,
    collapse_or_low_rank,
    collapse_persists,
    corrupted_labels,
    deeper_resnets,
    generalisation,
    geometric_complexity,
    low_rank,
    margins,
    networks,
    ordinal_targets,
    recovery,
    shallow_flow,
    stochasticity,
    theory,
    transfer,
    unconstrained_features,
    unseen_classes,
    weight_decay,
)
from nrc_core.claims.checks.observation import CHECKS, READERS, Check, Evidence, Limits, Observation

__all__ = ["CHECKS", "READERS", "Check", "Evidence", "Limits", "Observation"]
