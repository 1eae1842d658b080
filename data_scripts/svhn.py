"""SVHN: photographs of house numbers, cropped to one digit, 32 x 32 in colour -> the digit."""

import hashlib
from pathlib import Path

import numpy as np
import scipy.io

from data_scripts.download import obtain
from data_scripts.images import labelled, png, write_labelled
from nrc_core.data.prepared import Manifest
from nrc_core.errors import DataDamaged

PAGE = "http://ufldl.stanford.edu/housenumbers/"
FILES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}
CHECKSUMS = {
    "train": "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
    "test": "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
}
ROWS, PICTURE, CLASSES = {"train": 73_257, "test": 26_032}, (32, 32, 3), list("0123456789")


def prepare(name: str, data_dir: Path, from_dir: Path | None) -> Manifest:
    """Make `data_dir/name` from the MATLAB files of cropped digits, in `from_dir` or downloaded.

    Raises:
        DataUnavailable: a file is not in `from_dir`, or cannot be downloaded.
        DataDamaged: a file is not the original.
    """
    parts = {}
    for part, file in FILES.items():
        path = obtain(PAGE + file, CHECKSUMS[part], data_dir / "downloads", from_dir)
        parts[part] = read_matlab(path, ROWS[part])
    table = labelled(parts, ROWS, len(CLASSES), f"get the files again from {PAGE}")
    return write_labelled(
        data_dir / name,
        table,
        source=f"SVHN, cropped digits (Netzer, Wang, Coates, Bissacco, Wu and Ng, 2011), {PAGE}",
        licence="non-commercial use only",
        identity=hashlib.sha256("".join(CHECKSUMS.values()).encode()).hexdigest(),
        facts={"classes": CLASSES, "url": PAGE},
    )


def read_matlab(path: Path, rows: int) -> tuple[list[bytes], np.ndarray]:
    """Pictures as PNG and digits of a file. In the file the digit 0 has the label 10.

    The file is read with scipy, as in torchvision. But torchvision's reader does not check the shapes before it unpacks
    the arrays.

    Raises:
        DataDamaged: the file is truncated, not a MATLAB file, or does not contain `rows` pictures with labels from 1
            to 10.
    """
    remedy = f"get it again from {PAGE}"
    try:
        shapes = {name: shape for name, shape, _ in scipy.io.whosmat(path)}
        expected = {"X": (*PICTURE, rows), "y": (rows, 1)}
        if {name: shapes.get(name) for name in expected} != expected:
            raise DataDamaged(f"{path} does not hold {rows} pictures X and their labels y, but {shapes}: {remedy}")
        content = scipy.io.loadmat(path, variable_names=list(expected))
    except DataDamaged:
        raise
    except Exception as error:  # scipy may raise any error on bytes that it does not expect
        raise DataDamaged(f"{path} is truncated or no MATLAB file ({error}): {remedy}") from None
    pictures, labels = content["X"], content["y"][:, 0]
    if pictures.dtype != np.uint8:
        raise DataDamaged(f"the pictures in {path} must be bytes, got {pictures.dtype}: {remedy}")
    wrong = np.setdiff1d(labels, np.arange(1, len(CLASSES) + 1))
    if wrong.size:
        raise DataDamaged(f"labels must be from 1 to {len(CLASSES)}, {path} has {wrong[0]}: {remedy}")
    return [png(pictures[..., number]) for number in range(rows)], labels % len(CLASSES)
