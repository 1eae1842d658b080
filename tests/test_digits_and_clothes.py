"""The data set of digits and clothes: its classes, pixels and identity, from two tiny prepared data sets."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_scripts import digits_and_clothes, prepare
from data_scripts.images import png
from data_scripts.mnist import ORIGINALS as IDX
from nrc_core.data.images import decode
from nrc_core.data.prepared import Manifest, read_manifest, read_prepared, write_prepared
from nrc_core.errors import DataDamaged, DataUnavailable

NAME = "digits_and_clothes"
ROWS = {"train": 1, "test": 2}


def write_original(
    folder: Path, name: str, *, more: int = 1, lacking: int | None = None, left: int = 1, identity: str = ""
) -> None:
    """Prepare noise as MNIST or Fashion-MNIST: rows of each part in a random order of the classes.

    Args:
        more: rows of each class beyond those that are taken.
        lacking: a class with only `left` test rows.
    """
    generator = np.random.default_rng(sum(name.encode()))
    tables = []
    for part, count in ROWS.items():
        labels = generator.permutation(np.repeat(np.arange(10), count + more))
        if lacking is not None and part == "test":
            labels = np.delete(labels, np.flatnonzero(labels == lacking)[left:])
        pictures = generator.integers(0, 256, (len(labels), 28, 28), np.uint8)
        tables.append(pd.DataFrame({"image": [png(one) for one in pictures], "label": labels, "part": part}))
    table = pd.concat(tables, ignore_index=True)
    facts = {"classes": list(IDX[name].classes)}
    manifest = Manifest(
        name, "real", f"source of {name}", f"licence of {name}", identity or name, ["image"], ["label"], len(table),
        "part", True, facts,
    )  # fmt: skip
    write_prepared(folder / name, table, manifest)


@pytest.fixture
def originals(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(digits_and_clothes, "PER_CLASS", ROWS)
    for name in digits_and_clothes.ORIGINALS:
        write_original(tmp_path, name)
    return tmp_path


@pytest.fixture(scope="module")
def ready(tmp_path_factory) -> Path:
    """A folder in which both originals and the data set are prepared; tests only read it."""
    folder = tmp_path_factory.mktemp("ready")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(digits_and_clothes, "PER_CLASS", ROWS)
        for name in digits_and_clothes.ORIGINALS:
            write_original(folder, name)
        prepare(NAME, folder)
    return folder


def pixels(table: pd.DataFrame) -> np.ndarray:
    return decode(table["image"].to_numpy()).numpy()[:, 0]


def test_classes_are_both_data_sets_upright_and_turned_without_the_turned_zero(ready):
    table, manifest = read_prepared(ready / NAME)
    digits, clothes = (list(IDX[name].classes) for name in ("mnist", "fashion_mnist"))
    turned = [f"{title}, turned" for title in [*digits[1:], *clothes]]
    assert manifest.facts["classes"] == [*digits, *clothes, *turned]
    assert len(turned) == 19
    for part, count in ROWS.items():
        labels = table.loc[table["part"] == part, "label"]
        assert labels.value_counts().to_dict() == dict.fromkeys(range(39), count)
    assert table["label"].dtype == np.int64
    assert (manifest.rows, manifest.images, manifest.groups, manifest.kind) == (3 * 39, True, "part", "real")
    assert manifest.source == "source of mnist; source of fashion_mnist"
    assert manifest.licence == "licence of mnist; licence of fashion_mnist"


@pytest.mark.parametrize(
    ("number", "original", "label", "turned"),
    [(0, "mnist", 0, 0), (7, "mnist", 7, 0), (10, "fashion_mnist", 0, 0), (19, "fashion_mnist", 9, 0),
     (20, "mnist", 1, 1), (28, "mnist", 9, 1), (29, "fashion_mnist", 0, 1), (38, "fashion_mnist", 9, 1)],
)  # fmt: skip
@pytest.mark.parametrize("part", ROWS)
def test_pictures_of_a_class_are_the_first_ones_of_its_original(ready, number, original, label, turned, part):
    table, _ = read_prepared(ready / NAME)
    source, _ = read_prepared(ready / original)
    chosen = source[(source["part"] == part) & (source["label"] == label)].iloc[: ROWS[part]]
    expected = digits_and_clothes.smaller(pixels(chosen), turned=bool(turned))
    found = pixels(table[(table["part"] == part) & (table["label"] == number)])
    np.testing.assert_array_equal(found, expected)


def test_pixels_are_means_of_four_rounded_half_up():
    picture = np.zeros((1, 28, 28), np.uint8)
    picture[0, :2, :2] = [[1, 0], [0, 0]]  # 0.25
    picture[0, :2, 2:4] = [[1, 1], [0, 0]]  # 0.5
    picture[0, :2, 4:6] = [[255, 255], [255, 254]]  # 254.75
    picture[0, 26:, 26:] = 255  # the sum is larger than a byte
    small = digits_and_clothes.smaller(picture, turned=False)
    assert small.dtype == np.uint8
    assert small[0, 0, :4].tolist() == [0, 1, 255, 0]
    assert small[0, 13, 13] == 255
    assert small.astype(int).sum() == 0 + 1 + 255 + 255


def test_a_turn_goes_against_the_clock_and_four_turns_are_none():
    picture = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    upright = digits_and_clothes.smaller(picture, turned=False)
    turned = digits_and_clothes.smaller(picture, turned=True)
    for row in range(14):
        np.testing.assert_array_equal(turned[:, row], upright[:, :, 13 - row])
    fourth = picture
    for _ in range(4):
        fourth = np.rot90(fourth, axes=(1, 2))
    np.testing.assert_array_equal(digits_and_clothes.smaller(fourth, turned=False), upright)


def test_originals_may_be_in_another_folder(originals, ready, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    manifest = prepare(NAME, elsewhere, from_dir=originals)
    assert manifest == read_manifest(ready / NAME)
    assert (elsewhere / NAME / "table.parquet").is_file()


@pytest.mark.parametrize("name", digits_and_clothes.ORIGINALS)
def test_the_identity_changes_with_each_original(originals, ready, name):
    before = read_manifest(ready / NAME).identity
    write_original(originals, name, identity="another")
    assert prepare(NAME, originals).identity != before


def test_the_identity_changes_with_the_number_of_rows(originals, ready, monkeypatch):
    before = read_manifest(ready / NAME).identity
    monkeypatch.setattr(digits_and_clothes, "PER_CLASS", {"train": 1, "test": 1})
    assert prepare(NAME, originals).identity != before


@pytest.mark.parametrize("name", digits_and_clothes.ORIGINALS)
def test_an_original_that_is_not_prepared_is_named_with_the_remedy(originals, name):
    (originals / name).rename(originals / "away")
    with pytest.raises(DataUnavailable, match=rf"and {name} is not prepared: run `nrc data {name}` first"):
        prepare(NAME, originals)
    assert not (originals / NAME).exists()


@pytest.mark.parametrize(("left", "rows"), [(1, 76), (0, 74)])
def test_a_class_with_too_few_rows_or_none_is_refused(originals, left, rows):
    write_original(originals, "fashion_mnist", lacking=4, left=left)
    with pytest.raises(DataDamaged, match=rf"the part test must have 78 rows, got {rows} .*: prepare mnist and fash"):
        prepare(NAME, originals)
    assert not (originals / NAME).exists()


def test_a_damaged_original_is_refused(originals):
    path = originals / "mnist" / "table.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DataDamaged, match=r"has checksum .* run `nrc data mnist` to make it again"):
        prepare(NAME, originals)
