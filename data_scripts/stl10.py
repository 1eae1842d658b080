"""STL-10: photographs, 96 x 96 in colour -> one of ten classes. Unlabelled photographs in the archive are not read."""

from pathlib import Path

import numpy as np

from data_scripts.download import obtain
from data_scripts.images import labelled, png, tar_members, write_labelled
from nrc_core.data.prepared import Manifest
from nrc_core.errors import DataDamaged

PAGE = "https://cs.stanford.edu/~acoates/stl10/"
URL = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
CHECKSUM = "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866"
FOLDER, NAMES, NAMES_BYTES = "stl10_binary", "class_names.txt", 1000
SIDE, ROWS, CLASSES = 96, {"train": 5000, "test": 8000}, 10
PICTURE_BYTES = 3 * SIDE**2


def prepare(name: str, data_dir: Path, from_dir: Path | None) -> Manifest:
    """Make `data_dir/name` from the original archive, in `from_dir` or downloaded.

    Raises:
        DataUnavailable: the archive is not in `from_dir`, or cannot be downloaded.
        DataDamaged: the archive is not the original.
    """
    archive = obtain(URL, CHECKSUM, data_dir / "downloads", from_dir)
    parts, classes = read_archive(archive)
    table = labelled(parts, ROWS, CLASSES, f"get the archive again from {URL}")
    return write_labelled(
        data_dir / name,
        table,
        source=f"STL-10, labelled images (Coates, Lee and Ng, 2011), {PAGE}",
        licence="none is stated with the data, which are from ImageNet; they are never republished",
        identity=CHECKSUM,
        facts={"classes": classes, "url": URL},
    )


def read_archive(archive: Path) -> tuple[dict[str, tuple[list[bytes], np.ndarray]], list[str]]:
    """Pictures as PNG and labels from 0 of each part, and the names of the classes.

    They are read with numpy, because torchvision's reader needs the archive unpacked on disk.

    Raises:
        DataDamaged: the archive is truncated, not a tar.gz, or does not contain complete pictures in ten classes.
    """
    remedy = f"get it again from {URL}"
    limits = {f"{FOLDER}/{NAMES}": NAMES_BYTES}
    for part, rows in ROWS.items():
        limits |= {f"{FOLDER}/{part}_X.bin": rows * PICTURE_BYTES, f"{FOLDER}/{part}_y.bin": rows}
    pictures: dict[str, list[bytes]] = {}
    labels: dict[str, np.ndarray] = {}
    classes: list[str] = []
    for member, content in tar_members(archive, limits, remedy):
        if member.endswith("_X.bin"):
            if len(content) % PICTURE_BYTES:
                raise DataDamaged(f"{member} in {archive} is cut off after {len(content)} bytes: {remedy}")
            images = np.frombuffer(content, np.uint8).reshape(-1, 3, SIDE, SIDE).transpose(0, 3, 2, 1)  # column-major
            pictures[member] = [png(image) for image in images]
        elif member.endswith("_y.bin"):
            labels[member] = np.frombuffer(content, np.uint8).astype(np.int64) - 1  # labels in the file start from 1
        else:
            classes = content.decode("ascii", "replace").split()
    if len(set(classes)) != CLASSES:
        raise DataDamaged(f"{NAMES} in {archive} must name {CLASSES} classes, got {len(set(classes))}: {remedy}")
    parts = {part: (pictures[f"{FOLDER}/{part}_X.bin"], labels[f"{FOLDER}/{part}_y.bin"]) for part in ROWS}
    return parts, classes
