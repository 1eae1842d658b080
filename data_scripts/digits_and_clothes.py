"""MNIST and Fashion-MNIST in one data set of 39 classes: 14 x 14 pixels, upright and turned by a quarter.

Many classes are needed to train on some and to measure on others that the network never saw. A turned zero looks like
a zero, so this class is left out. Everything comes from the two prepared data sets.
"""

import hashlib
from pathlib import Path

import numpy as np

from data_scripts.images import labelled, png, write_labelled
from data_scripts.mnist import SIDE
from nrc_core.data.images import decode
from nrc_core.data.prepared import Manifest, read_prepared
from nrc_core.errors import DataUnavailable

ORIGINALS = ("mnist", "fashion_mnist")
PER_CLASS = {"train": 500, "test": 250}  # the first rows of each class
ALIKE = "0"  # the class that looks the same when it is turned
RECIPE = "means of 2 x 2 pixels, rounded; turned by np.rot90; first rows of each class"  # a part of the identity


def prepare(name: str, data_dir: Path, from_dir: Path | None) -> Manifest:
    """Make `data_dir/name` from the prepared data sets `mnist` and `fashion_mnist` in `from_dir`, or in `data_dir`.

    Raises:
        DataUnavailable: one of the two is not prepared.
        DataDamaged: one of the two is damaged.
    """
    folder = from_dir or data_dir
    for original in ORIGINALS:
        if not (folder / original).is_dir():
            raise DataUnavailable(
                f"{name} is made from {' and '.join(ORIGINALS)}, and {original} is not prepared: run "
                f"`nrc data {original}` first"
            )
    read = {original: read_prepared(folder / original) for original in ORIGINALS}
    parts: dict[str, tuple[list[bytes], list[int]]] = {part: ([], []) for part in PER_CLASS}
    classes: list[str] = []
    for turned in (False, True):
        for table, manifest in read.values():
            for label, title in enumerate(manifest.facts["classes"]):
                if turned and title == ALIKE:
                    continue
                for part, count in PER_CLASS.items():
                    rows = table[(table["part"] == part) & (table["label"] == label)].iloc[:count]
                    pictures, labels = parts[part]
                    if len(rows):  # a class without rows is refused below, with the number of all rows
                        pictures += [png(one) for one in smaller(_pixels(rows["image"].to_numpy()), turned=turned)]
                    labels += [len(classes)] * len(rows)
                classes.append(f"{title}, turned" if turned else str(title))
    arrays = {part: (pictures, np.array(labels)) for part, (pictures, labels) in parts.items()}
    expected = {part: count * len(classes) for part, count in PER_CLASS.items()}
    table = labelled(arrays, expected, len(classes), f"prepare {' and '.join(ORIGINALS)} again")
    manifests = [manifest for _, manifest in read.values()]
    text = "".join([*(manifest.identity for manifest in manifests), RECIPE, str(PER_CLASS)])
    return write_labelled(
        data_dir / name,
        table,
        source="; ".join(manifest.source for manifest in manifests),
        licence="; ".join(manifest.licence for manifest in manifests),
        identity=hashlib.sha256(text.encode()).hexdigest(),
        facts={"classes": classes},
    )


def _pixels(images: np.ndarray) -> np.ndarray:
    return decode(images).numpy()[:, 0]


def smaller(pictures: np.ndarray, *, turned: bool) -> np.ndarray:
    """Means of 2 x 2 pixels of uint8 pictures (n, 28, 28), rounded; turned by a quarter against the clock if asked.

    Example:
        >>> picture = np.zeros((1, 28, 28), np.uint8)
        >>> picture[0, 0, :2] = 100
        >>> small = smaller(picture, turned=False)
        >>> small.shape, int(small[0, 0, 0]), int(smaller(picture, turned=True)[0, -1, 0])
        ((1, 14, 14), 50, 50)
    """
    halved = pictures.reshape(-1, SIDE // 2, 2, SIDE // 2, 2).astype(np.uint16).sum((2, 4))
    rounded = ((halved + 2) // 4).astype(np.uint8)
    return np.ascontiguousarray(np.rot90(rounded, axes=(1, 2))) if turned else rounded
