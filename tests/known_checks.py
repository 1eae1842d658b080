"""The names of checks by module."""

from nrc_core.claims.checks import CHECKS


def checks_of(*modules: str) -> list[str]:
    """The names of the checks in modules of `nrc_core.claims.checks`."""
    return [name for name, check in CHECKS.items() if check.__module__.split(".")[-1] in modules]


ON_CLASSIFIERS = checks_of("classification", "generalisation", "margins", "stochasticity", "transfer")
ON_DESCENTS = checks_of(
    "class_descents",
    "collapse_or_low_rank",
    "collapse_persists",
    "corrupted_labels",
    "deeper_resnets",
    "geometric_complexity",
    "ordinal_targets",
    "shallow_flow",
    "unconstrained_features",
    "unseen_classes",
)
