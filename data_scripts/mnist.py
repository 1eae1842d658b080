"""MNIST and Fashion-MNIST: grey pictures of handwritten digits or of clothes, 28 x 28 -> one of ten classes.

Each data set consists of four compressed IDX files, with the same file names in both. Copies are compressed in
different ways, so the checksum of a local copy is the checksum of its unpacked content.
"""

import gzip
import hashlib
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_scripts.download import obtain
from data_scripts.images import labelled, png, write_labelled
from nrc_core.data.prepared import Manifest
from nrc_core.errors import DataDamaged, DataUnavailable

SIDE, ROWS = 28, {"train": 60_000, "test": 10_000}
PREFIXES = {"train": "train", "test": "t10k"}
MOST_BYTES = 50_000_000  # the largest of the files unpacks to 47 MB
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # folder of Debian's package dataset-fashion-mnist


@dataclass(frozen=True)
class Original:
    """Origin of a data set, and the names of its classes in the order of the labels."""

    url: str
    source: str
    licence: str
    classes: tuple[str, ...]


ORIGINALS = {
    "mnist": Original(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "MNIST (LeCun, Cortes and Burges, 1998), http://yann.lecun.com/exdb/mnist/",
        "CC BY-SA 3.0",
        tuple("0123456789"),
    ),
    "fashion_mnist": Original(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017), https://github.com/zalandoresearch/fashion-mnist",
        "MIT",
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
}
# For each file, the SHA-256 of the original download and the MD5 of the unpacked content.
CHECKSUMS = {
    "mnist": {
        "train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "6bbc9ace898e44ae57da46a324031adb",
        ),
        "train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "a25bea736e30d166cdddb491f175f624",
        ),
        "t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "2646ac647ad5339dbf082846283269ea",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        ),
        "train-labels-idx1-ubyte.gz": (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "9018921c3c673c538a1fc5bad174d6f9",
        ),
        "t10k-images-idx3-ubyte.gz": (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "8181f5470baa50b63fa0f6fddb340f0a",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
    },
}


def prepare(name: str, data_dir: Path, from_dir: Path | None) -> Manifest:
    """Make `data_dir/name` from the four IDX files: from `from_dir`, else from Debian's package, else downloaded.

    Raises:
        DataUnavailable: a file is not in `from_dir`, or cannot be downloaded.
        DataDamaged: a file is truncated, or its content is not the known content.
    """
    original, checksums = ORIGINALS[name], CHECKSUMS[name]
    if from_dir is None and name == "fashion_mnist" and all((DEBIAN / file).is_file() for file in checksums):
        from_dir = DEBIAN
    contents = {file: _content(name, file, data_dir, from_dir) for file in checksums}
    parts = {}
    for part, prefix in PREFIXES.items():
        images = read_idx(contents[f"{prefix}-images-idx3-ubyte.gz"], (ROWS[part], SIDE, SIDE))
        labels = read_idx(contents[f"{prefix}-labels-idx1-ubyte.gz"], (ROWS[part],))
        parts[part] = [png(image) for image in images], labels
    table = labelled(parts, ROWS, len(original.classes), f"get the files of {name} from {original.url}")
    return write_labelled(
        data_dir / name,
        table,
        source=original.source,
        licence=original.licence,
        identity=hashlib.sha256("".join(md5 for _, md5 in checksums.values()).encode()).hexdigest(),
        facts={"classes": list(original.classes), "url": original.url},
    )


def read_idx(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The bytes of an unpacked IDX file as an array. Torchvision's reader would need the file unpacked on disk.

    Raises:
        DataDamaged: the file contains an array of another shape or type, or is cut off.

    Example:
        >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), (2,))
        array([7, 9], dtype=uint8)
    """
    header = struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)
    if not content.startswith(header) or len(content) != len(header) + math.prod(shape):
        raise DataDamaged(f"an IDX file of {len(content)} bytes is no array of {shape} bytes: get the original")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)


def _content(name: str, file: str, data_dir: Path, from_dir: Path | None) -> bytes:
    """The unpacked content of one of the compressed files; its checksum is compared first."""
    url, (packed, unpacked) = ORIGINALS[name].url + file, CHECKSUMS[name][file]
    if from_dir is None:  # each data set has its own folder, because both have the same file names
        path = obtain(url, packed, data_dir / "downloads" / name, None)
    elif not (path := from_dir / file).is_file():
        raise DataUnavailable(f"{path} is not there: put {file} from {url} into {from_dir}")
    try:
        with gzip.open(path) as members:
            content = members.read(MOST_BYTES)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataDamaged(f"{path} is truncated or not compressed ({error}): get it again from {url}") from None
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != unpacked:
        raise DataDamaged(
            f"{path} unpacks to content of MD5 {found[:12]}..., expected {unpacked[:12]}...: it is not the original, "
            f"get it from {url}"
        )
    return content
