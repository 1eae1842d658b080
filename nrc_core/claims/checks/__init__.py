"""How claims are checked: functions from measured networks and thresholds to observations, by name.

The modules of this room register their checks in `CHECKS`, see `nrc_core.claims.checks.observation.check`.
"""

from nrc_core.claims.checks import classification, low_rank, networks, theory, transfer, weight_decay  # noqa: F401
from nrc_core.claims.checks.observation import CHECKS, READERS, Check, Evidence, Limits, Observation

# Of the measurements, what checks look at, and what is needed to take them apart.
COLUMNS = (
    "site", "name", "split", "features", "convention", "epoch", "iteration", "width", "rank", "nrc1", "nrc2", "nrc3",
    "nrc4", "nrc4_unexplained", "network_mse", "target_variance", "target_stable_rank", "feature_stable_rank",
    "feature_effective_rank", "weight_stable_rank", "nc1_share", "nc2_cka", "variance", "variance_current",
    "weak_variance", "weak_variance_least", "weak_variance_most", "loss", "error",
)  # fmt: skip

__all__ = ["CHECKS", "COLUMNS", "READERS", "Check", "Evidence", "Limits", "Observation"]
