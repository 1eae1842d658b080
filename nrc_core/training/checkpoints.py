"""The state of a training run, its checkpoints on disk, and its result.

A run that is killed at any moment goes on from its last checkpoint.
"""

import hashlib
import io
import json
import logging
import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd
import torch
from torch import nn

from nrc_core.config.base import Configuration
from nrc_core.config.classification import ClassifierConfig
from nrc_core.config.regression import RunConfig
from nrc_core.data.dataset import Dataset
from nrc_core.errors import DataDamaged, TrainingDiverged

logger = logging.getLogger(__name__)

Config = TypeVar("Config", RunConfig, ClassifierConfig)
CHECKSUM_BYTES = hashlib.sha256().digest_size
SECONDS = 60.0  # time between two checkpoints: a killed run loses at most about a minute and an epoch
# Folders whose code decides the numbers of a run.
SOURCES = ("config", "data", "metrics", "networks", "theory", "training")


def source_checksum() -> str:
    """Fingerprint of the source files that decide the numbers of a run."""
    root = Path(__file__).parent.parent
    files = [path for room in SOURCES for path in (root / room).rglob("*.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()[:16]


def checkpoint_identity(config: Configuration, dataset: Dataset, device: torch.device) -> dict[str, Any]:
    """Values that must be the same in a checkpoint and in the run that goes on from it."""
    return {
        "configuration": json.dumps(config.identity(), sort_keys=True),
        "data": dataset.provenance["identity"],
        "code": source_checksum(),
        "version of torch": str(torch.__version__),
        "kind of device": device.type,
    }


@dataclass
class Checkpoint:
    """The checkpoint file of one run. It is written completely or not at all; the caller removes it at the end.

    Attributes:
        path: path of the file.
        identity: configuration, data, code, versions and kind of device of the run. A checkpoint with another
            identity is not used.
    """

    path: Path
    identity: dict[str, Any]
    _written: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return time.monotonic() - self._written >= SECONDS

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file by a file of this state: tensors, plain values, and containers of them."""
        save_state({"identity": self.identity, **state}, self.path)
        self._written = time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """The state of the same run, or None if there is no usable checkpoint; an unusable file is logged."""
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
    """State of a training run, except the state of its learner: all that the next step depends on.

    Attributes:
        losses: for a regression, one row for each epoch: epoch, learning_rate, train_mse (mean over the batches, each
            before its update), test_mse (the whole test set, after the epoch). For a classifier, see
            `train_classifier`.
        kept: by epoch or iteration, tables of measurements that are saved in the checkpoints.
        values: by epoch or iteration, tensors, plain values, and containers of them that are saved too.
        seconds: time that was spent before the last start.
        failure: the error that ended the training, if there was one.
        generator: random generator for the order of the batches.
        done: number of epochs or iterations in the checkpoint.
        learnt: state of the learner in the checkpoint.
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
        """Start from the seed, or go on from the checkpoint if there is a usable one."""
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
        self.kept = {time: unpacked(state["kept"][time]) for time in wanted}
        logger.info("%s: going on from %s %d", self.config.short_name, clock, self.done)

    def write(self, done: int, learnt: dict[str, Any], seconds: float) -> None:
        """Write a checkpoint of the state after an epoch or iteration, if the run has a checkpoint file."""
        if self.checkpoint is None or self.failure:
            return
        self.checkpoint.write(
            {
                self.config.CLOCK: done,
                "seconds": self.seconds + seconds,
                "learner": learnt,
                "generator": self.generator.get_state(),
                "losses": self.losses,
                "kept": {time: packed(tables) for time, tables in self.kept.items()},
                "values": self.values,
            }
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Measurements in order of time, the spectra and the last layer at the last time, and the losses.

        Nothing reads earlier spectra, which would take more than half of a store.
        """
        each = [tables for _, tables in sorted(self.kept.items())]
        measurements = pd.concat([tables["measurements"] for tables in each])
        only_last = {name: table for name, table in each[-1].items() if name != "measurements"}
        return {"measurements": measurements, **only_last, "losses": pd.DataFrame(self.losses)}


@dataclass(frozen=True)
class Trained:
    """A configuration that was trained and measured.

    Attributes:
        tables: tables by name; empty if the loss was no longer finite.
        seconds: the time it took; for a network of a stack, its share of the time.
        stacked: number of networks that were trained together.
        origin: other inputs by name, such as the key of the pre-training.
        failure: why there are no tables.
    """

    config: Configuration
    tables: Mapping[str, pd.DataFrame]
    seconds: float
    stacked: int = 1
    origin: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write tensors, plain values and containers of them in one step: the file is written completely or not at all."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(hashlib.sha256(buffer.getbuffer()).digest())  # torch.load does not notice changed numbers
        file.write(buffer.getbuffer())
    partial.replace(path)


def load_state(path: Path) -> dict[str, Any]:
    """Read a file of `save_state`, on the CPU. Only tensors and plain values are unpickled.

    Raises:
        DataDamaged: the file cannot be read, or its content has changed.

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
    """Whether a file exists and its content is as `save_state` wrote it."""
    return path.is_file() and _is_as_written(path.read_bytes())


def _is_as_written(content: bytes) -> bool:
    return hashlib.sha256(memoryview(content)[CHECKSUM_BYTES:]).digest() == content[:CHECKSUM_BYTES]


def packed(tables: dict[str, pd.DataFrame]) -> dict[str, torch.Tensor]:
    """Tables as tensors of bytes, which can be part of a checkpoint."""
    files = {name: bytearray(table.to_parquet(index=False)) for name, table in tables.items()}
    return {name: torch.frombuffer(file, dtype=torch.uint8) for name, file in files.items()}


def unpacked(files: dict[str, torch.Tensor]) -> dict[str, pd.DataFrame]:
    """The tables in tensors that were made by `packed`.

    Example:
        >>> unpacked(packed({"losses": pd.DataFrame({"a": [1]})}))["losses"]["a"].tolist()
        [1]
    """
    return {name: pd.read_parquet(io.BytesIO(file.numpy().tobytes())) for name, file in files.items()}
