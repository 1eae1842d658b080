"""Tiny files in the formats of the originals of classified pictures, and the expected data from them."""

import gzip
import hashlib
import io
import struct
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io

from data_scripts import cifar10, mnist, prepare, stl10, svhn
from nrc_core.data.prepared import Manifest, read_prepared

ROWS = {"train": 5, "test": 3}
NAMES = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]


@dataclass
class Originals:
    """A folder of tiny original files, and the expected data from them."""

    name: str
    folder: Path
    pictures: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    known: Callable[[], None]  # makes the scripts take the files in the folder for the originals

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def drawn(last: int, side: int, *colours: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Random pictures and their labels; the last label is given."""
    random = np.random.default_rng(0)
    pictures = {part: random.integers(0, 256, (rows, side, side, *colours), np.uint8) for part, rows in ROWS.items()}
    return pictures, {"train": np.array([0, 9, 3, 0, 1]), "test": np.array([7, 0, last])}


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def tar(path: Path, members: list[tuple]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content, *kind in members:
            member = tarfile.TarInfo(name)
            if kind:
                member.type, member.linkname = kind[0], content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def make_idx(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, last: int = 9) -> Originals:
    pictures, labels = drawn(last, 28)
    contents = {}
    for part, prefix in mnist.PREFIXES.items():
        contents[f"{prefix}-images-idx3-ubyte.gz"] = idx(pictures[part])
        contents[f"{prefix}-labels-idx1-ubyte.gz"] = idx(labels[part])
    for file, content in contents.items():
        (folder / file).write_bytes(gzip.compress(content))

    def known() -> None:
        checksums = {}
        for file in mnist.CHECKSUMS[name]:
            content = gzip.decompress((folder / file).read_bytes())
            checksums[file] = digest(folder / file), hashlib.md5(content).hexdigest()
        monkeypatch.setitem(mnist.CHECKSUMS, name, checksums)

    monkeypatch.setattr(mnist, "ROWS", ROWS)
    return Originals(name, folder, pictures, labels, known)


def cifar_members(pictures: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> list[tuple]:
    members: list[tuple] = [("cifar-10-batches-bin/batches.meta.txt", b"airplane\n")]
    for part, batches in cifar10.BATCHES.items():
        for batch, chosen in zip(batches, np.array_split(np.arange(ROWS[part]), len(batches)), strict=True):
            records = [bytes([labels[part][i]]) + pictures[part][i].transpose(2, 0, 1).tobytes() for i in chosen]
            members.insert(0, (f"cifar-10-batches-bin/{batch}.bin", b"".join(records)))  # the last batch first
    return members


def make_cifar10(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, last: int = 9) -> Originals:
    pictures, labels = drawn(last, 32, 3)
    path = folder / cifar10.ARCHIVE
    tar(path, cifar_members(pictures, labels))
    monkeypatch.setattr(cifar10, "ROWS", ROWS)
    return Originals(name, folder, pictures, labels, lambda: monkeypatch.setattr(cifar10, "CHECKSUM", digest(path)))


def make_svhn(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, last: int = 9) -> Originals:
    pictures, labels = drawn(last, 32, 3)
    for part, file in svhn.FILES.items():
        y = np.where(labels[part] == 0, 10, labels[part]).astype(np.uint8)[:, None]
        content = {"X": pictures[part].transpose(1, 2, 3, 0), "y": y}
        scipy.io.savemat(folder / file, content, do_compression=True)
    monkeypatch.setattr(svhn, "ROWS", ROWS)

    def known() -> None:
        for part, file in svhn.FILES.items():
            monkeypatch.setitem(svhn.CHECKSUMS, part, digest(folder / file))

    return Originals(name, folder, pictures, labels, known)


def stl_members(pictures: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> list[tuple]:
    members: list[tuple] = [
        (f"stl10_binary/{part}_X.bin", x.transpose(0, 3, 2, 1).tobytes()) for part, x in pictures.items()
    ]
    members += [(f"stl10_binary/{part}_y.bin", (y + 1).astype(np.uint8).tobytes()) for part, y in labels.items()]
    return [
        *members,
        ("stl10_binary/unlabeled_X.bin", b"not read"),
        ("stl10_binary/class_names.txt", "\n".join(NAMES).encode()),
    ]


def make_stl10(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, last: int = 9) -> Originals:
    pictures, labels = drawn(last, 96, 3)
    path = folder / "stl10_binary.tar.gz"
    tar(path, stl_members(pictures, labels))
    monkeypatch.setattr(stl10, "ROWS", ROWS)
    return Originals(name, folder, pictures, labels, lambda: monkeypatch.setattr(stl10, "CHECKSUM", digest(path)))


MAKERS = {
    "mnist": make_idx,
    "fashion_mnist": make_idx,
    "cifar10": make_cifar10,
    "svhn": make_svhn,
    "stl10": make_stl10,
}


def made(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int = 9) -> Originals:
    (tmp_path / "originals").mkdir()
    found = MAKERS[name](name, tmp_path / "originals", monkeypatch, last)
    found.known()
    return found


def everything_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def prepared(originals: Originals, tmp_path: Path) -> tuple[pd.DataFrame, Manifest]:
    prepare(originals.name, tmp_path / "data", from_dir=originals.folder)
    return read_prepared(tmp_path / "data" / originals.name)


def refused(originals: Originals, tmp_path: Path, error: type[Exception], match: str) -> str:
    """Check that the originals are refused in one line and leave no incomplete file; return the line."""
    with pytest.raises(error, match=match) as raised:
        prepare(originals.name, tmp_path / "data", from_dir=originals.folder)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "data").exists()
    return str(raised.value)
