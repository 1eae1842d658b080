"""What made a result: code, packages, device, time."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nrc_core.config import Configuration
from nrc_core.results.store import RESULTS_VERSION

if TYPE_CHECKING:
    import torch

    from nrc_core.data.load import Dataset

PACKAGES = ("nrc-core", "numpy", "pandas")
# The rooms and files whose code decides the numbers of a run.
SOURCES = ("config.py", "classifier_config.py", "data", "metrics", "networks", "training")


def source_checksum() -> str:
    """Fingerprint of the source files that decide the numbers of a run."""
    root = Path(__file__).parent.parent
    files = [
        path for name in SOURCES for path in ([root / name] if name.endswith(".py") else (root / name).rglob("*.py"))
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()[:16]


def checkpoint_identity(config: Configuration, dataset: Dataset, device: torch.device) -> dict[str, Any]:
    """What a checkpoint must have in common with the run that goes on from it."""
    import torch

    return {
        "configuration": json.dumps(config.identity(), sort_keys=True),
        "data": dataset.provenance["identity"],
        "code": source_checksum(),
        "version of torch": str(torch.__version__),
        "kind of device": device.type,
    }


def commit() -> str | None:
    """The checked-out commit, with "+" when files differ from it; None outside a checkout."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        state = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if state.stdout.strip() else "")


def device_name(device: torch.device) -> str:
    """The processor in words."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({_cpu_model()}), one thread"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def describe_run(
    config: Configuration, dataset: Dataset, device: torch.device, seconds: float, *, stacked: int = 1
) -> dict[str, Any]:
    """The provenance of one run, as plain JSON values; `stacked` is how many networks were trained together."""
    import torch

    return {
        "config": config.as_dict(),
        "data": dict(dataset.provenance),
        "results_version": RESULTS_VERSION,
        "source_checksum": source_checksum(),
        "commit": commit(),
        "packages": {name: version(name) for name in PACKAGES}
        | {"torch": torch.__version__, "python": platform.python_version()},
        "device": device_name(device),
        "instructions": torch.backends.cpu.get_cpu_capability() if device.type == "cpu" else "",
        "seconds": round(seconds, 2),
        "stacked": stacked,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
