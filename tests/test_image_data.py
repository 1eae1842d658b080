"""Data scripts of image sets: faces from an archive, frames from HDF5 files, a car that drives itself."""

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conftest import local_copies
from data_scripts import car_racing, carla2d, prepare, utkface
from data_scripts.driver import Driver, disturbances
from data_scripts.images import fault, png
from nrc_core import DataDamaged, DataUnavailable
from nrc_core.cli import main
from nrc_core.prepared import read_prepared


def jpeg(seed: int = 0, size: tuple[int, int] = (200, 200), mode: str = "RGB") -> bytes:
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    noise = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()


def face(age: object = 30, seed: int = 0) -> str:
    return f"UTKFace/{age}_0_1_{seed}.jpg.chip.jpg"


def add(
    archive: tarfile.TarFile, name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    member.size = len(content) if kind == tarfile.REGTYPE else 0
    archive.addfile(member, io.BytesIO(content))


def faces(folder: Path, members: list[tuple] | dict[str, bytes]) -> Path:
    """An archive UTKFace.tar.gz of these members, each the arguments of `add`."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / utkface.ARCHIVE, "w:gz") as archive:
        for member in members.items() if isinstance(members, dict) else members:
            add(archive, *member)
    return folder


def everything_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


# UTKFace


def test_faces_are_kept_byte_for_byte_in_order_of_their_names(tmp_path):
    pictures = {face(7, 1): jpeg(1), face(30, 2): jpeg(2), face(116, 3): jpeg(3)}
    folder = faces(tmp_path / "originals", dict(reversed(pictures.items())))
    manifest = prepare("utkface", tmp_path / "data", from_dir=folder)
    table, _ = read_prepared(tmp_path / "data" / "utkface")
    assert list(table["image"]) == [pictures[name] for name in sorted(pictures)]
    assert list(table["age"]) == [116.0, 30.0, 7.0]
    assert (manifest.images, manifest.inputs, manifest.targets, manifest.groups) == (True, ["image"], ["age"], None)
    assert manifest.facts["skipped"] == {}


def test_another_archive_is_not_called_real(tmp_path):
    folder = faces(tmp_path / "originals", {face(): jpeg()})
    manifest = prepare("utkface", tmp_path / "data", from_dir=folder)
    assert manifest.kind == "your own archive"
    assert "differs from that of the published results" in manifest.source
    assert manifest.identity == hashlib.sha256((folder / utkface.ARCHIVE).read_bytes()).hexdigest()


OUTSIDE = "../evil.jpg", "UTKFace/../../evil_0_0_0.jpg", "/tmp/evil_0_0_0.jpg"
UNUSABLE: dict[str, list[tuple]] = {
    "unsafe member name": [(name, jpeg()) for name in OUTSIDE],
    "link or device": [
        (face(1, 1), b"", tarfile.SYMTYPE, "/etc/passwd"),
        (face(1, 2), b"", tarfile.LNKTYPE, face()),
        (face(1, 3), b"", tarfile.CHRTYPE),
        (face(1, 4), b"", tarfile.FIFOTYPE),
    ],
    "name lacks a field": [("UTKFace/61_1_2017.jpg.chip.jpg", jpeg()), ("UTKFace/61__1_2017.jpg.chip.jpg", jpeg())],
    "age not a whole number from 0 to 150": [(face(age), jpeg()) for age in (-1, 151, "3.5", "²", "1e2", "9" * 5000)],
    "not a readable JPEG": [
        (face(2, 1), b""),
        (face(2, 2), b"no picture"),
        (face(2, 3), jpeg()[:-2000]),
        (face(2, 4), png(np.zeros((200, 200, 3), np.uint8))),
    ],
    "not 200 x 200 pixels in colour": [(face(3, 1), jpeg(size=(200, 199))), (face(3, 2), jpeg(mode="L"))],
    "not named .jpg": [("UTKFace/README", b"read me")],
    "name given twice": [(face(), jpeg(9))],
    "larger than 2000000 bytes": [(face(4), bytes(2_000_001))],
}


@pytest.mark.parametrize("reason", UNUSABLE)
def test_what_is_no_face_is_skipped_and_counted(tmp_path, reason, capsys):
    folder = faces(tmp_path / "originals", [("UTKFace", b"", tarfile.DIRTYPE), (face(), jpeg()), *UNUSABLE[reason]])
    before = everything_in(tmp_path)
    assert main(["data", "utkface", "--from-dir", str(folder), "--data-dir", str(tmp_path / "data")]) == 0
    count = len(UNUSABLE[reason])
    assert read_prepared(tmp_path / "data" / "utkface")[1].facts["skipped"] == {reason: count}
    printed = capsys.readouterr().out
    assert "utkface: 1 rows, images, 1 targets, your own archive" in printed
    assert f"utkface: {count} skipped, {reason}" in printed
    made = {"data", "data/utkface", "data/utkface/table.parquet", "data/utkface/manifest.json"}
    assert everything_in(tmp_path) == before | made
    assert not Path("/tmp/evil_0_0_0.jpg").exists()


def test_an_archive_without_a_face_is_refused_with_the_reasons(tmp_path):
    folder = faces(tmp_path / "originals", UNUSABLE["link or device"])
    with pytest.raises(DataDamaged, match=r"holds no usable face \(4 link or device\): get it again"):
        prepare("utkface", tmp_path / "data", from_dir=folder)
    faces(folder, [])
    with pytest.raises(DataDamaged, match=r"holds no usable face \(it is empty\)"):
        prepare("utkface", tmp_path / "data", from_dir=folder)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kept", [0, 5, 20, 0.5, -8, -1])
def test_a_truncated_archive_is_refused_wherever_it_is_cut(tmp_path, kept):
    folder = faces(tmp_path / "originals", {face(i, i): jpeg(i) for i in range(3)})
    path = folder / utkface.ARCHIVE
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(DataDamaged, match=r"UTKFace\.tar\.gz is truncated or no tar\.gz \(.*\): get it again") as error:
        prepare("utkface", tmp_path / "data", from_dir=folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"not compressed at all", gzip.compress(b"compressed, but no tar" * 100)])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / utkface.ARCHIVE).write_bytes(content)
    with pytest.raises(DataDamaged, match=r"is truncated or no tar\.gz"):
        prepare("utkface", tmp_path / "data", from_dir=tmp_path)


@pytest.mark.parametrize(
    ("limit", "most", "message"),
    [("MEMBERS", 2, "more than 2 members"), ("UNPACKED_BYTES", 20_000, "unpacks to more than 20000 bytes")],
)
def test_an_archive_without_end_is_refused(tmp_path, monkeypatch, limit, most, message):
    monkeypatch.setattr(utkface, limit, most)
    folder = faces(tmp_path / "originals", {face(i, i): jpeg(i) for i in range(3)})
    with pytest.raises(DataDamaged, match=message):
        prepare("utkface", tmp_path / "data", from_dir=folder)


def test_the_known_archive_must_give_every_face(tmp_path, monkeypatch):
    folder = faces(tmp_path / "originals", {face(): jpeg()})
    monkeypatch.setattr(utkface, "CHECKSUM", hashlib.sha256((folder / utkface.ARCHIVE).read_bytes()).hexdigest())
    with pytest.raises(DataDamaged, match="of 23704 usable faces, but 1 were read"):
        prepare("utkface", tmp_path / "data", from_dir=folder)


def test_a_missing_archive_says_where_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv("NRC_DATA_MIRROR", raising=False)
    remedy = r"get UTKFace\.tar\.gz .* from https://susanqq.* --from-dir, or .* NRC_DATA_MIRROR"
    with pytest.raises(DataUnavailable, match=f"not downloaded automatically: {remedy}"):
        prepare("utkface", tmp_path / "data")
    with pytest.raises(DataUnavailable, match=rf"UTKFace\.tar\.gz is not there: {remedy}"):
        prepare("utkface", tmp_path / "data", from_dir=tmp_path)


@pytest.mark.skipif(
    local_copies() is None or not (local_copies() / "utkface").is_dir(),
    reason="no local copy of UTKFace: NRC_DATA_MIRROR is not set, or holds none",
)
def test_the_original_archive_from_the_mirror(tmp_path, capsys):
    assert main(["data", "utkface", "--data-dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "utkface: 23704 rows, images, 1 targets, real" in printed
    assert "utkface: 3 skipped, name lacks a field" in printed


# CARLA


@pytest.fixture
def short_files(monkeypatch):
    """Files of three frames in place of two hundred."""
    monkeypatch.setattr(carla2d, "PICTURES", (3, *carla2d.PICTURES[1:]))
    monkeypatch.setattr(carla2d, "MEASUREMENTS", (3, 28))


def recording(path: Path, seed: int = 0, **replaced) -> Path:
    """A file of random frames and targets; a dataset replaced by None is left out."""
    generator = np.random.default_rng(seed)
    content = {
        "rgb": generator.integers(0, 256, carla2d.PICTURES, np.uint8),
        "targets": generator.standard_normal(carla2d.MEASUREMENTS).astype(np.float32),
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
        lambda folder: recording(folder / "bad.h5", targets=np.zeros((3, 27), np.float32)),
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


# CarRacing


def test_driving_is_the_same_twice():
    first, laps = car_racing.roll_out(200)
    second, _ = car_racing.roll_out(200)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert (len(first), laps) == (200, [1.0])
    assert all(fault(content, "PNG", (96, 84)) is None for content in first["image"])
    assert first["steering"].between(-1, 1).all()


def test_drawing_only_what_is_near_changes_no_picture(monkeypatch):
    quick = car_racing.drive(3, 40)
    monkeypatch.setattr(car_racing, "NEAR", np.inf)
    assert car_racing.drive(3, 40).pictures == quick.pictures


@pytest.mark.parametrize("seed", [9_001, 9_002, 9_003])
def test_the_driver_stays_on_tracks_it_never_saw(seed):
    before = dict(os.environ)
    episode = car_racing.drive(seed, 3)
    assert episode.lap_progress >= 0.9
    assert len(episode.pictures) == len(episode.targets) == 3
    assert dict(os.environ) == before


def test_the_instruments_are_cut_off():
    """The bar is black; no row of the pictures is."""
    pixels = np.asarray(Image.open(io.BytesIO(car_racing.drive(0, 1).pictures[0])))
    assert pixels.shape == (84, 96, 3)
    assert (pixels.max(axis=(1, 2)) > 50).all()


def test_the_stand_in_says_so_and_is_made_again_when_damaged(tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.delenv("NRC_DATA_MIRROR", raising=False)
    monkeypatch.setattr(car_racing, "FRAMES", 20)
    command = ["data", "car_racing", "--data-dir", str(tmp_path)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "car_racing: 20 rows, images, 2 targets, stand-in" in printed
    assert "car_racing: 100.0% of 1 laps driven" in printed
    path = tmp_path / "car_racing" / "table.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert main(command) == 0
    assert path.read_bytes() == whole
    assert "its manifest says" in caplog.text
    manifest = read_prepared(path.parent)[1]
    assert (manifest.kind, manifest.groups) == ("stand-in", "episode")
    assert manifest.source.startswith("stand-in for CARLA")


def test_the_stand_in_reads_no_files(tmp_path, capsys):
    assert main(["data", "car_racing", "--from-dir", str(tmp_path), "--data-dir", str(tmp_path / "data")]) == 2
    assert "car_racing is simulated, not read from files: run it without --from-dir" in capsys.readouterr().err


def circle(radius: float) -> np.ndarray:
    """A track anticlockwise round the origin that starts on the first axis."""
    angles = np.linspace(0, 2 * np.pi, round(2 * np.pi * radius / 3.5), endpoint=False)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_the_driver_steers_along_a_bend_and_back_to_the_middle():
    driver, start = Driver(circle(40.0)), np.array([40.0, 0.0])
    along = driver(start, 0.0, 20.0)[0]
    assert -0.5 < along < 0
    outside, inside = driver(start * 1.1, 0.0, 20.0)[0], driver(start * 0.9, 0.0, 20.0)[0]
    assert outside < along < inside
    assert driver(start, np.pi, 20.0)[0] == 1.0  # thrown round, it turns to where the road is: here to the right
    tight, wide = Driver(circle(15.0)).allowed_speed(), driver.allowed_speed()
    assert tight == pytest.approx(np.sqrt(30.0 * 15.0), rel=0.02)
    assert tight < wide < 45.0


def test_pushes_are_short_and_seeded():
    pushes = disturbances(4000, np.random.default_rng(1))
    assert np.array_equal(pushes, disturbances(4000, np.random.default_rng(1)))
    assert 0.02 < (pushes != 0).mean() < 0.3
    assert np.abs(pushes).max() <= 0.7
