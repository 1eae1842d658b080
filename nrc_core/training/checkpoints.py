"""A run under way, on disk: killed at any moment, it goes on from its last checkpoint."""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import nn

from nrc_core.config.classification import ClassifierConfig
from nrc_core.config.regression import RunConfig
from nrc_core.data.dataset import Dataset
from nrc_core.errors import DataDamaged, TrainingDiverged

logger = logging.getLogger(__name__)

Config = TypeVar("Config", RunConfig, ClassifierConfig)
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


@dataclass
class Training(Generic[Config]):
    """A training run under way: all that its next step depends on, except the state of its learner.

    Attributes:
        losses: of a regression one row for each epoch: epoch, learning_rate, train_mse (mean over the batches as
            they were trained on), test_mse (the whole test set, after the epoch). Of a classifier see
            `train_classifier`.
        kept: by epoch or iteration, the tables that whoever measures wants to survive with the checkpoints.
        values: the same for tensors, plain values, and containers of them.
        seconds: that were spent before the last start.
        failure: why the training does not go on.
        generator: of the order of the batches.
        done: epochs or iterations that the checkpoint had done.
        learnt: the state of the learner in that checkpoint.
    """

    config: Config
    dataset: Dataset
    model: nn.Module
    checkpoint: Checkpoint | None = None
    losses: list[dict[str, float]] = field(default_factory=list)
    kept: dict[int, dict[str, pd.DataFrame]] = field(default_factory=dict)
    values: dict[int, Any] = field(default_factory=dict)
    seconds: float = 0.0
    failure: TrainingDiverged | None = None
    generator: torch.Generator = field(default_factory=torch.Generator)
    done: int = 0
    learnt: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Start at the seed, or go on from the checkpoint if there is one that serves."""
        self.generator.manual_seed(self.config.seed)
        if self.checkpoint and (state := self.checkpoint.read()) is not None:
            self._go_on(state, self.checkpoint.path)

    def _go_on(self, state: dict[str, Any], path: Path) -> None:
        clock = self.config.CLOCK
        wanted = {time for time in self.config.times if time <= state[clock]}
        if not wanted <= set(state["kept"]):
            logger.warning("checkpoint %s lacks %ss that are to be measured: starting afresh", path, clock)
            return
        self.done, self.learnt = state[clock], state["learner"]
        self.generator.set_state(state["generator"])
        self.losses, self.seconds, self.values = state["losses"], state["seconds"], state["values"]
        self.kept = {time: {name: unpacked(one) for name, one in state["kept"][time].items()} for time in wanted}
        logger.info("%s, seed %d: going on from %s %d", self.config.dataset, self.config.seed, clock, self.done)

    def write(self, done: int, learnt: dict[str, Any], seconds: float) -> None:
        """A checkpoint of the state after an epoch or iteration, if there is a file for it."""
        if self.checkpoint is None or self.failure:
            return
        self.checkpoint.write(
            {
                self.config.CLOCK: done,
                "seconds": self.seconds + seconds,
                "learner": learnt,
                "generator": self.generator.get_state(),
                "losses": self.losses,
                "kept": {
                    time: {name: packed(table) for name, table in tables.items()} for time, tables in self.kept.items()
                },
                "values": self.values,
            }
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Measurements and spectra in the order of time, and the losses."""
        each = [tables for _, tables in sorted(self.kept.items())]
        joined = {name: pd.concat([tables[name] for tables in each]) for name in ("measurements", "spectra")}
        return joined | {"losses": pd.DataFrame(self.losses)}


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
