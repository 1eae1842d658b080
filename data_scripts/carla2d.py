"""CARLA 2D: pictures of a forward camera, 88 x 200 -> steering and speed of a driver in the simulator CARLA.

The imitation-learning data of CoRL 2017, https://github.com/carla-simulator/imitation-learning: HDF5 files of
200 frames each. The description there and programs that read the files differ in two points. Pictures
(200, 88, 200, 3) are called `images_center` in the description, and `rgb` in the programs. The shape of `targets` is
(200, 27) in the description, which lists the columns, and (200, 28) in the programs. Column 0 is steering, in [-1, 1].
Column 10 is the speed; the programs take it as km/h, at most 90.
"""

import hashlib
import json
import logging
import time
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from data_scripts.images import png
from nrc_core.data.prepared import Manifest, write_prepared
from nrc_core.errors import DataDamaged, DataUnavailable
from nrc_core.files import sha256

logger = logging.getLogger(__name__)
PAGE = "https://github.com/carla-simulator/imitation-learning"
FRAMES = 50_000  # Table 2 of the Deep NRC paper
PICTURES, NAMES = (200, 88, 200, 3), ("rgb", "images_center")  # shape of the pictures, and possible names in a file
COLUMNS = (27, 28)  # the possible numbers of columns of `targets`
TARGETS = {"steering": 0, "speed": 10}
LOG_EVERY_SECONDS = 15.0


class _Unusable(Exception):
    """A file that is skipped; its text is the reason."""


def prepare(name: str, data_dir: Path, from_dir: Path | None) -> Manifest:
    """Make `data_dir/name` from the HDF5 files in `from_dir`, in order of their paths, up to 50,000 frames.

    Raises:
        DataUnavailable: no folder is given, or it contains no HDF5 file.
        DataDamaged: no file in the folder is usable.
    """
    remedy = f"unpack the data set (14 GB) of {PAGE} and pass its folder with --from-dir"
    if from_dir is None:
        raise DataUnavailable(
            f"{name} is not downloaded automatically, because of its 14 GB: {remedy}, or link it as {name} in "
            f"NRC_DATA_MIRROR; `nrc data car_racing` makes a small stand-in"
        )
    paths = sorted(from_dir.rglob("*.h5"), key=lambda path: path.relative_to(from_dir).as_posix())
    if not paths:
        raise DataUnavailable(f"{from_dir} holds no file named .h5: {remedy}")
    table, checksums, skipped = read_files(paths, from_dir)
    if not checksums:
        reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
        raise DataDamaged(f"none of the {len(paths)} .h5 files in {from_dir} is usable ({reasons}): {remedy}")
    content = json.dumps({"files": checksums, "columns": TARGETS}, sort_keys=True)
    manifest = Manifest(
        name=name,
        kind="real",
        source=f"CARLA imitation-learning data (Codevilla, Mueller, Lopez, Koltun and Dosovitskiy, 2018), {PAGE}",
        licence="none is stated with the data; they are never republished",
        identity=hashlib.sha256(content.encode()).hexdigest(),
        inputs=["image"],
        targets=list(TARGETS),
        rows=len(table),
        groups="recording",
        images=True,
        facts={"files": len(checksums), "frames": len(table), "skipped": dict(skipped)},
    )
    return write_prepared(data_dir / name, table, manifest)


def read_files(paths: list[Path], folder: Path) -> tuple[pd.DataFrame, list[str], Counter[str]]:
    """Frames as PNG with their targets, checksums of the files, and the number of skipped files by reason."""
    pictures: list[bytes] = []
    targets: list[np.ndarray] = []
    recordings: list[int] = []
    checksums: list[str] = []
    skipped: Counter[str] = Counter()
    logged = time.monotonic()
    for path in paths:
        if len(pictures) >= FRAMES:
            break
        try:
            frames, measured = _read(path, folder)
        except _Unusable as error:
            skipped[str(error)] += 1
            logger.warning("%s is skipped: %s", path, error)
            continue
        pictures += [png(frame) for frame in frames]  # after each file, because raw frames take more memory
        targets.append(measured)
        recordings += [len(checksums)] * len(frames)
        checksums.append(sha256(path))
        if time.monotonic() - logged > LOG_EVERY_SECONDS:
            logged = time.monotonic()
            logger.info("carla2d: %d of at most %d frames", len(pictures), FRAMES)
    columns = np.concatenate([*targets, np.empty((0, len(TARGETS)))])
    table = pd.DataFrame({"image": pictures, **dict(zip(TARGETS, columns.T, strict=True)), "recording": recordings})
    return table.iloc[:FRAMES], checksums, skipped


def _read(path: Path, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Frames and targets (steering, speed) of one file."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise _Unusable("link to outside the folder")
    try:
        with h5py.File(path, "r") as file:
            name = next((name for name in NAMES if name in file), NAMES[0])
            pictures, measurements = _dataset(file, name), _dataset(file, "targets")
            if (pictures.shape, pictures.dtype.kind, pictures.dtype.itemsize) != (PICTURES, "u", 1):
                raise _Unusable(f"{name} of the wrong shape or type")
            shapes = [(PICTURES[0], columns) for columns in COLUMNS]
            if measurements.shape not in shapes or measurements.dtype.kind != "f":
                raise _Unusable("targets of the wrong shape or type")
            frames, targets = pictures[()], measurements[:, list(TARGETS.values())].astype(np.float64)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        raise _Unusable("truncated or not HDF5") from None
    if not np.isfinite(targets).all():
        raise _Unusable("targets not finite")
    return frames, targets


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """A dataset of a file; it must be stored in this file, not in another file to which this file refers."""
    found = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external:
        raise _Unusable(f"lacks {name}")
    return found
