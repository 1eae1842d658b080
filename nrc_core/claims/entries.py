"""The claims of the papers as data: one file for each paper, one entry for each claim."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from nrc_core.claims.checks import CHECKS
from nrc_core.errors import ConfigError
from nrc_core.files import read_yaml
from nrc_core.results.thresholds import thresholds

FILES = ("deep_nrc.yaml", "limitations.yaml")


@dataclass(frozen=True)
class Claim:
    """One entry of the ledger; its fields are explained in `deep_nrc.yaml`."""

    id: str
    section: str
    source: str
    statement: str
    seeds: int
    configuration: str
    stated: str
    check: str | None = None
    reason: str = ""
    pages: tuple[str, ...] = ()
    shown_on: tuple[str, ...] = ()
    thresholds: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    holds_in: str = "all"
    note: str = ""


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
            values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
            claim = Claim(**values)
        except TypeError as error:
            raise ConfigError(f"the ledger, {entry.get('id', 'an entry without id')}: {error}") from None
        if claim.check is not None and claim.check not in CHECKS:
            raise ConfigError(f"the ledger, {claim.id}: no check {claim.check!r}; there is {', '.join(CHECKS)}")
        if unknown := set(claim.thresholds) - set(thresholds()):
            raise ConfigError(f"the ledger, {claim.id}: unknown thresholds {sorted(unknown)}")
        claims.append(claim)
    return tuple(claims)
