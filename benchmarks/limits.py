"""How close is the speed of the pass of moments to the limit of the processor, and how exact are its results?

    python -m benchmarks.limits [--output FILE] [--repeats N]

The limit is the rate of a float64 matrix product of the same size. Product and pass are measured in turn, so that both
run under the same conditions. A rate counts the operations of the whole product of n rows: 2 n s^2 with s = h + t. The
pass computes only n s (s + 1) operations, about half of this product, and gets the rest by symmetry. So its share of
the limit may be above 100 %. A second share counts only the operations that the pass computes.
"""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.timing import make_parser, write
from nrc_core import Moments

LAYERS = ((256, 2), (512, 4))
BATCHES = (4_096, 16_384)
COPIED = 2**26  # number of float32 values, 256 MB: much larger than any cache


def in_turn(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Wall times of the calls, which are made in turn; the first turn warms up and is not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if turn:
                times[name].append(time.perf_counter() - started)
    return times


def share(n: int, width: int, target_dim: int, repeats: int) -> dict[str, Any]:
    """Rates of the pass and of matrix products alone (1e9 operations a second), and the share of the faster product."""
    generator = torch.Generator().manual_seed(0)
    size = width + target_dim
    features = torch.randn(n, width, generator=generator)
    targets = torch.randn(n, target_dim, generator=generator)
    rows = torch.randn(n, size, generator=generator, dtype=torch.float64)
    square = torch.randn(size, size, generator=generator, dtype=torch.float64)
    moments = Moments(width, target_dim)
    times = in_turn(
        {
            "pass": lambda: moments.update(features, targets),
            "inner": lambda: torch.mm(rows.T, rows),
            "outer": lambda: torch.mm(rows, square),
        },
        repeats,
    )
    least, middle, most = ({name: call(of) for name, of in times.items()} for call in (min, median, max))
    work = 2 * n * size**2 / 1e9
    rate = min(middle["inner"], middle["outer"]) / middle["pass"]
    return {
        "features": width,
        "rows": n,
        "repeats": repeats,
        "pass, median": work / middle["pass"],
        "pass, best": work / least["pass"],
        "pass, worst": work / most["pass"],
        "product of all rows, median": work / middle["inner"],
        "rows by a square, median": work / middle["outer"],
        "share, %": 100 * rate,
        "share of the half, %": 100 * rate * (size + 1) / (2 * size),
    }


def bandwidth(repeats: int) -> dict[str, Any]:
    """Memory bandwidth of a copy, which reads and writes, and of the pass, which reads each float32 feature once."""
    values, other = torch.ones(COPIED), torch.empty(COPIED)
    (width, target_dim), n = LAYERS[-1], BATCHES[-1]
    features, targets = torch.randn(n, width), torch.randn(n, target_dim)
    moments = Moments(width, target_dim)
    times = in_turn(
        {"copy": lambda: other.copy_(values), "pass": lambda: moments.update(features, targets)},
        repeats,
    )
    copied = [2 * values.nbytes / 1e9 / one for one in times["copy"]]
    taken = (features.nbytes + targets.nbytes) / 1e9 / median(times["pass"])
    return {
        "repeats": repeats,
        "copy, least, GB/s": min(copied),
        "copy, median, GB/s": median(copied),
        "copy, most, GB/s": max(copied),
        "pass reads, GB/s": taken,
        "share of the copy, %": 100 * taken / median(copied),
    }


def error(offset: float, batch: int, n: int = 20_000, width: int = 16) -> dict[str, Any]:
    """Largest error of a covariance relative to the two spreads; the reference is two passes in extended precision."""
    features = torch.randn(n, width, generator=torch.Generator().manual_seed(0)) + offset
    moments = Moments(width, 0)
    for start in range(0, n, batch):
        part = features[start : start + batch]
        moments.update(part, part[:, :0])
    exact = features.numpy().astype(np.longdouble)
    centred = exact - exact.mean(0)
    scatter = centred.T @ centred
    scale = np.sqrt(np.outer(scatter.diagonal(), scatter.diagonal()))
    return {
        "mean, in spreads": offset,
        "rows": n,
        "batch": batch,
        "bits of the reference": np.finfo(np.longdouble).nmant + 1,
        "largest error": float(np.abs((moments.scatter.numpy() - scatter) / scale).max()),
    }


def main() -> None:
    """Run everything, print tables, write JSON."""
    given = make_parser(__doc__, "limits", repeats=15).parse_args()
    write(
        given.output,
        "The moments against the processor's limit",
        [
            {
                "caption": "The pass of moments (float32 in, float64 sums) and float64 matrix products of the same "
                "size, measured in turn, in 1e9 operations a second. The share is of the faster product, at the "
                "median. The whole product counts, though the pass computes little more than half of it and has the "
                "rest by symmetry, so more than 100 % is possible; the last column counts the half alone.",
                "rows": [share(n, *layer, given.repeats) for layer in LAYERS for n in BATCHES],
            },
            {
                "caption": f"Memory: a copy of {COPIED * 4 / 1e6:,.0f} MB, and what the pass reads of it, "
                f"{LAYERS[-1][0]} features wide. A small share says that products, not memory, take the time.",
                "rows": [bandwidth(given.repeats)],
            },
            {
                "caption": "Error of float32 features of unit spread around a mean: the largest one of any covariance, "
                "in units of the two spreads, against two passes in extended precision.",
                "rows": [error(offset, batch) for offset in (0.0, 1e4) for batch in (20_000, 4_096, 128)],
            },
        ],
    )


if __name__ == "__main__":
    main()
