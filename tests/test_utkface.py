"""UTKFace is read without unpacking from archives with many kinds of faults; only the data set is written."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import local_copies
from data_scripts import prepare, utkface
from data_scripts.images import png
from nrc_core import DataDamaged, DataUnavailable
from nrc_core.cli.main import main
from nrc_core.data.prepared import read_prepared


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
    """Write an archive UTKFace.tar.gz with the given members, each given by arguments of `add`."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / utkface.ARCHIVE, "w:gz") as archive:
        for member in members.items() if isinstance(members, dict) else members:
            add(archive, *member)
    return folder


def everything_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


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


@pytest.mark.parametrize(
    "content",
    [b"not compressed at all", gzip.compress(b"compressed, but no tar" * 100, mtime=0)],
    ids=["text", "no tar"],  # what is compressed holds the time of day
)
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
