"""A run under way, on disk: killed at any moment, it goes on from its last checkpoint."""

from __future__ import annotations

import hashlib
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

from nrc_core.errors import DataDamaged

logger = logging.getLogger(__name__)

CHECKSUM_BYTES = hashlib.sha256().digest_size
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
        save_state({"identity": self.identity, **state}, self.path)
        self._written = time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """The state of the same run, or None where there is none to go on from, which is logged if one is there."""
        if not self.path.is_file():
            return None
        try:
            state = load_state(self.path)
        except DataDamaged as error:
            logger.warning("damaged checkpoint (%s): starting afresh", error)
            return None
        found = state["identity"]
        if found != self.identity:
            other = [name for name in self.identity if found.get(name) != self.identity[name]]
            logger.warning("checkpoint %s is of another %s: starting afresh", self.path, ", ".join(other))
            return None
        return state


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write tensors, plain values and containers of them in one step: the file appears whole or not at all."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(hashlib.sha256(buffer.getbuffer()).digest())  # torch.load takes altered numbers for sound ones
        file.write(buffer.getbuffer())
    partial.replace(path)


def load_state(path: Path) -> dict[str, Any]:
    """What `save_state` wrote, on the CPU. Nothing is unpickled but tensors and plain values.

    Raises:
        DataDamaged: the file cannot be read, or is not as it was written.

    Example:
        >>> save_state({"epoch": 3}, Path(tmp) / "state.pt")
        >>> load_state(Path(tmp) / "state.pt")
        {'epoch': 3}
    """
    try:
        content = path.read_bytes()
        if not _is_as_written(content):
            raise ValueError("not as it was written")
        state: dict[str, Any] = torch.load(io.BytesIO(content[CHECKSUM_BYTES:]), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = error if isinstance(error, ValueError) else type(error).__name__
        raise DataDamaged(f"{path} cannot be read ({reason}): remove it") from None
    return state


def is_whole(path: Path) -> bool:
    """Whether a file is there and as `save_state` wrote it."""
    return path.is_file() and _is_as_written(path.read_bytes())


def _is_as_written(content: bytes) -> bool:
    return hashlib.sha256(memoryview(content)[CHECKSUM_BYTES:]).digest() == content[:CHECKSUM_BYTES]


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
