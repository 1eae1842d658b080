"""Small prepared data under the names of the built-in ones, so that nothing is simulated for a malformed input."""

from pathlib import Path

import numpy as np
import pandas as pd

from data_scripts.mujoco_rollouts import ROLLOUTS
from nrc_core.data.prepared import Manifest, write_prepared
from tests.fakes import prepare_images
from tests.fakes_images import prepare_classes


def prepare_all(folder: Path) -> None:
    """Prepare random numbers for the simulated data sets and noise for images."""
    draw = np.random.default_rng(0)
    for name in ROLLOUTS:
        inputs, targets = [f"observation{i}" for i in range(4)], ["action0", "action1"]
        table = pd.DataFrame(draw.standard_normal((60, 6)), columns=[*inputs, *targets])
        write_prepared(
            folder / name, table, Manifest(name, "random", "none", "none", name, inputs, targets, len(table))
        )
    for name in ("car_racing", "utkface"):
        prepare_images(folder, name)
    for name in ("mnist", "fashion_mnist", "cifar10"):
        prepare_classes(folder, name, per_class=24, test_per_class=10)
