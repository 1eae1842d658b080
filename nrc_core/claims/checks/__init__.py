"""How claims are checked: functions from measured networks and thresholds to observations, by name."""

from nrc_core.claims.checks.classification import CLASSIFICATION
from nrc_core.claims.checks.low_rank import LOW_RANK
from nrc_core.claims.checks.networks import NETWORKS
from nrc_core.claims.checks.observation import Check, Evidence, Limits, Observation
from nrc_core.claims.checks.theory import THEORY
from nrc_core.claims.checks.transfer import TRANSFER
from nrc_core.claims.checks.weight_decay import WEIGHT_DECAY

# Of the measurements, what checks look at, and what is needed to take them apart.
COLUMNS = (
    "site", "name", "split", "features", "convention", "epoch", "iteration", "width", "rank", "nrc1", "nrc2", "nrc3",
    "nrc4", "nrc4_unexplained", "network_mse", "target_variance", "target_stable_rank", "feature_stable_rank",
    "feature_effective_rank", "weight_stable_rank", "nc1_share", "nc2_cka", "variance", "variance_current",
    "weak_variance", "weak_variance_least", "weak_variance_most", "loss", "error",
)  # fmt: skip
# The checks that look at a table besides the measurements; the others do without it.
READERS = {
    "spectra": frozenset(LOW_RANK),
    "losses": frozenset({"losses_settle", "collapse_after_settling"}),
    "downstream": frozenset(TRANSFER),
}
CHECKS: dict[str, Check] = {**NETWORKS, **LOW_RANK, **WEIGHT_DECAY, **CLASSIFICATION, **TRANSFER, **THEORY}

__all__ = ["CHECKS", "COLUMNS", "READERS", "Check", "Evidence", "Limits", "Observation"]
