"""How claims are checked: functions from measured networks and thresholds to observations, by name."""

from nrc_core.checks.classification import CLASSIFICATION
from nrc_core.checks.low_rank import LOW_RANK
from nrc_core.checks.networks import NETWORKS
from nrc_core.checks.observation import Check, Evidence, Limits, Observation
from nrc_core.checks.theory import THEORY
from nrc_core.checks.transfer import TRANSFER
from nrc_core.checks.weight_decay import WEIGHT_DECAY

# The checks that look at a table besides the measurements; the others do without it.
READERS = {
    "spectra": frozenset(LOW_RANK),
    "losses": frozenset({"losses_settle", "collapse_after_settling"}),
    "downstream": frozenset(TRANSFER),
}
CHECKS: dict[str, Check] = {**NETWORKS, **LOW_RANK, **WEIGHT_DECAY, **CLASSIFICATION, **TRANSFER, **THEORY}

__all__ = ["CHECKS", "READERS", "Check", "Evidence", "Limits", "Observation"]
