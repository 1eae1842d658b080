"""The identity of a training run, and its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nrc_core.config.base import Configuration

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from nrc_core.data.dataset import Dataset

# Folders whose code decides the numbers of a run.
SOURCES = ("config", "data", "metrics", "networks", "training")


def source_checksum() -> str:
    """Fingerprint of the source files that decide the numbers of a run."""
    root = Path(__file__).parent.parent
    files = [path for room in SOURCES for path in (root / room).rglob("*.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()[:16]


def checkpoint_identity(config: Configuration, dataset: Dataset, device: torch.device) -> dict[str, Any]:
    """Values that must be the same in a checkpoint and in the run that goes on from it."""
    import torch

    return {
        "configuration": json.dumps(config.identity(), sort_keys=True),
        "data": dataset.provenance["identity"],
        "code": source_checksum(),
        "version of torch": str(torch.__version__),
        "kind of device": device.type,
    }


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
