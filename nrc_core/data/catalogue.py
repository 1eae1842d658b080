"""Which data sets there are, and their identities in content keys. No rows of prepared data are loaded here."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from nrc_core.data.prepared import data_folder, read_manifest
from nrc_core.errors import ConfigError, suggestion

ROLLED_OUT = ("swimmer", "reacher", "hopper")  # states and actions of expert policies
SIMULATED = (*ROLLED_OUT, "car_racing")  # made on this machine, without a download
GENERATED = ("synthetic", "gaussian_classes")  # made when they are loaded; the options decide every number
IMAGES = ("utkface", "carla2d", "car_racing")
CLASSIFIED = ("mnist", "fashion_mnist", "digits_and_clothes", "cifar10", "svhn", "stl10")  # images in classes
# Superclasses of the transfer experiments (Hui et al., section 4.2), by the numbers of the classes in them:
# even and odd digits; things (aeroplane, car, ship, lorry) and animals (bird, cat, frog, horse).
SUPERCLASSES: dict[str, dict[str, tuple[int, ...]]] = {
    "mnist": {"even": (0, 2, 4, 6, 8), "odd": (1, 3, 5, 7, 9)},
    "cifar10": {"objects": (0, 1, 8, 9), "animals": (2, 3, 6, 7)},
}
STAND_IN = "stand-in"  # the kind of data that replace data that are hard to get
# Data of the papers that this project could not get, and their stand-ins, by the names of the papers.
NOT_AT_HAND = {"carla2d": "CARLA", "car_racing": "CARLA", "svhn": "SVHN", "stl10": "STL-10"}
BUILT_IN = (*GENERATED, *SIMULATED, "sgemm", "utkface", "carla2d", *CLASSIFIED)
SPLITS = ("random", "blocked")


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` is built in or the path of a table."""
    if name in BUILT_IN:
        return
    from nrc_core.data.tables import FORMATS, conversion, is_table  # imports pandas, which takes a second

    if not is_table(name):
        if remedy := conversion(name):
            raise ConfigError(f"data set {name!r} is not a table in a format that is read ({FORMATS}): {remedy}")
        hint = suggestion(name, BUILT_IN, "built in are")
        raise ConfigError(f"unknown data set {name!r}: {hint} (a file of your own works too: {FORMATS})")


def check_request(name: str, *, split: str, targets: Sequence[str]) -> None:
    """Raise ConfigError for an unknown data set or split, or if targets are named for a built-in data set.

    No data are loaded.
    """
    check_name(name)
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}: got {split!r}")
    if isinstance(targets, str):
        raise ConfigError(f"targets must be a list of names, as [{targets!r}]: got the text {targets!r}")
    if name in BUILT_IN and targets:
        raise ConfigError(f"targets are named for a table of your own; {name!r} has its own targets")


def check_samples(samples: int | None, rows: int) -> None:
    """Raise ConfigError if a data set has fewer rows than `samples`, or `samples` is below 1; None means all rows."""
    if samples is not None and not 1 <= samples <= rows:
        raise ConfigError(f"samples must be between 1 and the {rows} rows there are: got {samples}")


def data_identity(name: str, *, targets: Sequence[str] = (), split: str = "random") -> str:
    """The text that stands for a data set in content keys, which also contain the options of loading.

    For prepared data it is the identity in their manifest. For a table of your own it is a fingerprint of its numbers,
    the names of its target columns and its own split. For generated data it is the name alone, because the options
    decide every number.

    Raises:
        ConfigError: the name is unknown, the table does not have the targets, or another split is asked for than the
            table's own.
        DataUnavailable: the prepared data are not on this machine.
        DataDamaged: a manifest or a table cannot be read.

    Example:
        >>> data_identity("synthetic")
        'synthetic'
    """
    check_name(name)
    if name in GENERATED:
        return name
    if name in BUILT_IN:
        return read_manifest(data_folder() / name).identity
    from nrc_core.data.tables import checksum

    path = Path(name)
    return _of_table(path, checksum(path), tuple(targets), split)


@lru_cache(maxsize=64)  # asked for once a configuration
def _of_table(path: Path, checksum: str, targets: tuple[str, ...], split: str) -> str:
    from nrc_core.data.tables import read_table

    return read_table(path, targets, split=split).identity
