"""Which data sets there are, and what results know them by. Loads no rows of prepared data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from nrc_core.data.prepared import data_folder, read_manifest
from nrc_core.errors import ConfigError, suggestion

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
    if name in BUILT_IN:
        return
    from nrc_core.data.tables import FORMATS, conversion, is_table  # with pandas, which takes a second to import

    if not is_table(name):
        if remedy := conversion(name):
            raise ConfigError(f"data set {name!r} is none of the tables that are read, {FORMATS}: {remedy}")
        hint = suggestion(name, BUILT_IN, "built in are")
        raise ConfigError(f"unknown data set {name!r}: {hint} (a file of your own works too: {FORMATS})")


def check_request(name: str, *, split: str, targets: Sequence[str]) -> None:
    """Raise ConfigError for an unknown data set or split, or for targets of data that have their own; loads nothing."""
    check_name(name)
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}: got {split!r}")
    if isinstance(targets, str):
        raise ConfigError(f"targets must be a list of names, as [{targets!r}]: got the text {targets!r}")
    if name in BUILT_IN and targets:
        raise ConfigError(f"targets are named for a table of your own; {name!r} has its own targets")


def check_own_split(name: str, split: str) -> None:
    """Raise ConfigError where another split is asked for than the one that a table brings."""
    if split != "random":  # what is used unless a split is named
        raise ConfigError(f"{name} brings its own split, so it is not to be {split}: leave the split as it is, random")


def check_samples(samples: int | None, rows: int) -> None:
    """Raise ConfigError unless so many samples, None for all, can be drawn from the rows of a data set."""
    if samples is not None and not 1 <= samples <= rows:
        raise ConfigError(f"samples must be between 1 and the {rows} rows there are: got {samples}")


def data_identity(name: str, *, targets: Sequence[str] = (), split: str = "random") -> str:
    """What content keys know a data set by, besides the options it is loaded with.

    Of prepared data it is their manifest's; of a table of your own, a fingerprint of its numbers, of the names of its
    target columns and of its own split; of synthetic data the name alone, since their options decide every number.

    Raises:
        ConfigError: an unknown name, targets that the table does not have, or a split of a table that brings its own.
        DataUnavailable: prepared data that are not on this machine.
        DataDamaged: a manifest or a table that cannot be read.

    Example:
        >>> data_identity("synthetic")
        'synthetic'
    """
    check_name(name)
    if name == "synthetic":
        return name
    if name in BUILT_IN:
        return read_manifest(data_folder() / name).identity
    from nrc_core.data.tables import checksum

    path = Path(name)
    identity, own_split = _of_table(path, checksum(path), tuple(targets))
    if own_split:
        check_own_split(name, split)
    return identity


@lru_cache(maxsize=64)  # asked for once a configuration
def _of_table(path: Path, checksum: str, targets: tuple[str, ...]) -> tuple[str, bool]:
    """Identity of a table, and whether it brings its own split."""
    from nrc_core.data.tables import read_table

    table = read_table(path, targets)
    return table.identity, table.test is not None
