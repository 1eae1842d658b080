"""A run under way, on disk: killed at any moment, it goes on from its last checkpoint."""

from __future__ import annotations

import io
import logging
import pickle
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

logger = logging.getLogger(__name__)

SECONDS = 60.0  # between two checkpoints, so that a kill costs a minute at most, and an epoch


@dataclass
class Checkpoint:
    """The file of one run. It appears whole or not at all; whoever has the results removes it.

    Attributes:
        path: the file.
        identity: what the run is: configuration, data, code, versions, kind of device. A file of
            another identity is not gone on from.
        seconds: between two checkpoints.
    """

    path: Path
    identity: dict[str, Any]
    seconds: float = SECONDS
    _written: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.monotonic() - self._written >= self.seconds

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file by one of this state: tensors, plain values, and containers of them."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        torch.save({"identity": self.identity, **state}, partial)
        partial.replace(self.path)
        self._written = time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """The state of the same run, or None where there is none to go on from, which is logged if one is there."""
        if not self.path.is_file():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            found = state["identity"]
        except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
            logger.warning("damaged checkpoint %s (%s): starting afresh", self.path, type(error).__name__)
            return None
        if found != self.identity:
            other = [name for name in self.identity if found.get(name) != self.identity[name]]
            logger.warning("checkpoint %s is of another %s: starting afresh", self.path, ", ".join(other))
            return None
        return state


def packed(table: pd.DataFrame) -> torch.Tensor:
    """A table as bytes in a tensor, which a checkpoint may hold."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return torch.from_numpy(np.frombuffer(buffer.getvalue(), np.uint8).copy())


def unpacked(content: torch.Tensor) -> pd.DataFrame:
    """The table in a tensor made by `packed`.

    Example:
        >>> unpacked(packed(pd.DataFrame({"a": [1]})))["a"].tolist()
        [1]
    """
    return pd.read_parquet(io.BytesIO(content.numpy().tobytes()))
