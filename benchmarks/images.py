"""Layer metrics of a ResNet-34 over all of UTKFace at 128 x 128, in both readings: seconds and peak memory.

    python -m benchmarks.images [--output FILE] [--samples N]

It runs once (n = 1), because it takes minutes. The process does nothing else, so its peak memory is the memory of the
data, the network, one batch of activations and the moments.
"""

import resource
import sys
import time

from benchmarks.timing import make_parser, write
from nrc_core import build_model, deep_nrc_resnet, load_dataset
from nrc_core.errors import DataUnavailable
from nrc_core.metrics.sites import collect
from nrc_core.metrics.table import decompose, tabulate


def peak_gigabytes() -> float:
    """Peak memory of this process so far, in gigabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Measure once, print, write JSON."""
    parser = make_parser(__doc__, "images")
    parser.add_argument("--samples", type=int, help="measure only this many faces")
    given = parser.parse_args()
    started = time.perf_counter()
    try:
        dataset = load_dataset("utkface", samples=given.samples)
    except DataUnavailable as error:
        sys.exit(f"not measured: {error}")
    loading = {"loading, s": time.perf_counter() - started, "peak when loaded, GB": peak_gigabytes()}
    (config,) = deep_nrc_resnet("utkface")
    network = build_model(config, dataset)
    started = time.perf_counter()
    for x, y in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)):
        for sites in collect(network, x, y, features=("post", "positions")).values():
            table = tabulate(*decompose([sites]), rank=None)
    row = {
        "faces": len(dataset.x_train) + len(dataset.x_test),
        "pixels": " x ".join(str(side) for side in dataset.x_train.shape[2:]),
        "sites": len(table),
        "repeats": 1,
        **loading,
        "metrics, s": time.perf_counter() - started,
        "peak memory, GB": peak_gigabytes(),
    }
    caption = (
        "All metrics at all sites of a ResNet over all of UTKFace, averaged over positions and with every position as "
        "a sample; one run, in its own process."
    )
    write(given.output, "Metrics of an image network", [{"caption": caption, "rows": [row]}])


if __name__ == "__main__":
    main()
