"""Provenance of a result: code, packages, device and time."""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from nrc_core.config.descent import NO_DATA, DescentConfig, FreeConfig
from nrc_core.data.dataset import Dataset
from nrc_core.results.store import RESULTS_VERSION
from nrc_core.training.checkpoints import Trained, source_checksum

PACKAGES = ("nrc-core", "numpy", "pandas")


def commit() -> str | None:
    """The checked-out commit, with "+" if files differ from the commit; None outside a checkout."""
    options = ["--always", "--dirty=+", "--abbrev=12", "--exclude=*"]  # the name is never a tag
    git = ["git", "-C", str(Path(__file__).parent), "describe", *options]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def device_name(device: torch.device) -> str:
    """The name of the GPU or CPU, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({_cpu_model()}), one thread"


def _cpu_model() -> str:
    source = Path("/proc/cpuinfo")
    lines = source.read_text().splitlines() if source.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def describe_run(trained: Trained, dataset: Dataset | None, device: torch.device) -> dict[str, Any]:
    """The provenance of one run, as plain JSON values. Small descents are computed on the CPU."""
    if isinstance(trained.config, DescentConfig):
        device = torch.device("cpu")
    if isinstance(trained.config, FreeConfig):
        data: dict[str, Any] = {"identity": NO_DATA, "kind": "theory", "n_train": trained.config.rows}
    else:
        assert dataset is not None
        data = dict(dataset.provenance)
    record = {
        "config": trained.config.as_dict(),
        "data": data,
        "results_version": RESULTS_VERSION,
        "source_checksum": source_checksum(),
        "commit": commit(),
        "packages": {name: version(name) for name in PACKAGES}
        | {"torch": torch.__version__, "python": platform.python_version()},
        "device": device_name(device),
        "instructions": torch.backends.cpu.get_cpu_capability() if device.type == "cpu" else "",
        "seconds": round(trained.seconds, 2),
        "stacked": trained.stacked,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **trained.origin,
    }
    return record | {"failure": trained.failure} if trained.failure else record
