"""How much faster are layer metrics from second moments than from n x n Gram matrices? One run, one machine.

    python -m benchmarks.metrics [--output FILE] [--repeats N]

The Gram method computes CKA in single precision from n x n matrices: two Gram matrices, a centring matrix, products of
them and their traces. The frugal Gram method makes the two Gram matrices too, but it centres them by their means and
computes traces entry by entry. The moment method computes CKA, projected CKA, NRC1, NRC4 and both ranks in double
precision from one pass. The layers of a network are measured at the same time, each on one core, so the time of a layer
in a network is compared too. At the end, `measure` runs in its own process on as many rows as SGEMM has, on a network
of 8 x 512.
"""

import argparse
import json
import resource
import subprocess
import sys
from typing import Any

import torch
from torch import Tensor

from benchmarks.timing import make_parser, seconds, spread, write
from nrc_core import MLP, Moments, measure
from nrc_core.config.base import NUMERICAL_TOLERANCE
from nrc_core.metrics import regression
from nrc_core.metrics.threads import on_all_cores

WIDTH, TARGETS, LAYERS = 256, 2, 8
SIZES = (800, 1_600, 3_200, 8_000)
SGEMM_ROWS, SGEMM_INPUTS, SGEMM_TARGETS = 241_600, 14, 4


def gram_cka(features: Tensor, targets: Tensor) -> float:
    """CKA by products of n x n matrices."""
    n = len(features)
    centring = torch.eye(n) - torch.ones(n, n) / n
    first = centring @ (features @ features.T) @ centring
    second = centring @ (targets @ targets.T) @ centring
    cross, own, other = (torch.trace(a @ b) for a, b in ((first, second), (first, first), (second, second)))
    return (cross / (own * other).sqrt()).item()


def frugal_gram_cka(features: Tensor, targets: Tensor) -> float:
    """CKA from n x n matrices, without a product of two of them."""
    first, second = (part @ part.T for part in (features, targets))
    for gram in (first, second):
        means = gram.mean(0)
        gram -= means
        gram -= (means - means.mean())[:, None]
    cross, own, other = (torch.sum(a * b) for a, b in ((first, second), (first, first), (second, second)))
    return (cross / (own * other).sqrt()).item()


def moment_metrics(features: Tensor, targets: Tensor) -> float:
    """Compute all metrics of a layer except NRC3, which needs the weight; returns the CKA for comparison."""
    moments = Moments.of(features, targets)
    spectrum = regression.eigen(moments.feature_covariance)
    regression.noise_curve(spectrum.values)
    regression.projected_cka(spectrum, moments, targets.shape[1])
    regression.linear_prediction_error(spectrum, moments, NUMERICAL_TOLERANCE)
    regression.spectral_ratio(spectrum.values)
    regression.effective_rank(spectrum.values)
    return regression.covariance_cka(moments.cross_covariance, moments.feature_covariance, moments.target_covariance)


def layer(n: int, width: int, target_dim: int) -> tuple[Tensor, Tensor]:
    """Features (n, width) that contain the targets (n, target_dim) and equally much noise; float32, always the same."""
    generator = torch.Generator().manual_seed(n)
    targets = torch.randn(n, target_dim, generator=generator)
    mix = torch.randn(target_dim, width, generator=generator)
    features = torch.randn(n, width, generator=generator)
    return features.addmm_(targets, mix), targets  # in place, so that the peak of memory is the memory of the data


def compare(n: int, repeats: int) -> list[dict[str, Any]]:
    """One row for each method on the same features: its times, its CKA, and its time over the time of the moments."""
    features, targets = layer(n, WIDTH, TARGETS)
    methods = {"Gram": gram_cka, "frugal Gram": frugal_gram_cka, "moments": moment_metrics}
    rows = []
    for name, method in methods.items():
        answers: list[float] = []
        often = repeats if method is moment_metrics else 3 if n < 4_000 or method is frugal_gram_cka else 1
        times = seconds(lambda method=method, answers=answers: answers.append(method(features, targets)), often)
        rows.append(
            {"threads": torch.get_num_threads(), "rows": n, "method": name, **_in_seconds(times), "CKA": answers[-1]}
        )
    return _against_last(rows)


def share_of_network(n: int, repeats: int, alone: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Time of a layer if `LAYERS` layers are measured at the same time, as in training, beside the rows of one `alone`.

    Layers that are measured at the same time have one thread each; a layer alone has all threads. The Gram methods are
    not measured at the same time: on c cores, a layer would take at least 1 / c of the time with one thread, which
    `compare` reports.
    """
    features, targets = layer(n, WIDTH, TARGETS)
    layers, threads = [features.clone() for _ in range(LAYERS)], torch.get_num_threads()
    answers: list[float] = []
    torch.set_num_threads(1)
    times = seconds(lambda: answers.extend(on_all_cores(lambda one: moment_metrics(one, targets), layers)), repeats)
    torch.set_num_threads(threads)
    shares = _in_seconds([time / LAYERS for time in times])
    own = {"threads": threads, "rows": n, "method": f"moments, {LAYERS} layers at once", **shares, "CKA": answers[-1]}
    return _against_last([*alone, own])


def _against_last(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"times the moments": row["median, s"] / rows[-1]["median, s"]} for row in rows]


def _in_seconds(times: list[float]) -> dict[str, float]:
    found = spread(times)
    return {"repeats": found["n"]} | {f"{name}, s": found[name] for name in ("least", "median", "most")}


def whole_pass(repeats: int) -> dict[str, Any]:
    """Passes of `measure` over as many rows as SGEMM has, on a network of 8 x 512: seconds and peak memory."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SGEMM_ROWS, SGEMM_INPUTS, generator=generator)
    y = torch.randn(SGEMM_ROWS, SGEMM_TARGETS, generator=generator)
    model = MLP(SGEMM_INPUTS, 512, 8, SGEMM_TARGETS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = seconds(lambda: measure(model, x, y), repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"rows": SGEMM_ROWS, **_in_seconds(times), "peak memory, GB": peak / 1e6, "of it before, GB": before / 1e6}


def main() -> None:
    """Run everything, print tables, write JSON."""
    parser = make_parser(__doc__, "metrics", repeats=9)
    parser.add_argument("--whole-pass", type=int, metavar="REPEATS", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.whole_pass:
        print(json.dumps(whole_pass(given.whole_pass)))
        return
    whole = subprocess.run(
        [sys.executable, "-m", "benchmarks.metrics", "--whole-pass", "3"], stdout=subprocess.PIPE, text=True, check=True
    )
    rows, threads = [], torch.get_num_threads()
    for count in sorted({1, threads}):  # results use one thread; the Gram method gains more from a second one
        torch.set_num_threads(count)
        rows += [row for n in SIZES for row in compare(n, given.repeats)]
    alone = [row for row in rows if (row["threads"], row["rows"]) == (threads, SIZES[-1])]
    write(
        given.output,
        "Layer metrics",
        [
            {
                "caption": f"Metrics of one layer of {WIDTH} features and {TARGETS} targets. Both Gram methods give "
                "CKA alone, in single precision; the moments give it with NRC1, NRC2, NRC4 and both ranks, in double "
                "precision. The last column is a method's time over that of the moments.",
                "rows": rows,
            },
            {
                "caption": f"The same for a layer of a network of {LAYERS}, whose layers are measured at once, one "
                "thread each on all cores, as in training: its share of the time. The Gram methods have all cores "
                "for one layer, as above.",
                "rows": share_of_network(SIZES[-1], given.repeats, alone),
            },
            {
                "caption": "`measure`: all metrics at all sites of a network of 8 weight layers, 512 wide, in one pass "
                f"over as many rows as SGEMM has, {SGEMM_INPUTS} inputs and {SGEMM_TARGETS} targets, in a process of "
                "its own.",
                "rows": [json.loads(whole.stdout)],
            },
        ],
    )


if __name__ == "__main__":
    main()
