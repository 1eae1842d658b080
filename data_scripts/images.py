"""Pictures in prepared data sets: they are read safely from archives, checked, and stored without loss."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from nrc_core.data.prepared import Manifest, write_prepared
from nrc_core.errors import DataDamaged

# The largest archive, STL-10, unpacks to 3.1 GB in a dozen members. A file above these limits is not an original.
MEMBERS, UNPACKED_BYTES = 100, 5_000_000_000


def png(pixels: np.ndarray) -> bytes:
    """Encode a picture of uint8, (height, width, 3) or (height, width) if grey, as PNG, without loss."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def fault(content: bytes, encoding: str, size: tuple[int, int]) -> str | None:
    """The reason why bytes are not a complete colour picture of the size (width, height), or None if they are one.

    Example:
        >>> fault(b"nonsense", "JPEG", (200, 200))
        'not a readable JPEG'
        >>> fault(png(np.zeros((2, 4, 3), np.uint8)), "PNG", (4, 4))
        'not 4 x 4 pixels in colour'
    """
    try:
        with Image.open(io.BytesIO(content), formats=[encoding]) as image:
            if image.size != size or image.mode != "RGB":  # checked before the pixels are read: there may be many
                return f"not {size[0]} x {size[1]} pixels in colour"
            image.load()
    except Exception:  # Pillow may raise any error on bytes that it does not expect
        return f"not a readable {encoding}"
    return None


def labelled(
    parts: dict[str, tuple[list[bytes], np.ndarray]], rows: dict[str, int], classes: int, remedy: str
) -> pd.DataFrame:
    """The table of a data set of images in classes: encoded pictures, their labels from 0, and their parts.

    Args:
        parts: pictures and labels of each part; the table has the parts in this order.
        rows: number of pictures that each part must have.
        classes: number of classes.
        remedy: what to do if the data are wrong, for the error message.

    Raises:
        DataDamaged: a part has another number of pictures or labels, or a label is out of range.

    Example:
        >>> labelled({"train": ([b"..."], np.array([3]))}, {"train": 1}, 10, "get it again")
            image  label   part
        0  b'...'      3  train
    """
    for part, (pictures, labels) in parts.items():
        if not len(pictures) == len(labels) == rows[part]:
            counts = f"{len(pictures)} pictures and {len(labels)} labels"
            raise DataDamaged(f"the part {part} must have {rows[part]} rows, got {counts}: {remedy}")
        wrong = np.setdiff1d(labels, np.arange(classes))
        if wrong.size:
            raise DataDamaged(f"labels must be from 0 to {classes - 1}, the part {part} has {wrong[0]}: {remedy}")
    return pd.DataFrame(
        {
            "image": [picture for pictures, _ in parts.values() for picture in pictures],
            "label": np.concatenate([labels for _, labels in parts.values()]).astype(np.int64),
            "part": [part for part, (pictures, _) in parts.items() for _ in pictures],
        }
    )


def write_labelled(
    folder: Path, table: pd.DataFrame, *, source: str, licence: str, identity: str, facts: dict[str, Any]
) -> Manifest:
    """Write the table that `labelled` returns and its manifest; the data set has the name of the folder.

    Args:
        folder: folder of the prepared data set.
        table: pictures, labels and parts.
        source: authors of the data, and where the data are described.
        licence: licence of the data.
        identity: checksum of the original files.
        facts: `classes`, the names of the classes in the order of the labels, and any other facts.
    """
    manifest = Manifest(
        name=folder.name,
        kind="real",
        source=source,
        licence=licence,
        identity=identity,
        inputs=["image"],
        targets=["label"],
        rows=len(table),
        groups="part",
        images=True,
        facts=facts,
    )
    return write_prepared(folder, table, manifest)


def tar_members(archive: Path, wanted: dict[str, int], remedy: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the wanted members of a tar.gz archive, in its order.

    The archive is read once from start to end. Nothing is unpacked to disk, no link is followed, and other members are
    ignored.

    Args:
        archive: the archive.
        wanted: full names of the members, and the largest number of bytes of each.
        remedy: what to do if the archive is wrong, for the error message.

    Raises:
        DataDamaged: the archive is truncated, not a tar.gz, too large, or without a wanted member.
    """
    missing = set(wanted)
    try:
        with gzip.open(archive) as unpacked:
            stream = Bounded(
                unpacked, UNPACKED_BYTES, f"{archive} unpacks to more than {UNPACKED_BYTES} bytes: {remedy}"
            )
            with tarfile.open(fileobj=stream, mode="r|") as members:  # type: ignore[call-overload]
                for count, member in enumerate(members, 1):
                    if count > MEMBERS:
                        raise DataDamaged(f"{archive} has more than {MEMBERS} members: {remedy}")
                    if member.name not in missing or not member.isfile():
                        continue
                    if member.size > wanted[member.name]:
                        raise DataDamaged(
                            f"{member.name} in {archive} has more than {wanted[member.name]} bytes: {remedy}"
                        )
                    file = members.extractfile(member)
                    missing.remove(member.name)
                    yield member.name, file.read() if file else b""
                    if not missing:
                        return  # the rest is not needed; in STL-10 it is most of the archive
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError, ValueError) as error:
        raise DataDamaged(f"{archive} is truncated or no tar.gz ({error}): {remedy}") from None
    raise DataDamaged(f"{archive} lacks the file {min(missing)}: {remedy}")


class Bounded:
    """A compressed file that may unpack to `limit` bytes at most, because a hostile file could have no end."""

    def __init__(self, file: gzip.GzipFile, limit: int, message: str):
        self.file, self.message, self.left = file, message, limit

    def read(self, size: int) -> bytes:
        """Read from the file. Raises DataDamaged if the file has unpacked to more than the limit."""
        data = self.file.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise DataDamaged(self.message)
        return data
