"""Layer metrics of a ResNet-34 over all of UTKFace at 128 x 128, in both readings: seconds and peak memory.

    python benchmarks/images.py [--output FILE] [--samples N]

Once through (n = 1), since it takes minutes; the process does nothing else, so its peak is that of the data,
the network, one batch of activations and the moments.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from pathlib import Path

import torch

from nrc_core import build_model, deep_nrc_resnet, load_dataset
from nrc_core.measurement import decompose, tabulate
from nrc_core.moments import collect_each
from nrc_core.provenance import device_name


def peak_gigabytes() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Measure once, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks/images.json"))
    parser.add_argument("--samples", type=int, help="so many faces only")
    given = parser.parse_args()
    started = time.perf_counter()
    dataset = load_dataset("utkface", samples=given.samples)
    loaded = {"load_seconds": time.perf_counter() - started, "loaded_peak_gigabytes": peak_gigabytes()}
    (config,) = deep_nrc_resnet("utkface")
    network = build_model(config, dataset)
    started = time.perf_counter()
    for x, y in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)):
        for sites in collect_each(network, x, y, features=("post", "positions")).values():
            table = tabulate(decompose(sites), rank=None)
    result = {
        "n": 1,
        "device": device_name(torch.device("cpu")).split(",")[0],
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "faces": len(dataset.x_train) + len(dataset.x_test),
        "pixels": list(dataset.x_train.shape[2:]),
        "sites": len(table),
        **loaded,
        "seconds": time.perf_counter() - started,
        "peak_gigabytes": peak_gigabytes(),
    }
    print(json.dumps(result, indent=2))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
