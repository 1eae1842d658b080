"""Which data sets there are, and what results know them by. Loads no rows of prepared data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from nrc_core.atomic import sha256
from nrc_core.errors import ConfigError, suggestion
from nrc_core.prepared import data_folder, read_manifest
from nrc_core.tables import is_table, read_table

ROLLED_OUT = ("swimmer", "reacher", "hopper")  # states and actions of expert policies
SIMULATED = (*ROLLED_OUT, "car_racing")  # made on the spot, without a download
IMAGES = ("utkface", "carla2d", "car_racing")
CLASSIFIED = ("mnist", "fashion_mnist", "cifar10", "svhn", "stl10")  # images in classes
# Superclasses of the transfer experiments (Hui et al., section 4.2), by the numbers of the classes in them:
# even and odd digits; things (aeroplane, car, ship, lorry) and animals (bird, cat, frog, horse).
SUPERCLASSES: dict[str, dict[str, tuple[int, ...]]] = {
    "mnist": {"even": (0, 2, 4, 6, 8), "odd": (1, 3, 5, 7, 9)},
    "cifar10": {"objects": (0, 1, 8, 9), "animals": (2, 3, 6, 7)},
}
STAND_IN = "stand-in"  # the kind of data that take the place of others which are not to be had
BUILT_IN = ("synthetic", *SIMULATED, "sgemm", "utkface", "carla2d", *CLASSIFIED)
SPLITS = ("random", "blocked")


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` is built in or the path of a table."""
    if name not in BUILT_IN and not is_table(name):
        hint = suggestion(name, BUILT_IN, "built in are")
        raise ConfigError(f"unknown data set {name!r}: {hint} (a CSV, NPZ or Parquet file of your own works too)")


def check_request(name: str, *, split: str, targets: Sequence[str]) -> None:
    """Raise ConfigError for an unknown data set or split, or for targets of data that have their own; loads nothing."""
    check_name(name)
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}: got {split!r}")
    if not is_table(name) and targets:
        raise ConfigError(f"targets are named for a table of your own; {name!r} has its own targets")


def data_identity(name: str, *, targets: Sequence[str] = ()) -> str:
    """What content keys know a data set by, besides the options it is loaded with.

    Of prepared data it is their manifest's; of a table of your own, a fingerprint of the file and of its
    target columns; of synthetic data the name alone, since their options decide every number.

    Raises:
        ConfigError: an unknown name, or targets that the table does not have.
        DataUnavailable: prepared data that are not on this machine.
        DataDamaged: a manifest or a table that cannot be read.

    Example:
        >>> data_identity("synthetic")
        'synthetic'
    """
    check_name(name)
    if name == "synthetic":
        return name
    if is_table(name):
        path = Path(name)
        table, inputs = read_table(path, list(targets))
        return table_identity(path, [column for column in table.columns if column not in inputs])
    return read_manifest(data_folder() / name).identity


def table_identity(path: Path, targets: Sequence[str]) -> str:
    """Fingerprint of a table's content and of the names of its target columns."""
    return hashlib.sha256(f"{sha256(path)} {list(targets)}".encode()).hexdigest()
