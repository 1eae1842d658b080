"""Images per second in training a ResNet-18: a DataLoader loop, a plain loop, and this project's loop, also compiled.

    python -m benchmarks.training_images [--output FILE] [--repeats N] [--device cuda]

The images are noise, since only the speed is measured.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from benchmarks.timing import make_parser, seconds, spread, write
from benchmarks.training import BATCH, DECAY, RATE, loop_a, loop_b
from nrc_core.networks.resnets import ResNet
from nrc_core.training.computing import chosen_device
from nrc_core.training.loop import reproducible_arithmetic
from nrc_core.training.single import SingleNetwork

TARGETS = 2
# Number of images, and their sides: as CIFAR-10, and as UTKFace here.
SIZES = {"32 x 32": (512, 32), "128 x 128": (128, 128)}


class Pictures(Dataset[tuple[Tensor, Tensor]]):
    """Encoded pictures and their targets; each picture is decoded when a DataLoader asks for it."""

    def __init__(self, pixels: Tensor, y: Tensor):
        self.files, self.y = [_png(one) for one in pixels.permute(0, 2, 3, 1).cpu().numpy()], y.cpu()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        with Image.open(io.BytesIO(self.files[row])) as image:
            return torch.from_numpy(np.array(image)).permute(2, 0, 1), self.y[row]


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def ours(network: nn.Module, x: Tensor, y: Tensor) -> Callable[[], None]:
    """Train one epoch with this project's loop."""
    single = SingleNetwork(network, rate=RATE, weight_decay=DECAY)
    return lambda: single.epoch(x, y, torch.randperm(len(x), device=x.device)[None], BATCH).cpu()  # type: ignore[return-value]


def compiled(network: nn.Module, x: Tensor, y: Tensor) -> Callable[[], None]:
    """Train one epoch with this project's loop after torch.compile; the time of the compilation is not counted."""
    return ours(torch.compile(network), x, y)  # type: ignore[arg-type]


LOOPS: dict[str, Callable[[nn.Module, Tensor, Tensor], Callable[[], None]]] = {
    "(a) DataLoader": lambda network, x, y: loop_a(network, Pictures(x, y), x.device),
    "(b) tensors on the device": lambda network, x, y: loop_b(network, x, y, x.device),
    "this project": ours,
    "this project, compiled": compiled,
}


def compare(name: str, device: torch.device, repeats: int) -> list[dict[str, Any]]:
    """One row for each loop."""
    count, side = SIZES[name]
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8).to(device)
    y = torch.randn(count, TARGETS, generator=generator).to(device)
    rows: list[dict[str, Any]] = []
    for loop, make in LOOPS.items():
        torch.manual_seed(0)
        network = ResNet(18, 64, TARGETS, pixel_mean=(127.5,) * 3, pixel_spread=(74.0,) * 3).to(device)
        times = spread(seconds(make(network, x, y), repeats))
        rate = count / times["median"]
        rows.append(
            {
                "images": name,
                "loop": loop,
                "repeats": times["n"],
                **{f"an epoch, {which}, s": times[which] for which in ("least", "median", "most")},
                "images a second": rate,
                "over (a)": rate / rows[0]["images a second"] if rows else 1.0,
            }
        )
    return rows


def main() -> None:
    """Run everything, print tables, write JSON."""
    given = make_parser(__doc__, "training_images", repeats=5, device=True).parse_args()
    device = chosen_device(given.device)
    with reproducible_arithmetic():
        rows = [row for name in SIZES for row in compare(name, device, given.repeats)]
    caption = (
        f"ResNet-18 of torchvision's width on {', '.join(f'{n} images of {name}' for name, (n, _) in SIZES.items())} "
        f"pixels, in batches of {BATCH}. Loop (a) decodes each picture in `__getitem__` of a DataLoader without "
        "workers and calls `.item()` at every step; the others find decoded images on the device."
    )
    write(given.output, "Training on images", [{"caption": caption, "rows": rows}], device=device)


if __name__ == "__main__":
    main()
