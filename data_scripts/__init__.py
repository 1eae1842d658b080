"""Data scripts, which make data sets on disk from the original source, a local copy or a simulator."""

import importlib
import os
from pathlib import Path

from nrc_core.data.prepared import Manifest
from nrc_core.errors import ConfigError

# The module of each data set. Each module has a function `prepare(name, data_dir, from_dir)` and is imported if needed.
SCRIPTS = {
    "swimmer": "mujoco_rollouts",
    "reacher": "mujoco_rollouts",
    "hopper": "mujoco_rollouts",
    "sgemm": "sgemm",
    "utkface": "utkface",
    "carla2d": "carla2d",
    "car_racing": "car_racing",
    "mnist": "mnist",
    "fashion_mnist": "mnist",
    "digits_and_clothes": "digits_and_clothes",
    "cifar10": "cifar10",
    "svhn": "svhn",
    "stl10": "stl10",
}


def prepare(name: str, data_dir: Path, *, from_dir: Path | None = None) -> Manifest:
    """Make `data_dir/name` and return its manifest.

    Args:
        name: name of a data set that is stored on disk.
        data_dir: the folder of prepared data sets.
        from_dir: the folder of local copies of the original files. If None, this is the folder `name` in
            NRC_DATA_MIRROR if it exists, else the original source is used.

    Raises:
        ConfigError: there is no script for this name.
        DataUnavailable, DataDamaged: as documented in the script.
    """
    if name not in SCRIPTS:
        raise ConfigError(f"no data script for {name!r}: there is one for {', '.join(SCRIPTS)}")
    mirror = os.environ.get("NRC_DATA_MIRROR")
    if from_dir is None and mirror and (Path(mirror) / name).is_dir():
        from_dir = Path(mirror) / name
    script = importlib.import_module(f"data_scripts.{SCRIPTS[name]}")
    return script.prepare(name, data_dir, from_dir)
