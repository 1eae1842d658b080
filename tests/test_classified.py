"""The rows and labels of a prepared data set that the options of a task select."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from nrc_core import ConfigError, DataUnavailable, load_dataset
from nrc_core.data.dataset import Dataset
from tests.fakes_images import DIGITS, prepare_classes

OBJECTS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("classes")


@pytest.fixture(scope="module")
def digits(folder) -> pd.DataFrame:
    return prepare_classes(folder, "mnist", per_class=9, test_per_class=4, size=(8, 6))


@pytest.fixture(scope="module")
def things(folder) -> pd.DataFrame:
    return prepare_classes(folder, "cifar10", classes=OBJECTS, per_class=5, test_per_class=3, colours=3)


@pytest.fixture
def task(folder, digits, things):
    """Load a task from one of the two prepared data sets."""

    def load(name: str = "mnist", **options) -> Dataset:
        return load_dataset(name, data_dir=folder, **options)

    return load


def pixels(encoded: bytes) -> np.ndarray:
    """(channels, height, width)."""
    found = np.array(Image.open(io.BytesIO(encoded)))
    return found[None] if found.ndim == 2 else found.transpose(2, 0, 1)


def rows_of(table: pd.DataFrame, x: torch.Tensor) -> list[int]:
    """Indices of the rows of the table that contain the pictures; no two pictures are alike."""
    known = {pixels(image).tobytes(): row for row, image in enumerate(table["image"])}
    return [known[one.numpy().tobytes()] for one in x]


def first(table: pd.DataFrame, part: str, labels, count: int, skip: int = 0) -> list[int]:
    """The expected rows, counted one by one in the order of the file."""
    seen = dict.fromkeys(labels, 0)
    chosen = []
    for row, (label, where) in enumerate(zip(table["label"], table["part"], strict=True)):
        if where == part and label in seen:
            chosen += [row] if skip <= seen[label] < skip + count else []
            seen[label] += 1
    return chosen


def classes_of(dataset: Dataset, part: str = "train") -> list[int]:
    return getattr(dataset, f"y_{part}").argmax(1).tolist()


def test_all_rows_are_taken_unless_told_otherwise_and_keep_their_division_and_order(task, digits):
    dataset = task()
    assert rows_of(digits, dataset.x_train) == list(range(90))
    assert rows_of(digits, dataset.x_test) == list(range(90, 130))
    assert classes_of(dataset) == digits["label"][:90].tolist()
    assert classes_of(dataset, "test") == digits["label"][90:].tolist()
    assert dataset.classes == DIGITS
    assert dataset.target_dim == 10


@pytest.mark.parametrize(("count", "skip"), [(1, 0), (4, 0), (3, 2), (9, 0), (1, 8)])
def test_so_many_rows_of_each_class_after_those_left_out(count, skip, task, digits):
    dataset = task(train_per_class=count, train_skip=skip, test_per_class=2)
    assert rows_of(digits, dataset.x_train) == first(digits, "train", range(10), count, skip)
    assert rows_of(digits, dataset.x_test) == first(digits, "test", range(10), 2)
    assert dataset.y_train.sum(0).tolist() == [count] * 10
    assert classes_of(dataset) == digits["label"].iloc[rows_of(digits, dataset.x_train)].tolist()


def test_a_skip_alone_leaves_the_rest(task, digits):
    assert rows_of(digits, task(train_skip=7).x_train) == first(digits, "train", range(10), 2, 7)


def test_rows_of_pretraining_fine_tuning_and_validation_are_disjoint(task, digits):
    parts = [
        {"labels": "superclasses", "train_per_class": 4},
        {"labels": "members", "train_skip": 4, "train_per_class": 2},
        {"labels": "members", "train_skip": 6, "train_per_class": 3},
    ]
    rows = [row for options in parts for row in rows_of(digits, task(**options).x_train)]
    assert sorted(rows) == list(range(90))


def test_images_are_decoded_without_loss_one_channel_for_grey(task, digits, things):
    grey, colour = task(), task("cifar10")
    assert grey.x_train.shape == (90, 1, 6, 8)
    assert colour.x_train.shape == (50, 3, 8, 8)
    assert grey.x_train.dtype == colour.x_test.dtype == torch.uint8
    for table, dataset in (digits, grey), (things, colour):
        both = torch.cat([dataset.x_train, dataset.x_test])
        np.testing.assert_array_equal(both.numpy(), np.stack([pixels(image) for image in table["image"]]))


def test_pixels_are_scaled_by_the_training_rows_taken(task):
    dataset = task(train_per_class=3)
    values = dataset.x_train.double()
    assert dataset.pixel_mean == pytest.approx((values.mean().item(),), rel=1e-12)
    assert dataset.pixel_spread == pytest.approx((values.std(correction=0).item(),), rel=1e-12)
    assert dataset.images


@pytest.mark.parametrize("labels", ["classes", "superclasses", "members", "random"])
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_targets_are_one_hot(name, labels, task):
    dataset = task(name, labels=labels)
    for y in (dataset.y_train, dataset.y_test):
        assert set(y.unique().tolist()) == {0.0, 1.0}
        assert (y.sum(1) == 1).all()
        assert y.shape[1] == len(dataset.classes)


def test_superclasses_of_digits_are_even_and_odd(task, digits):
    dataset = task(labels="superclasses", train_per_class=3, test_per_class=1)
    assert dataset.classes == ("even", "odd")
    rows = rows_of(digits, dataset.x_train)
    assert rows == first(digits, "train", range(10), 3)
    assert classes_of(dataset) == (digits["label"].iloc[rows] % 2).tolist()
    assert dataset.y_test.sum(0).tolist() == [5, 5]


def test_superclasses_of_pictures_are_objects_and_animals_without_deer_and_dogs(task, things):
    dataset = task("cifar10", labels="superclasses")
    assert dataset.classes == ("objects", "animals")
    rows = rows_of(things, dataset.x_train)
    names = [OBJECTS[label] for label in things["label"].iloc[rows]]
    expected = {"airplane": 0, "automobile": 0, "ship": 0, "truck": 0, "bird": 1, "cat": 1, "frog": 1, "horse": 1}
    assert set(names) == set(expected)
    assert classes_of(dataset) == [expected[name] for name in names]
    assert len(rows) == 8 * 5


def test_members_are_the_classes_in_the_superclasses_numbered_anew(task, things):
    dataset = task("cifar10", labels="members", train_skip=1, train_per_class=2)
    assert dataset.classes == tuple(name for name in OBJECTS if name not in ("deer", "dog"))
    rows = rows_of(things, dataset.x_train)
    assert rows == first(things, "train", [0, 1, 2, 3, 6, 7, 8, 9], 2, 1)
    assert [dataset.classes[c] for c in classes_of(dataset)] == [OBJECTS[c] for c in things["label"].iloc[rows]]
    assert task(labels="members").classes == DIGITS


@pytest.mark.parametrize("seed", [0, 1])
def test_random_labels_keep_pictures_and_counts_and_the_test_rows(seed, task):
    plain, random = task(train_per_class=8), task(train_per_class=8, labels="random", seed=seed)
    assert torch.equal(plain.x_train, random.x_train)
    assert torch.equal(plain.y_train.sum(0), random.y_train.sum(0))
    # Of 80 labels drawn at random, eight agree on average; 20 would be more than four standard deviations off.
    assert sum(a == b for a, b in zip(classes_of(plain), classes_of(random), strict=True)) < 20
    assert torch.equal(plain.y_test, random.y_test)
    again, other = task(train_per_class=8, labels="random", seed=seed), task(train_per_class=8, labels="random", seed=7)
    assert torch.equal(random.y_train, again.y_train)
    assert not torch.equal(random.y_train, other.y_train)


def test_the_seed_decides_nothing_but_random_labels(task):
    assert torch.equal(task(seed=0, train_per_class=2).y_train, task(seed=5, train_per_class=2).y_train)


def test_the_provenance_says_what_was_taken(task):
    provenance = task(labels="random", train_per_class=2, test_per_class=1).provenance
    facts = {"split": "original", "n_train": 20, "n_test": 10, "labels": "random", "image_shape": [1, 6, 8]}
    assert {name: provenance[name] for name in facts} == facts
    assert provenance["kind"] == "real"
    assert "classes" not in provenance


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mnist", {"labels": "parity"}, "labels must be one of classes, superclasses, members, random: got 'parity'"),
        ("mnist", {"train_per_class": 10}, "must be from 1 to the 9 there are of class 0: got 10 after 0 left out"),
        ("mnist", {"train_per_class": 5, "train_skip": 5}, "the 9 there are of class 0: got 5 after 5 left out"),
        ("mnist", {"train_per_class": 0}, "must be from 1 to the 9 there are of class 0: got 0"),
        ("mnist", {"train_skip": 9}, "must be from 1 to the 9 there are of class 0: got None after 9"),
        ("mnist", {"train_skip": -1}, "must be from 1 to the 9 .*: got None after -1"),
        ("cifar10", {"test_per_class": 4}, "must be from 1 to the 3 there are of class 0: got 4"),
        ("mnist", {"train_per_clas": 4}, "unknown option for data set 'mnist': .*train_per_clas"),
        ("mnist", {"target_dim": 4}, "unknown option for data set 'mnist': .*target_dim"),
        *[
            (
                "mnist",
                {option: value},
                "split, samples, shuffled, image_size and target_scale are no options of 'mnist'",
            )
            for option, value in (
                ("split", "blocked"),
                ("samples", 50),
                ("shuffled", True),
                ("image_size", 32),
                ("target_scale", "raw"),
            )
        ],
        ("mnist", {"split": "original"}, "split must be one of random, blocked: got 'original'"),
    ],
)
def test_options_that_are_not_offered_are_refused(name, options, message, task):
    with pytest.raises(ConfigError, match=message):
        task(name, **options)


@pytest.mark.parametrize("labels", ["superclasses", "members"])
def test_a_data_set_without_superclasses_is_named(labels, tmp_path):
    prepare_classes(tmp_path, "fashion_mnist", classes=("shirt", "shoe", "bag"), per_class=3, test_per_class=1)
    with pytest.raises(ConfigError, match="superclasses are known of mnist, cifar10: got data set 'fashion_mnist'"):
        load_dataset("fashion_mnist", data_dir=tmp_path, labels=labels)


def test_absent_data_are_named_with_the_remedy(tmp_path):
    with pytest.raises(DataUnavailable, match="'svhn' is not prepared on this machine: run `nrc data svhn`"):
        load_dataset("svhn", data_dir=tmp_path)


def test_options_of_classes_are_none_of_other_data(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown option \['train_per_class'\] for data set 'swimmer'"):
        load_dataset("swimmer", data_dir=tmp_path, train_per_class=3)


def test_targets_of_a_table_are_no_option_of_classes(task):
    with pytest.raises(ConfigError, match="targets"):
        task(targets=["label"])
