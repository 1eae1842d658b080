"""Estimate of the time that a run will take, from the times of similar runs."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, mode
from typing import Any

from nrc_core.config.base import Configuration
from nrc_core.files import project_folder
from nrc_core.results.phrases import counted
from nrc_core.results.store import Store
from nrc_core.training.progress import duration

Record = Mapping[str, Any]
FARTHEST = math.log(30)  # runs whose work differs by a larger factor say nothing about each other
ROUNDING = 1e-9
REDUCED = ("samples", "image_size")  # options that reduce the data; without them all data are used
OTHER_DEVICE = 2.0  # distance for another kind of device; a factor of e in work is a distance of 1


@dataclass(frozen=True)
class Estimate:
    """Estimate of the time that runs will take.

    Attributes:
        seconds: time of the runs that have similar stored runs; an order of magnitude.
        unknown: number of runs without a similar stored run.
        device: most common device of the similar stored runs, in words.
    """

    seconds: float
    unknown: int
    device: str


def has_gpu() -> bool:
    """Whether this machine seems to have a GPU; this is a guess without torch, which takes seconds to import."""
    return Path("/dev/nvidia0").exists()


def announcement(configs: Sequence[Configuration], store: Path, *, gpu: bool) -> str:
    """Words for the number of networks to train and the time it takes, from the runs of a store and published runs.

    Args:
        store: folder of the store.
        gpu: whether the networks will be trained on a GPU.
    """
    count = f"{counted(len(configs), 'network')} to train"
    folders = dict.fromkeys([store.resolve(), (project_folder() / "results").resolve()])
    found = estimate(configs, [record for folder in folders for record in Store(folder).records()], gpu=gpu)
    if found.unknown == len(configs):
        return f"{count}; no stored run is like that, so how long it takes is not known"
    some = f" for {len(configs) - found.unknown} of them" if found.unknown else ""
    return f"{count}, about {duration(found.seconds)}{some} (by what runs like that took on {found.device})"


def estimate(configs: Sequence[Configuration], records: Iterable[Record], *, gpu: bool = False) -> Estimate:
    """Estimate the time of runs, each by the median of the records that are most similar to it.

    The time is assumed to be proportional to the number of epochs (or iterations), the number of rows and the
    arithmetic of a row.

    Args:
        records: records of finished runs.
        gpu: whether the runs will be trained on a GPU.
    """
    there = [record for record in records if record.get("seconds")]
    total, devices = 0.0, []
    for config in configs:
        wanted = config.as_dict()
        distances = [_distance(wanted, one, gpu) for one in there]
        least = min(distances, default=math.inf)
        if least <= FARTHEST:
            near = [one for one, distance in zip(there, distances, strict=True) if distance <= least + ROUNDING]
            total += median(float(one["seconds"]) * math.exp(_work(wanted) - _work(one["config"])) for one in near)
            devices.append(str(near[0]["device"]))
    return Estimate(total, len(configs) - len(devices), mode(devices) if devices else "")


def _distance(wanted: Record, record: Record, gpu: bool) -> float:
    """Distance between a wanted run and the run of a record; infinite for runs of different kinds."""
    known = record["config"]
    both = (wanted, known)
    if len({(one.get("task"), one["dataset"], _network(one).get("architecture", "mlp")) for one in both}) > 1:
        return math.inf
    if any(len({name in one.get("dataset_options", {}) for one in both}) > 1 for name in REDUCED):
        return math.inf
    distance = abs(_work(wanted) - _work(known))
    return distance + OTHER_DEVICE * (gpu == str(record["device"]).startswith("CPU"))


def _network(config: Record) -> Record:
    """The part of a configuration with the shape of the network: for a transfer, its pre-training."""
    found: Record = config.get("pretraining", config)
    return found


def _work(config: Record) -> float:
    """Logarithm of the arithmetic of a run, up to a constant for its data set and architecture."""
    network, options = _network(config), config.get("dataset_options", {})
    # A step takes a batch; in unconstrained features models, it takes all starts.
    batch = float(network.get("batch_size", network.get("starts", 1)))
    rows = float(options.get("samples") or 1.0) if "epochs" in config else batch
    steps = float(config.get("epochs") or config["iterations"]) * len(config.get("learning_rates", (1,)))
    pixels = float(options.get("image_size") or 1.0) ** 2
    # The time of small layers is the time to start an operation, so the squared width has a lower bound.
    return math.log(steps * rows * pixels * (float(network["width"]) ** 2 + 50.0**2) * float(network.get("depth", 1)))
