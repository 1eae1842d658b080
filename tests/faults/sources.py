"""Small sound originals for every data script that reads files."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_scripts import carla2d, sgemm
from tests.originals import MAKERS, digest, made
from tests.test_carla import recording
from tests.test_data_scripts import demonstrations
from tests.test_utkface import face, faces, jpeg


@dataclass
class Source:
    """A folder of originals, and a way to make the scripts accept them as the known files."""

    script: str
    folder: Path
    known: Callable[[], None] = lambda: None

    @property
    def files(self) -> list[Path]:
        """The originals."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


def _classified(name: str, folder: Path, patch: pytest.MonkeyPatch) -> Source:
    found = made(name, folder, patch)
    return Source(name, found.folder, found.known)


def _sgemm(name: str, folder: Path, patch: pytest.MonkeyPatch) -> Source:
    (folder / "originals").mkdir()
    path = folder / "originals" / "sgemm_product_dataset.zip"
    numbers = np.random.default_rng(0).integers(1, 99, (20, sgemm.INPUTS + sgemm.TARGETS))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(sgemm.MEMBER, pd.DataFrame(numbers).to_csv(index=False))
    patch.setattr(sgemm, "ROWS", 20)
    return Source(name, path.parent, lambda: patch.setattr(sgemm, "CHECKSUM", digest(path)))


def _utkface(name: str, folder: Path, patch: pytest.MonkeyPatch) -> Source:
    return Source(name, faces(folder / "originals", {face(age, age): jpeg(age) for age in (7, 30, 116)}))


def _carla(name: str, folder: Path, patch: pytest.MonkeyPatch) -> Source:
    patch.setattr(carla2d, "PICTURES", (1, *carla2d.PICTURES[1:]))
    for number in range(2):
        recording(folder / "originals" / f"{number}.h5", number)
    return Source(name, folder / "originals")


def _demonstrations(suffix: str) -> Callable[[str, Path, pytest.MonkeyPatch], Source]:
    def make(name: str, folder: Path, patch: pytest.MonkeyPatch) -> Source:
        (folder / "originals").mkdir()
        demonstrations(folder / "originals" / f"hopper{suffix}")
        return Source("hopper", folder / "originals")

    return make


SOURCES: dict[str, Callable[[str, Path, pytest.MonkeyPatch], Source]] = {
    **dict.fromkeys(MAKERS, _classified),
    "sgemm": _sgemm,
    "utkface": _utkface,
    "carla2d": _carla,
    "demonstrations in HDF5": _demonstrations(".hdf5"),
    "demonstrations in NPZ": _demonstrations(".npz"),
    "demonstrations in Parquet": _demonstrations(".parquet"),
}
