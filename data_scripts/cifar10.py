"""CIFAR-10: photographs, 32 x 32 in colour -> one of ten classes.

The source is the binary version of the original archive, or two Parquet files of JPEG pictures. The version for
Python is pickled and is never read.
"""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_scripts.download import obtain
from data_scripts.images import fault, labelled, png, tar_members, write_labelled
from nrc_core.data.prepared import Manifest
from nrc_core.errors import DataDamaged, DataUnavailable
from nrc_core.files import sha256

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
PAGE, ARCHIVE = "https://www.cs.toronto.edu/~kriz/cifar.html", "cifar-10-binary.tar.gz"
CHECKSUM = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
BATCHES = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
SIDE, ROWS, BATCH_ROWS = 32, {"train": 50_000, "test": 10_000}, 10_000
RECORD_BYTES = 1 + 3 * SIDE**2  # the label, then all red, all green and all blue values
PARQUET = {
    "train-00000-of-00001.parquet": "81135e3854b09d8e7b442c427f5a4ee9edc4bff17089187ce93d7b980640e901",
    "test-00000-of-00001.parquet": "62d16f2245495c9064c1be0f72b3d24e89678aa6f2aa0f2c1b43dee3a0abd8ca",
}
NOTE = "every image was re-encoded as JPEG by whoever made this copy: it is not pixel-identical with the original"
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def prepare(name: str, data_dir: Path, from_dir: Path | None) -> Manifest:
    """Make `data_dir/name` from the original archive, in `from_dir` or downloaded, or from Parquet files in `from_dir`.

    Raises:
        DataUnavailable: neither the archive nor the Parquet files are in `from_dir`, or the download fails.
        DataDamaged: the files are not the original archive or the known Parquet files.
    """
    source = f"CIFAR-10 (Krizhevsky, 2009), {PAGE}"
    facts: dict[str, object] = {"classes": CLASSES}
    if from_dir is None or (from_dir / ARCHIVE).is_file():
        archive = obtain(URL, CHECKSUM, data_dir / "downloads", from_dir)
        parts, identity = read_archive(archive), CHECKSUM
        facts["url"] = URL
    else:
        parts = read_parquet(from_dir)
        identity = hashlib.sha256("".join(PARQUET.values()).encode()).hexdigest()
        source, facts["note"] = f"{source}; {NOTE}", NOTE
    table = labelled(parts, ROWS, len(CLASSES), f"get the original from {URL}")
    return write_labelled(
        data_dir / name,
        table,
        source=source,
        licence="none is stated with the data; they are never republished",
        identity=identity,
        facts=facts,
    )


def read_archive(archive: Path) -> dict[str, tuple[list[bytes], np.ndarray]]:
    """Pictures as PNG and labels of each part, read with numpy, because torchvision reads only the pickled version."""
    remedy = f"get it again from {URL}"
    names = {batch: f"cifar-10-batches-bin/{batch}.bin" for batches in BATCHES.values() for batch in batches}
    pictures: dict[str, list[bytes]] = {}
    labels: dict[str, np.ndarray] = {}
    limits = dict.fromkeys(names.values(), BATCH_ROWS * RECORD_BYTES)
    for member, content in tar_members(archive, limits, remedy):
        if len(content) % RECORD_BYTES:
            raise DataDamaged(f"{member} in {archive} is cut off after {len(content)} bytes: {remedy}")
        records = np.frombuffer(content, np.uint8).reshape(-1, RECORD_BYTES)
        images = records[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        pictures[member], labels[member] = [png(image) for image in images], records[:, 0]
    return {
        part: (
            [picture for batch in batches for picture in pictures[names[batch]]],
            np.concatenate([labels[names[batch]] for batch in batches]),
        )
        for part, batches in BATCHES.items()
    }


def read_parquet(folder: Path) -> dict[str, tuple[list[bytes], np.ndarray]]:
    """Pictures and labels of each part from the Parquet files in a folder; the JPEG bytes stay as they are.

    Raises:
        DataUnavailable: a file is missing.
        DataDamaged: a file is not the known file, or one of its pictures is not a JPEG of the right size.
    """
    parts = {}
    for part, (file, checksum) in zip(ROWS, PARQUET.items(), strict=True):
        path = folder / file
        if not path.is_file():
            raise DataUnavailable(f"{path} is not there, nor is {ARCHIVE}: put {ARCHIVE} from {URL} into {folder}")
        remedy = f"get a fresh copy, or {ARCHIVE} from {URL}"
        if (found := sha256(path)) != checksum:
            raise DataDamaged(
                f"{path} has SHA-256 {found[:12]}..., expected {checksum[:12]}...: it is truncated, altered or another "
                f"copy, {remedy}"
            )
        try:
            with pq.ParquetFile(path) as table:
                columns = table.read(columns=["img.bytes", "label"])
            pictures = [image["bytes"] for image in columns["img"].to_pylist()]
            labels = columns["label"].to_numpy()
        except (pa.ArrowException, OSError, KeyError, TypeError) as error:
            raise DataDamaged(f"{path} has no columns img.bytes and label ({error}): {remedy}") from None
        for number, picture in enumerate(pictures):
            if reason := fault(picture, "JPEG", (SIDE, SIDE)):
                raise DataDamaged(f"picture {number} in {path} is {reason}: {remedy}")
        parts[part] = pictures, labels
    return parts
