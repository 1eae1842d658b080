"""How fast are networks trained, compared with common loops, and how many at the same time? One run, one machine.

    python -m benchmarks.training [--output FILE] [--repeats N] [--device cpu]

Loop (a) has a Dataset with `__getitem__`, a DataLoader that shuffles, and `.item()` at every step, like the released
code of the Deep NRC paper. Loop (b) is plain PyTorch on tensors that are on the device. This project uses `StackedMLP`,
here with one network and with several. All train the same network on the same rows with the same batches, rate and
momentum.
"""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from benchmarks.timing import make_parser, seconds, spread, write
from nrc_core import MLP, RunConfig
from nrc_core.data.load import load_dataset
from nrc_core.training.computing import chosen_device, measure_together
from nrc_core.training.loop import reproducible_arithmetic, train_together
from nrc_core.training.stacked import StackedMLP

BATCH, RATE, DECAY = 128, 0.01, 1e-3
# Rows, inputs, width, depth, targets: as for Swimmer, as for Hopper, and small enough to be stacked on a CPU.
SHAPES = {
    "8 x 256, 800 rows": (800, 8, 256, 8, 2),
    "8 x 256, 4,000 rows": (4000, 11, 256, 8, 3),
    "4 x 64, 800 rows": (800, 8, 64, 4, 2),
}
STACKS = (1, 4, 16, 64)
MEASUREMENTS, EPOCHS = 70, 1000  # many measurements; the paper's number of epochs


class Rows(Dataset[tuple[Tensor, Tensor]]):
    """A data set that gives rows one by one, as a DataLoader needs them."""

    def __init__(self, x: Tensor, y: Tensor):
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self.x[row], self.y[row]


def wait(device: torch.device) -> None:
    """Wait until the device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def loop_a(network: nn.Module, rows: Dataset[tuple[Tensor, Tensor]], device: torch.device) -> Callable[[], None]:
    """Train one epoch with loop (a)."""
    loader = DataLoader(rows, batch_size=BATCH, shuffle=True)
    optimiser = torch.optim.SGD(network.parameters(), RATE, momentum=0.9, weight_decay=DECAY)

    def epoch() -> None:
        total = 0.0
        for inputs, targets in loader:
            optimiser.zero_grad()
            loss = functional.mse_loss(network(inputs.to(device)), targets.to(device))
            loss.backward()
            optimiser.step()
            total += loss.item()

    return epoch


def loop_b(network: nn.Module, x: Tensor, y: Tensor, device: torch.device) -> Callable[[], None]:
    """Train one epoch with loop (b)."""
    optimiser = torch.optim.SGD(network.parameters(), RATE, momentum=0.9, weight_decay=DECAY)

    def epoch() -> None:
        for rows in torch.randperm(len(x), device=device).split(BATCH):
            optimiser.zero_grad()
            functional.mse_loss(network(x[rows]), y[rows]).backward()
            optimiser.step()
        wait(device)

    return epoch


def stacked(networks: list[MLP], x: Tensor, y: Tensor, device: torch.device) -> Callable[[], None]:
    """Train one epoch with a stack."""
    stack = StackedMLP(networks, rates=[RATE] * len(networks), weight_decays=[DECAY] * len(networks))

    def epoch() -> None:
        order = torch.stack([torch.randperm(len(x)) for _ in networks]).to(device)
        stack.epoch(x, y, order, BATCH).cpu()

    return epoch


def matrix_rate(device: torch.device, repeats: int) -> float:
    """Floating-point operations per second of single-precision matrix products, the best of a few large sizes."""
    best = 0.0
    for size in (512, 1024, 2048):
        a, b = (torch.randn(size, size, device=device) for _ in range(2))

        def product(a: Tensor = a, b: Tensor = b) -> None:
            for _ in range(8):
                a @ b
            wait(device)

        best = max(best, 8 * 2 * size**3 / min(seconds(product, repeats)))
    return best


def step_operations(inputs: int, width: int, depth: int, targets: int) -> int:
    """Operations of a step for one sample: forward, gradients of weights, gradients of features except the inputs."""
    sizes = [inputs * width, *[width * width] * (depth - 2), width * targets]
    return 2 * (3 * sum(sizes) - sizes[0])


def compare(name: str, device: torch.device, repeats: int, limit: float) -> list[dict[str, Any]]:
    """Compare epochs of the loops and of stacks for one shape."""
    rows, inputs, width, depth, targets = SHAPES[name]
    x, y = torch.randn(rows, inputs, device=device), torch.randn(rows, targets, device=device)
    operations = rows * step_operations(inputs, width, depth, targets)

    def network() -> MLP:
        return MLP(inputs, width, depth, targets).to(device)

    calls = {
        ("(a) DataLoader", 1): loop_a(network(), Rows(x.cpu(), y.cpu()), device),
        ("(b) tensors on the device", 1): loop_b(network(), x, y, device),
        **{("stacked", m): stacked([network() for _ in range(m)], x, y, device) for m in STACKS},
    }
    times = {who: seconds(call, repeats) for who, call in calls.items()}
    a, b = (statistics.median(times[who]) for who in list(times)[:2])
    one = statistics.median(times["stacked", 1])
    return [
        {
            "network": name,
            "loop": loop,
            "networks": m,
            **_in_seconds("", own),
            "throughput over (a)": m * a / statistics.median(own),
            "throughput over (b)": m * b / statistics.median(own),
            "time over a stack of one": statistics.median(own) / one if loop == "stacked" else None,
            "share of the matrix rate, %": 100 * m * operations / statistics.median(own) / limit,
        }
        for (loop, m), own in times.items()
    ]


def measuring(device: torch.device, repeats: int, networks: int, samples: int) -> dict[str, Any]:
    """Compare the time of measuring a stack with the time of an epoch of its training."""
    data = load_dataset("synthetic", samples=samples, target_dim=2).to(device)
    configs = [
        RunConfig("synthetic", epochs=1, learning_rate=RATE, weight_decay=DECAY, seed=seed) for seed in range(networks)
    ]
    ((_, together),) = train_together(configs, data, device=device)
    order = torch.stack([torch.randperm(len(data.x_train)) for _ in configs]).to(device)

    def epoch() -> None:
        together.learner.epoch(data.x_train, data.y_train, order, BATCH).cpu()
        together.learner.evaluate(data.x_test, data.y_test)

    measured = seconds(partial(measure_together, together, 1), repeats)
    trained = seconds(epoch, repeats)
    ratio = statistics.median(measured) / statistics.median(trained)
    return {
        "networks": networks,
        "rows": len(data.x_train),
        **_in_seconds("measuring, ", measured),
        **_in_seconds("an epoch, ", trained),
        "measuring over training, %": 100 * MEASUREMENTS * ratio / EPOCHS,
    }


def _in_seconds(what: str, times: list[float]) -> dict[str, float]:
    found = spread(times)
    return {f"{what}repeats": found["n"]} | {f"{what}{name}, s": found[name] for name in ("least", "median", "most")}


def main() -> None:
    """Run everything, print tables, write JSON."""
    given = make_parser(__doc__, "training", repeats=5, device=True).parse_args()
    device = chosen_device(given.device)
    with reproducible_arithmetic():
        limit = matrix_rate(device, given.repeats)
        loops = [row for name in SHAPES for row in compare(name, device, given.repeats, limit)]
        shares = [measuring(device, given.repeats, m, samples) for m, samples in ((1, 1000), (1, 5000), (16, 5000))]
        tables = [
            {
                "caption": f"An epoch with batches of {BATCH} rows. Loop (a) is a Dataset with `__getitem__`, a "
                "DataLoader and `.item()` at every step, (b) plain PyTorch on tensors that lie on the device, the "
                "others stacks of so many networks; throughput counts networks. The matrix rate is that of large "
                f"products in single precision, {limit / 1e9:.0f} GFLOP/s in this run.",
                "rows": loops,
            },
            {
                "caption": f"Measuring networks of 8 x 256 once, against an epoch of their training; in percent, what "
                f"measuring {MEASUREMENTS} times takes over {EPOCHS} epochs.",
                "rows": shares,
            },
        ]
        write(given.output, "Training" if device.type == "cpu" else "Training, on a GPU", tables, device=device)


if __name__ == "__main__":
    main()
