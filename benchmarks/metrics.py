"""How fast are layer metrics from second moments, against n x n Gram matrices? One run, one machine.

    python benchmarks/metrics.py [--output FILE] [--repeats N]

The Gram method is the way CKA is computed where the features' n x n matrix is made: two Gram
matrices, a centring matrix, products of n x n matrices, their traces, in single precision. The
moment method gives CKA, projected CKA, NRC1, NRC4 and both ranks from one pass in double precision.
Then all rows of the size of SGEMM go through `measure` on an 8 x 512 network, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from nrc_core import MLP, Moments, measure, metrics
from nrc_core.config import NUMERICAL_TOLERANCE
from nrc_core.provenance import device_name

WIDTH, TARGETS = 256, 2
SIZES = (800, 1_600, 3_200, 8_000)
SGEMM_ROWS, SGEMM_INPUTS, SGEMM_TARGETS = 241_600, 14, 4


def gram_cka(features: Tensor, targets: Tensor) -> float:
    """CKA through n x n matrices."""
    n = len(features)
    centring = torch.eye(n) - torch.ones(n, n) / n
    first = centring @ (features @ features.T) @ centring
    second = centring @ (targets @ targets.T) @ centring
    cross, own, other = (torch.trace(a @ b) for a, b in ((first, second), (first, first), (second, second)))
    return (cross / (own * other).sqrt()).item()


def moment_metrics(features: Tensor, targets: Tensor) -> float:
    """All metrics of a layer but NRC3, which needs its weight; returns the CKA for comparison."""
    moments = Moments.of(features, targets)
    cross, target = moments.cross_covariance, moments.target_covariance
    spectrum = metrics.eigen(moments.feature_covariance)
    metrics.noise_curve(spectrum.values)
    metrics.projected_cka(spectrum, cross, target, TARGETS)
    metrics.linear_prediction_error(spectrum, cross, target, NUMERICAL_TOLERANCE)
    metrics.spectral_ratio(spectrum.values)
    metrics.effective_rank(spectrum.values)
    return metrics.covariance_cka(cross, moments.feature_covariance, target)


def seconds(call: Callable[[], object], repeats: int) -> list[float]:
    """Wall times of `repeats` calls, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return times


def compare(n: int, repeats: int) -> dict[str, float]:
    """Times of both methods on the same features, and how far their CKA differs."""
    generator = torch.Generator().manual_seed(n)
    targets = torch.randn(n, TARGETS, generator=generator)
    mix = torch.randn(TARGETS, WIDTH, generator=generator)
    features = targets @ mix + torch.randn(n, WIDTH, generator=generator)
    gram = seconds(lambda: gram_cka(features, targets), 1 if n > 4_000 else 3)
    moment = seconds(lambda: moment_metrics(features, targets), repeats)
    return {
        "n": n,
        "gram_seconds": statistics.median(gram),
        "gram_repeats": len(gram),
        "moment_seconds": statistics.median(moment),
        "moment_repeats": len(moment),
        "moment_least": min(moment),
        "moment_most": max(moment),
        "ratio": statistics.median(gram) / statistics.median(moment),
        "cka_difference": abs(gram_cka(features, targets) - moment_metrics(features, targets)),
    }


def whole_pass() -> dict[str, float]:
    """One pass of `measure` over as many rows as SGEMM has, 8 x 512: seconds and peak memory of this process."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SGEMM_ROWS, SGEMM_INPUTS, generator=generator)
    y = torch.randn(SGEMM_ROWS, SGEMM_TARGETS, generator=generator)
    model = MLP(SGEMM_INPUTS, 512, 8, SGEMM_TARGETS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    measure(model, x, y)
    return {
        "rows": SGEMM_ROWS,
        "seconds": time.perf_counter() - started,
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "gigabytes_before": before / 1e6,
    }


def main() -> None:
    """Run everything, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks/metrics.json"))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--whole-pass", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.whole_pass:
        print(json.dumps(whole_pass()))
        return
    machine = {
        "device": device_name(torch.device("cpu")).split(",")[0],
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    print(machine)
    print(f"{'n':>6} {'Gram, s':>10} {'moments, s':>11} {'least':>8} {'most':>8} {'ratio':>8}  CKA differs by")
    rows = []
    for n in SIZES:
        row = compare(n, given.repeats)
        rows.append(row)
        print(
            f"{n:>6} {row['gram_seconds']:>10.3f} {row['moment_seconds']:>11.4f} {row['moment_least']:>8.4f} "
            f"{row['moment_most']:>8.4f} {row['ratio']:>8.0f}  {row['cka_difference']:.1e}",
            flush=True,
        )
    answer = subprocess.run([sys.executable, __file__, "--whole-pass"], capture_output=True, text=True, check=True)
    whole = json.loads(answer.stdout)
    print(
        f"measure, {whole['rows']} rows through 8 x 512 in one pass: {whole['seconds']:.1f} s, "
        f"peak memory {whole['peak_gigabytes']:.2f} GB ({whole['gigabytes_before']:.2f} GB of it before)"
    )
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps({"machine": machine, "metrics": rows, "whole_pass": whole}, indent=2) + "\n")


if __name__ == "__main__":
    main()
