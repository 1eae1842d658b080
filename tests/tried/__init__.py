"""Trials of `measure` on many kinds of networks and data, with the outcome of each trial.

`python -m tests.tried` writes the outcomes to `benchmarks/tried`, where the book reads them. A test runs all trials
again.
"""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from nrc_core import NrcError, measure

MEASURED, WARNED, REFUSED = "measured", "measured with a warning", "refused, because"


@dataclass(frozen=True)
class Trial:
    """A network or data of one kind, and a function that makes the arguments of `measure`."""

    kind: str
    make: Callable[[], dict[str, Any]]


def outcome(trial: Trial) -> dict[str, str]:
    """One row of the table: the trial, its outcome, and its messages."""
    torch.manual_seed(0)
    said = _Said()
    logger = logging.getLogger("nrc_core")
    logger.addHandler(said)
    try:
        with warnings.catch_warnings():  # of torch, on making what it will no longer have
            warnings.simplefilter("ignore")
            given = trial.make()
        table = measure(**given)
    except NrcError as error:
        return {"what": trial.kind, "outcome": REFUSED, "what is said": str(error)}
    finally:
        logger.removeHandler(said)
    doubts = [doubt for words in table["doubts"] for doubt in words.split("; ") if doubt]
    words = "; ".join([*said.lines, *dict.fromkeys(doubts)])
    return {"what": trial.kind, "outcome": WARNED if words else MEASURED, "what is said": words}


class _Said(logging.Handler):
    """A handler that keeps all log messages."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
