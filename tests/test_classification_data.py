"""Classified pictures: complete, damaged, missing and wrong originals of every data set; IDX files and CIFAR-10."""

import dataclasses
import gzip
import hashlib
import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conftest import local_copies
from data_scripts import cifar10, mnist, prepare, stl10, svhn
from nrc_core import DataDamaged, DataUnavailable
from nrc_core.data.prepared import read_prepared
from tests.originals import (
    MAKERS,
    ROWS,
    Originals,
    cifar_members,
    digest,
    everything_in,
    idx,
    made,
    prepared,
    refused,
    tar,
)


@pytest.fixture(params=MAKERS)
def originals(request, tmp_path, monkeypatch) -> Originals:
    return made(request.param, tmp_path, monkeypatch)


def test_every_pixel_label_and_part_comes_out_in_order(originals, tmp_path):
    before = everything_in(tmp_path)
    table, manifest = prepared(originals, tmp_path)
    assert list(table.columns) == ["image", "label", "part"]
    assert table["label"].dtype == np.int64
    assert list(table["part"]) == ["train"] * 5 + ["test"] * 3
    assert list(table["label"]) == [0, 9, 3, 0, 1, 7, 0, 9]
    expected = np.concatenate(list(originals.pictures.values()))
    for encoded, pixels in zip(table["image"], expected, strict=True):
        with Image.open(io.BytesIO(encoded), formats=["PNG"]) as image:
            assert image.mode == ("L" if pixels.ndim == 2 else "RGB")
            np.testing.assert_array_equal(np.array(image), pixels)
    assert (manifest.kind, manifest.images, manifest.inputs, manifest.targets, manifest.groups, manifest.rows) == (
        "real", True, ["image"], ["label"], "part", 8
    )  # fmt: skip
    assert len(manifest.facts["classes"]) == 10
    assert len(manifest.identity) == 64
    assert "note" not in manifest.facts
    folder = f"data/{originals.name}"
    assert everything_in(tmp_path) - before == {"data", folder, f"{folder}/table.parquet", f"{folder}/manifest.json"}


def test_idx_files_are_known_by_what_is_in_them(tmp_path, monkeypatch):
    originals = made("mnist", tmp_path, monkeypatch)
    first = prepared(originals, tmp_path)[1]
    for path in originals.files:
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1, mtime=1))
    assert prepared(originals, tmp_path)[1].identity == first.identity


FOREIGN = {
    "mnist": r"unpacks to content of MD5 .*, expected .*: it is not the original, get it from https://ossci",
    "fashion_mnist": r"unpacks to content of MD5 .*: it is not the original, get it from http://fashion-mnist",
    "cifar10": r"has SHA-256 .*: it is truncated or altered, get a fresh copy from https://www.cs.toronto.edu",
    "svhn": r"has SHA-256 .*: it is truncated or altered, get a fresh copy from http://ufldl.stanford.edu",
    "stl10": r"has SHA-256 .*: it is truncated or altered, get a fresh copy from http://ai.stanford.edu",
}


def test_a_file_that_is_not_the_known_one_is_refused(originals, tmp_path, monkeypatch):
    monkeypatch.setitem(mnist.CHECKSUMS, originals.name, dict.fromkeys(mnist.CHECKSUMS["mnist"], ("0" * 64, "0" * 32)))
    monkeypatch.setattr(cifar10, "CHECKSUM", "0" * 64)
    monkeypatch.setattr(stl10, "CHECKSUM", "0" * 64)
    monkeypatch.setitem(svhn.CHECKSUMS, "train", "0" * 64)
    refused(originals, tmp_path, DataDamaged, FOREIGN[originals.name])


def test_an_absent_file_is_named_with_the_remedy(originals, tmp_path):
    path = originals.files[0]
    path.unlink()
    message = refused(originals, tmp_path, DataUnavailable, r"is not there.*: put .* from http.* into ")
    assert path.name in message


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(bytes(10_000), mtime=0)[:-9], gzip.compress(b"?" * 10_000, mtime=0)],
    ids=["empty", "text", "cut off", "other"],  # what is compressed holds the time of day
)
@pytest.mark.parametrize("name", MAKERS)
def test_other_content_is_refused(name, content, tmp_path, monkeypatch):
    originals = made(name, tmp_path, monkeypatch)
    originals.files[0].write_bytes(content)
    if name not in ("mnist", "fashion_mnist"):
        originals.known()
    refused(originals, tmp_path, DataDamaged, r"(is truncated or no|unpacks to content of MD5|lacks the file)")


def test_an_idx_file_of_another_shape_is_refused(tmp_path, monkeypatch):
    originals = made("mnist", tmp_path, monkeypatch)
    path = originals.folder / "train-images-idx3-ubyte.gz"
    for content in idx(np.zeros((5, 28, 27))), idx(np.zeros((6, 28, 28))), idx(np.zeros((5, 28, 28)))[:-1], b"":
        path.write_bytes(gzip.compress(content))
        originals.known()
        refused(originals, tmp_path, DataDamaged, r"an IDX file of \d+ bytes is no array of \(5, 28, 28\) bytes")


def test_an_idx_file_is_never_unpacked_without_end(tmp_path, monkeypatch):
    originals = made("mnist", tmp_path, monkeypatch)
    monkeypatch.setattr(mnist, "MOST_BYTES", 100)
    refused(originals, tmp_path, DataDamaged, "unpacks to content of MD5")


@pytest.mark.parametrize(
    ("name", "label"), [("mnist", 11), ("cifar10", 11), ("svhn", 11), ("stl10", 11), ("stl10", -1)]
)
def test_a_label_out_of_range_is_refused(name, label, tmp_path, monkeypatch):
    originals = made(name, tmp_path, monkeypatch, last=label)
    refused(originals, tmp_path, DataDamaged, rf"labels must be from [01] to (9|10), .* has {label}: get")


def test_fashion_mnist_is_taken_from_debian_where_it_is_installed(tmp_path, monkeypatch):
    originals = made("fashion_mnist", tmp_path, monkeypatch)
    monkeypatch.delenv("NRC_DATA_MIRROR", raising=False)
    monkeypatch.setattr(mnist, "DEBIAN", originals.folder)
    assert prepare("fashion_mnist", tmp_path / "data").rows == 8
    assert everything_in(tmp_path / "data") == {
        "fashion_mnist", "fashion_mnist/table.parquet", "fashion_mnist/manifest.json"
    }  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_without_local_copies_the_originals_are_downloaded(name, tmp_path, monkeypatch):
    originals = made(name, tmp_path, monkeypatch)
    monkeypatch.delenv("NRC_DATA_MIRROR", raising=False)
    monkeypatch.setattr(mnist, "DEBIAN", tmp_path / "absent")
    original = mnist.ORIGINALS["mnist"]
    for script, url in (cifar10, "URL"), (svhn, "PAGE"), (stl10, "URL"):
        file = getattr(script, url).rsplit("/", 1)[-1]
        monkeypatch.setattr(script, url, f"http://127.0.0.1:9/{file}")
    monkeypatch.setitem(mnist.ORIGINALS, name, dataclasses.replace(original, url="http://127.0.0.1:9/"))
    with pytest.raises(DataUnavailable, match=r"cannot download http://127\.0\.0\.1:9/.*--from-dir"):
        prepare(name, tmp_path / "data")
    downloads = tmp_path / "data" / "downloads" / (name if "mnist" in name else "")
    shutil.copytree(originals.folder, downloads, dirs_exist_ok=True)  # as if they had been downloaded before
    assert prepare(name, tmp_path / "data").rows == 8


def test_a_batch_of_cifar10_cut_off_is_refused(tmp_path, monkeypatch):
    originals = made("cifar10", tmp_path, monkeypatch)
    members = cifar_members(originals.pictures, originals.labels)
    tar(originals.files[0], [("cifar-10-batches-bin/test_batch.bin", bytes(3072)), *members])
    originals.known()
    refused(originals, tmp_path, DataDamaged, r"test_batch\.bin in .* is cut off after 3072 bytes: get it again")
    tar(originals.files[0], [("cifar-10-batches-bin/test_batch.bin", bytes(3073)), *members])
    originals.known()
    refused(originals, tmp_path, DataDamaged, "the part test must have 3 rows, got 1 pictures and 1 labels: get")


def jpeg(seed: int, size: int = 32) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()


def parquet(folder: Path, monkeypatch: pytest.MonkeyPatch, tables: list[pd.DataFrame]) -> Originals:
    folder.mkdir(exist_ok=True)
    for file, table in zip(cifar10.PARQUET, tables, strict=True):
        table.to_parquet(folder / file)

    def known() -> None:
        for file in cifar10.PARQUET:
            monkeypatch.setitem(cifar10.PARQUET, file, digest(folder / file))

    known()
    monkeypatch.setattr(cifar10, "ROWS", ROWS)
    return Originals("cifar10", folder, {}, {}, known)


def columns(seeds: list[int], labels: list[int]) -> pd.DataFrame:
    pictures = [{"bytes": jpeg(seed), "path": f"{seed}.jpg"} for seed in seeds]
    return pd.DataFrame({"img": pictures, "label": labels})


TRAIN, TEST = ([0, 1, 2, 3, 4], [0, 9, 3, 0, 1]), ([5, 6, 7], [7, 0, 9])


def test_jpegs_of_cifar10_are_kept_byte_for_byte_and_said_to_differ(tmp_path, monkeypatch):
    originals = parquet(tmp_path / "originals", monkeypatch, [columns(*TRAIN), columns(*TEST)])
    table, manifest = prepared(originals, tmp_path)
    assert list(table["image"]) == [jpeg(seed) for seed in range(8)]
    assert list(table["label"]) == [0, 9, 3, 0, 1, 7, 0, 9]
    assert list(table["part"]) == ["train"] * 5 + ["test"] * 3
    assert "re-encoded as JPEG" in manifest.facts["note"]
    assert manifest.source.endswith("it is not pixel-identical with the original")
    checksums = "".join(digest(originals.folder / file) for file in cifar10.PARQUET)
    assert manifest.identity == hashlib.sha256(checksums.encode()).hexdigest()


def test_the_original_archive_is_preferred_to_jpegs(tmp_path, monkeypatch):
    originals = made("cifar10", tmp_path, monkeypatch)
    parquet(originals.folder, monkeypatch, [columns(*TRAIN), columns(*TEST)])
    assert "note" not in prepared(originals, tmp_path)[1].facts


BAD_PARQUET = {
    "columns": (columns(*TEST).drop(columns="label"), "has no columns img.bytes and label"),
    "struct": (pd.DataFrame({"img": [1, 2, 3], "label": [1, 2, 3]}), "has no columns img.bytes and label"),
    "picture": (
        columns(*TEST).assign(img=[{"bytes": b"no", "path": ""}] * 3),
        "picture 0 in .* is not a readable JPEG",
    ),
    "size": (
        columns(*TEST).assign(img=[{"bytes": jpeg(1, 16), "path": ""}] * 3),
        "picture 0 in .* is not 32 x 32 pixels in colour",
    ),
    "label": (columns([5, 6, 7], [0, 10, 1]), "labels must be from 0 to 9, the part test has 10"),
    "rows": (columns([5], [0]), "the part test must have 3 rows, got 1 pictures and 1 labels"),
}


@pytest.mark.parametrize("case", BAD_PARQUET)
def test_parquet_of_something_else_is_refused(case, tmp_path, monkeypatch):
    table, message = BAD_PARQUET[case]
    originals = parquet(tmp_path / "originals", monkeypatch, [columns(*TRAIN), table])
    refused(originals, tmp_path, DataDamaged, f"{message}.*: get .* from https://www.cs.toronto.edu")


def test_parquet_that_is_not_the_known_is_refused_and_so_is_its_half(tmp_path, monkeypatch):
    originals = parquet(tmp_path / "originals", monkeypatch, [columns(*TRAIN), columns(*TEST)])
    path = originals.folder / "test-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    refused(originals, tmp_path, DataDamaged, r"has SHA-256 .*, expected .*: it is truncated, altered or another copy")
    originals.known()
    refused(originals, tmp_path, DataDamaged, "has no columns img.bytes and label")
    path.unlink()
    refused(originals, tmp_path, DataUnavailable, r"is not there, nor is cifar-10-binary\.tar\.gz: put .* from http")


@pytest.mark.skipif(
    local_copies() is None or not (local_copies() / "mnist").is_dir(),
    reason="no local copy of MNIST: NRC_DATA_MIRROR is not set, or holds none",
)
def test_mnist_from_the_mirror(tmp_path):
    manifest = prepare("mnist", tmp_path)
    table, _ = read_prepared(tmp_path / "mnist")
    assert manifest.identity.startswith("689ff270f6b2")
    assert list(table["part"]) == ["train"] * 60_000 + ["test"] * 10_000
    assert list(table["label"][:5]) == [5, 0, 4, 1, 9]
    assert list(table["label"][60_000:60_005]) == [7, 2, 1, 0, 4]
    mean = np.mean([np.array(Image.open(io.BytesIO(image))).mean() for image in table["image"][:60_000]])
    assert mean / 255 == pytest.approx(0.1307, abs=5e-5)  # as everyone standardizes it
