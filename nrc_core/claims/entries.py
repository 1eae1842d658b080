"""The claims of the papers as data: one file for each paper and one for the theory, one entry for each claim."""

from functools import cache
from pathlib import Path
from typing import Any

from nrc_core.claims.checks import CHECKS
from nrc_core.claims.claim import ABOUT, Change, Claim, Comparison, Queue
from nrc_core.errors import ConfigError
from nrc_core.files import read_yaml
from nrc_core.results.thresholds import thresholds

FILES = (
    "deep_nrc.yaml",
    "limitations.yaml",
    "theory.yaml",
    "shallow_flow.yaml",
    "unseen_classes.yaml",
    "geometric_complexity.yaml",
    "deeper_resnets.yaml",
    "corrupted_labels.yaml",
)
# The class of each field that is an object or a list of objects.
PARTS: dict[str, type] = {"why": Comparison, "holds_under": Comparison, "changed": Change, "queue": Queue}


@cache
def read_entries() -> tuple[dict[str, Any], ...]:
    """The entries of all files, unchanged.

    Raises:
        ConfigError: a file cannot be read.
    """
    return tuple(entry for name in FILES for entry in read_yaml(Path(__file__).with_name(name), list))


def read_claims() -> tuple[Claim, ...]:
    """All claims, in the order of the ledger.

    Raises:
        ConfigError: an entry lacks a field, has an unknown field, or names an unknown check or threshold.

    Example:
        >>> read_claims()[0].id
        'A01'
    """
    claims = []
    for entry in read_entries():
        try:
            claim = Claim(**{name: _made(name, value) for name, value in entry.items()})
        except TypeError as error:
            raise ConfigError(f"the ledger, {entry.get('id', 'an entry without id')}: {error}") from None
        for check in (claim.check, *(one.check for one in claim.comparisons)):
            if check is not None and check not in CHECKS:
                raise ConfigError(f"the ledger, {claim.id}: no check {check!r}; there is {', '.join(CHECKS)}")
        if unknown := set(claim.thresholds) - set(thresholds()):
            raise ConfigError(f"the ledger, {claim.id}: unknown thresholds {sorted(unknown)}")
        if claim.about not in ABOUT:
            raise ConfigError(f"the ledger, {claim.id}: about must be {', '.join(ABOUT)}: got {claim.about!r}")
        claims.append(claim)
    return tuple(claims)


def _made(name: str, value: Any) -> Any:
    """The value of a field of an entry; lists become tuples, and a single object of a list is a list of one."""
    if (part := PARTS.get(name)) is None:
        return tuple(value) if isinstance(value, list) else value
    given = [value] if isinstance(value, dict) else value
    each = tuple(part(**{own: _made("", inner) for own, inner in one.items()}) for one in given)
    return each[0] if name == "queue" else each
