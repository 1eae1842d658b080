"""Faulty archives of STL-10 and files of SVHN: nothing is unpacked to disk, and every fault is reported."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from data_scripts import images
from nrc_core import DataDamaged
from tests.originals import NAMES, everything_in, made, prepared, refused, stl_members, tar


@pytest.mark.parametrize("kept", [0, 20, 0.5])
@pytest.mark.parametrize("name", ["cifar10", "svhn", "stl10"])
def test_files_cut_off_are_refused_even_if_their_checksum_were_right(name, kept, tmp_path, monkeypatch):
    originals = made(name, tmp_path, monkeypatch)
    path = originals.files[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    originals.known()
    refused(originals, tmp_path, DataDamaged, rf"{path.name} (is truncated or no|does not hold) .*: get it again")


OTHERS: dict[str, list[tuple]] = {
    "unsafe names": [("../evil", b"evil"), ("/tmp/evil_stl10", b"evil"), ("stl10_binary/../../evil", b"evil")],
    "links": [
        ("stl10_binary/link", "/etc/passwd", tarfile.SYMTYPE),
        ("stl10_binary/hard", "stl10_binary/train_X.bin", tarfile.LNKTYPE),
        ("stl10_binary/pipe", "", tarfile.FIFOTYPE),
        ("stl10_binary/train_y.bin", "/etc/passwd", tarfile.SYMTYPE),
    ],
}


@pytest.mark.parametrize("others", OTHERS)
def test_other_members_of_an_archive_are_ignored_and_nothing_is_unpacked(others, tmp_path, monkeypatch):
    originals = made("stl10", tmp_path, monkeypatch)
    members = stl_members(originals.pictures, originals.labels)
    tar(originals.files[0], [*OTHERS[others], *members])
    originals.known()
    before = everything_in(tmp_path)
    table, manifest = prepared(originals, tmp_path)
    assert list(table["label"]) == [0, 9, 3, 0, 1, 7, 0, 9]
    assert manifest.facts["classes"] == NAMES
    made_now = {"data", "data/stl10", "data/stl10/table.parquet", "data/stl10/manifest.json"}
    assert everything_in(tmp_path) == before | made_now
    assert not Path("/tmp/evil_stl10").exists()
    assert not (tmp_path.parent / "evil").exists()


def without(members: list[tuple], name: str) -> list[tuple]:
    return [member for member in members if member[0] != f"stl10_binary/{name}"]


BAD_STL: dict[str, tuple[Callable[[list[tuple]], list[tuple]], str]] = {
    "lacks": (lambda members: without(members, "test_y.bin"), r"lacks the file stl10_binary/test_y\.bin"),
    "link": (
        lambda members: [
            *without(members, "train_y.bin"),
            ("stl10_binary/train_y.bin", "test_y.bin", tarfile.SYMTYPE),
            ("stl10_binary/train_y.bin", "stl10_binary/test_y.bin", tarfile.LNKTYPE),
        ],
        r"lacks the file stl10_binary/train_y\.bin",
    ),
    "large": (
        lambda members: [("stl10_binary/test_y.bin", bytes(4)), *members],
        r"test_y\.bin in .* has more than 3 bytes",
    ),
    "short": (
        lambda members: [("stl10_binary/test_y.bin", bytes(2)), *members],
        "must have 3 rows, got 3 pictures and 2",
    ),
    "cut": (
        lambda members: [("stl10_binary/test_X.bin", bytes(99)), *members],
        r"test_X\.bin in .* is cut off after 99",
    ),
    "names": (
        lambda members: [("stl10_binary/class_names.txt", b"cat\ncat\n\xff"), *members],
        "must name 10 classes, got 2",
    ),
    "many": (
        lambda members: [(f"{number}", b"") for number in range(images.MEMBERS)] + members,
        "more than 100 members",
    ),
}


@pytest.mark.parametrize("case", BAD_STL)
def test_an_archive_that_is_not_as_it_should_be_is_refused(case, tmp_path, monkeypatch):
    change, message = BAD_STL[case]
    originals = made("stl10", tmp_path, monkeypatch)
    tar(originals.files[0], change(stl_members(originals.pictures, originals.labels)))
    originals.known()
    refused(originals, tmp_path, DataDamaged, f"{message}.*: get (it|the archive) again from http")


def test_an_archive_without_end_is_refused(tmp_path, monkeypatch):
    originals = made("stl10", tmp_path, monkeypatch)
    monkeypatch.setattr(images, "UNPACKED_BYTES", 100_000)
    refused(originals, tmp_path, DataDamaged, "unpacks to more than 100000 bytes: get it again")


BAD_MATLAB = {
    "rows": ({"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((4, 1), np.uint8)}, "does not hold 5 pictures"),
    "size": ({"X": np.zeros((32, 31, 3, 5), np.uint8), "y": np.ones((5, 1), np.uint8)}, "does not hold 5 pictures"),
    "lacks": ({"X": np.zeros((32, 32, 3, 5), np.uint8)}, "does not hold 5 pictures"),
    "floats": ({"X": np.zeros((32, 32, 3, 5)) + 0.5, "y": np.ones((5, 1), np.uint8)}, "must be bytes, got float64"),
    "zero": ({"X": np.zeros((32, 32, 3, 5), np.uint8), "y": np.zeros((5, 1))}, r"from 1 to 10, .* has 0"),
}


@pytest.mark.parametrize("case", BAD_MATLAB)
def test_a_matlab_file_of_something_else_is_refused(case, tmp_path, monkeypatch):
    content, message = BAD_MATLAB[case]
    originals = made("svhn", tmp_path, monkeypatch)
    scipy.io.savemat(originals.folder / "train_32x32.mat", content)
    originals.known()
    refused(originals, tmp_path, DataDamaged, f"{message}.*: get it again from http")
