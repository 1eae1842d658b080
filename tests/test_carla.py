"""CARLA's HDF5 files: frames are kept without loss; damaged files are named, skipped and counted."""

import io
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from data_scripts import carla2d, prepare
from nrc_core import DataDamaged, DataUnavailable
from nrc_core.data.prepared import read_prepared


@pytest.fixture
def short_files(monkeypatch):
    """Files of three frames in place of two hundred."""
    monkeypatch.setattr(carla2d, "PICTURES", (3, *carla2d.PICTURES[1:]))


def recording(path: Path, seed: int = 0, **replaced) -> Path:
    """A file with random frames and targets; a dataset that is replaced by None is left out."""
    generator = np.random.default_rng(seed)
    content = {
        "rgb": generator.integers(0, 256, carla2d.PICTURES, np.uint8),
        "targets": generator.standard_normal((carla2d.PICTURES[0], 28)).astype(np.float32),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in (content | replaced).items():
            if array is not None:
                file[name] = array
    return path


def test_frames_are_kept_without_loss_in_order_of_the_files(tmp_path, short_files):
    paths = [recording(tmp_path / "h5" / name, seed) for seed, name in enumerate(("a/2.h5", "a/10.h5", "b.h5"))]
    manifest = prepare("carla2d", tmp_path / "data", from_dir=tmp_path / "h5")
    table, _ = read_prepared(tmp_path / "data" / "carla2d")
    for number, path in enumerate((paths[1], paths[0], paths[2])):
        with h5py.File(path, "r") as file:
            part = table[table["recording"] == number]
            pixels = np.stack([np.asarray(Image.open(io.BytesIO(content))) for content in part["image"]])
            assert np.array_equal(pixels, file["rgb"][()])
            assert np.array_equal(part[["steering", "speed"]], file["targets"][:, [0, 10]])
    assert (manifest.kind, manifest.groups, manifest.rows) == ("real", "recording", 9)
    assert manifest.facts == {"files": 3, "frames": 9, "skipped": {}}


def test_files_as_the_published_description_has_them(tmp_path, short_files):
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, carla2d.PICTURES, np.uint8)
    targets = generator.standard_normal((3, 27)).astype(np.float32)
    recording(tmp_path / "h5" / "one.h5", rgb=None, images_center=pictures, targets=targets)
    manifest = prepare("carla2d", tmp_path / "data", from_dir=tmp_path / "h5")
    assert (manifest.rows, manifest.facts["skipped"]) == (3, {})


def test_reading_stops_at_the_frames_of_the_paper(tmp_path, short_files, monkeypatch):
    for seed in range(3):
        recording(tmp_path / "h5" / f"{seed}.h5", seed)
    identities = {prepare("carla2d", tmp_path / "data", from_dir=tmp_path / "h5").identity}
    monkeypatch.setattr(carla2d, "FRAMES", 5)
    manifest = prepare("carla2d", tmp_path / "data", from_dir=tmp_path / "h5")
    assert (manifest.rows, manifest.facts["files"]) == (5, 2)
    assert len(identities | {manifest.identity}) == 2


def truncated(folder: Path) -> None:
    path = recording(folder / "bad.h5")
    path.write_bytes(path.read_bytes()[:-5000])


def linked(folder: Path) -> None:
    recording(folder.parent / "elsewhere.h5")
    (folder / "bad.h5").symlink_to(folder.parent / "elsewhere.h5")


def external(folder: Path) -> None:
    recording(folder.parent / "elsewhere.h5")
    recording(folder / "bad.h5", rgb=h5py.ExternalLink("../elsewhere.h5", "rgb"))


NAN = np.full((3, 28), np.nan, np.float32)
BAD_FILES = {
    "truncated": (truncated, "truncated or not HDF5"),
    "text": (lambda folder: (folder / "bad.h5").write_text("text"), "truncated or not HDF5"),
    "empty": (lambda folder: (folder / "bad.h5").touch(), "truncated or not HDF5"),
    "no targets": (lambda folder: recording(folder / "bad.h5", targets=None), "lacks targets"),
    "no rgb": (lambda folder: recording(folder / "bad.h5", rgb=None), "lacks rgb"),
    "external": (external, "lacks rgb"),
    "shape": (
        lambda folder: recording(folder / "bad.h5", rgb=np.zeros((3, 88, 200), np.uint8)),
        "rgb of the wrong shape or type",
    ),
    "floats": (
        lambda folder: recording(folder / "bad.h5", rgb=np.zeros(carla2d.PICTURES, np.float32)),
        "rgb of the wrong shape or type",
    ),
    "columns": (
        lambda folder: recording(folder / "bad.h5", targets=np.zeros((3, 26), np.float32)),
        "targets of the wrong shape or type",
    ),
    "nan": (lambda folder: recording(folder / "bad.h5", targets=NAN), "targets not finite"),
    "link": (linked, "link to outside the folder"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_an_unusable_file_is_named_skipped_and_counted(tmp_path, short_files, case, caplog):
    make, reason = BAD_FILES[case]
    recording(tmp_path / "h5" / "good.h5")
    make(tmp_path / "h5")
    manifest = prepare("carla2d", tmp_path / "data", from_dir=tmp_path / "h5")
    assert manifest.facts == {"files": 1, "frames": 3, "skipped": {reason: 1}}
    assert f"bad.h5 is skipped: {reason}" in caplog.text
    (tmp_path / "h5" / "good.h5").unlink()
    with pytest.raises(DataDamaged, match=rf"none of the 1 \.h5 files in .* is usable \(1 {reason}\)"):
        prepare("carla2d", tmp_path / "data", from_dir=tmp_path / "h5")


def test_carla_is_opt_in_and_says_so(tmp_path, monkeypatch):
    monkeypatch.delenv("NRC_DATA_MIRROR", raising=False)
    with pytest.raises(DataUnavailable, match=r"14 GB: unpack .*carla-simulator.*--from-dir, .*nrc data car_racing"):
        prepare("carla2d", tmp_path / "data")
    with pytest.raises(DataUnavailable, match=r"holds no file named \.h5: unpack the data set \(14 GB\)"):
        prepare("carla2d", tmp_path / "data", from_dir=tmp_path)
