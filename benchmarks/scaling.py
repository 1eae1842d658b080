"""How do the time and memory of a layer's metrics grow with the number of rows?

    python -m benchmarks.scaling [--output FILE] [--repeats N]

Every number of rows has its own process, so that the peak of memory belongs to this number alone.
"""

import argparse
import json
import resource
import subprocess
import sys
from typing import Any

import numpy as np

from benchmarks.metrics import layer, moment_metrics
from benchmarks.timing import make_parser, seconds, spread, write
from nrc_core import Moments

WIDTH, TARGETS = 512, 4
MOST = 193_280  # number of training rows of SGEMM
SIZES = tuple(MOST // 2**halvings for halvings in range(7, -1, -1))
FIT_FROM = 6_000  # with fewer rows, the eigendecomposition takes much of the time, and it does not grow with the rows


def one_size(n: int, repeats: int) -> dict[str, Any]:
    """Times of the moments alone and of all metrics for n rows, and the growth of the peak memory of this process."""
    features, targets = layer(n, WIDTH, TARGETS)
    moment_metrics(features[:2], targets[:2])  # so that libraries are loaded before the peak is read
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    metrics = spread(seconds(lambda: moment_metrics(features, targets), repeats))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    moments = spread(seconds(lambda: Moments.of(features, targets), repeats))
    return {
        "rows": n,
        "repeats": repeats,
        **{f"metrics, {name}, s": metrics[name] for name in ("least", "median", "most")},
        "moments, median, s": moments["median"],
        "data, GB": (features.nbytes + targets.nbytes) / 1e9,
        "peak above data, GB": (peak - before) / 1e6,
    }


def slope(rows: list[dict[str, Any]], quantity: str) -> dict[str, Any]:
    """Least-squares slope of the logarithm of time by the logarithm of rows, for sizes of at least FIT_FROM."""
    fitted = [row for row in rows if row["rows"] >= FIT_FROM]
    n, times = (np.log([row[name] for row in fitted]) for name in ("rows", quantity))
    exponent, intercept = np.polyfit(n, times, 1)
    off = np.abs(times - (exponent * n + intercept)).max()
    return {
        "time": quantity.removesuffix(", s"),
        "from rows": fitted[0]["rows"],
        "to rows": fitted[-1]["rows"],
        "sizes": len(fitted),
        "slope": float(exponent),
        "furthest from the line, %": float(100 * np.expm1(off)),
    }


def main() -> None:
    """Run every size, print tables, write JSON."""
    parser = make_parser(__doc__, "scaling", repeats=7)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rows:
        print(json.dumps(one_size(given.rows, given.repeats)))
        return
    rows = []
    for n in SIZES:
        command = [sys.executable, "-m", "benchmarks.scaling", "--rows", str(n), "--repeats", str(given.repeats)]
        rows.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))
    write(
        given.output,
        "Growth with the number of rows",
        [
            {
                "caption": f"All metrics of one layer of {WIDTH} features and {TARGETS} targets, a process for each "
                "number of rows. The memory is what the peak of the process grew by beyond the data.",
                "rows": rows,
            },
            {
                "caption": "Slope of the logarithm of the time in the logarithm of the number of rows: 1 is linear.",
                "rows": [slope(rows, quantity) for quantity in ("metrics, median, s", "moments, median, s")],
            },
        ],
    )


if __name__ == "__main__":
    main()
