"""How long a run will take, from what runs like it took."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from nrc_core.config.base import Configuration
from nrc_core.files import project_folder
from nrc_core.results.phrases import counted
from nrc_core.results.records import read_records
from nrc_core.training.progress import duration

Record = Mapping[str, Any]
FARTHEST = math.log(30)  # runs whose work differs by a larger factor say nothing about each other
ROUNDING = 1e-9
REDUCED = ("samples", "image_size")  # options that say how much of the data is used; without them it is all
OTHER_DEVICE = 2.0  # how much that counts, against a difference in work by a factor of e


@dataclass(frozen=True)
class Estimate:
    """Seconds that runs will take.

    Attributes:
        seconds: of those that are known; an order of magnitude.
        unknown: how many no run in the stores is like.
        device: of the runs that it is taken from, in words.
    """

    seconds: float
    unknown: int
    device: str


def has_gpu() -> bool:
    """Whether there seems to be one here; torch, which knows, takes seconds to import."""
    return Path("/dev/nvidia0").exists()


def announcement(configs: Sequence[Configuration], store: Path, *, gpu: bool) -> str:
    """How many networks are to be trained and how long that takes, in words, by the runs of a store and the published.

    Args:
        store: its folder.
        gpu: whether they will be trained on one.
    """
    count = f"{counted(len(configs), 'network')} to train"
    folders = dict.fromkeys([store.resolve(), (project_folder() / "results").resolve()])
    found = estimate(configs, [record for folder in folders for record in read_records(folder)], gpu=gpu)
    if found.unknown == len(configs):
        return f"{count}; no stored run is like that, so how long it takes is not known"
    some = f" for {len(configs) - found.unknown} of them" if found.unknown else ""
    return f"{count}, about {duration(found.seconds)}{some} (by what runs like that took on {found.device})"


def estimate(configs: Sequence[Configuration], records: Iterable[Record], *, gpu: bool = False) -> Estimate:
    """What runs of these configurations will take, each by the median of the records that are most like it.

    Seconds are taken to grow with epochs (or iterations), rows and the arithmetic of a row.

    Args:
        records: of finished runs.
        gpu: whether they will be trained on one.
    """
    there = [record for record in records if record.get("seconds")]
    total, unknown, devices = 0.0, 0, []
    for config in configs:
        wanted = config.as_dict()
        distances = [_distance(wanted, one, gpu) for one in there]
        least = min(distances, default=math.inf)
        if least > FARTHEST:
            unknown += 1
            continue
        near = [one for one, distance in zip(there, distances, strict=True) if distance <= least + ROUNDING]
        total += median(float(one["seconds"]) * math.exp(_work(wanted) - _work(one["config"])) for one in near)
        devices.append(str(near[0]["device"]))
    return Estimate(total, unknown, max(set(devices), key=devices.count) if devices else "")


def _distance(wanted: Record, record: Record, gpu: bool) -> float:
    """Infinite between runs of different kinds."""
    known = record["config"]
    both = (wanted, known)
    if len({(one.get("task"), one["dataset"], _network(one).get("architecture", "mlp")) for one in both}) > 1:
        return math.inf
    if any(len({name in one.get("dataset_options", {}) for one in both}) > 1 for name in REDUCED):
        return math.inf
    distance = abs(_work(wanted) - _work(known))
    return distance + OTHER_DEVICE * (gpu == str(record["device"]).startswith("CPU"))


def _network(config: Record) -> Record:
    """Where the shape of the network is said: of a transfer, in its pre-training."""
    found: Record = config.get("pretraining", config)
    return found


def _work(config: Record) -> float:
    """Logarithm of the arithmetic of a run, up to a constant of its data set and architecture."""
    network, options = _network(config), config.get("dataset_options", {})
    rows = float(options.get("samples") or 1.0) if "epochs" in config else float(network["batch_size"])
    steps = float(config.get("epochs") or config["iterations"]) * len(config.get("learning_rates", (1,)))
    pixels = float(options.get("image_size") or 1.0) ** 2
    # Small layers take the time that it takes to start an operation.
    return math.log(steps * rows * pixels * (float(network["width"]) ** 2 + 50.0**2) * float(network["depth"]))
