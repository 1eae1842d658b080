"""Images in classes: the rows and labels of a prepared data set that make a task."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from nrc_core.data.catalogue import SUPERCLASSES
from nrc_core.data.dataset import Dataset
from nrc_core.data.images import decode, pixel_statistics
from nrc_core.data.prepared import Manifest
from nrc_core.errors import ConfigError

LABELS = ("classes", "superclasses", "members", "random")


def classified(
    name: str,
    table: pd.DataFrame,
    manifest: Manifest,
    *,
    seed: int = 0,
    labels: str = "classes",
    train_per_class: int | None = None,
    train_skip: int = 0,
    test_per_class: int | None = None,
) -> Dataset:
    """A task from a prepared data set, with the data set's own split into training and test rows.

    Args:
        name: of the data set.
        table: its rows, with columns image, label and part.
        manifest: of the data set.
        seed: of random labels.
        labels: "classes"; "superclasses", the two groups of `nrc_core.data.catalogue.SUPERCLASSES`; "members", the
            classes that are in these groups; or "random", a control: the labels of the training rows are shuffled.
        train_per_class: how many training rows of each original class to take, in the order of the table; None: all.
        train_skip: how many training rows of each class to leave out before those.
        test_per_class: how many test rows of each original class to take; None: all.

    Raises:
        ConfigError: `labels` is unknown, the data set has no superclasses, or a class has too few rows.
    """
    if labels not in LABELS:
        raise ConfigError(f"labels must be one of {', '.join(LABELS)}: got {labels!r}")
    if labels in ("superclasses", "members") and name not in SUPERCLASSES:
        raise ConfigError(f"superclasses are known of {', '.join(SUPERCLASSES)}: got data set {name!r}")
    groups = _groups(name, manifest.facts["classes"], labels)
    number = {original: group for group, members in enumerate(groups.values()) for original in members}
    train = _rows(table[table["part"] == "train"], list(number), train_per_class, train_skip)
    test = _rows(table[table["part"] == "test"], list(number), test_per_class, 0)
    train_labels, test_labels = (rows["label"].map(number).to_numpy() for rows in (train, test))
    if labels == "random":
        train_labels = train_labels[np.random.default_rng(seed).permutation(len(train_labels))]
    x_train, x_test = decode(train["image"].to_numpy()), decode(test["image"].to_numpy())
    task = {"split": "original", "n_train": len(train), "n_test": len(test), "labels": labels}
    facts = {key: value for key, value in manifest.facts.items() if key != "classes"}
    provenance = manifest.provenance | {"image_shape": list(x_train.shape[1:])} | task | facts
    one_hot = np.eye(len(groups), dtype=np.float32)
    y_train, y_test = (torch.from_numpy(one_hot[numbers]) for numbers in (train_labels, test_labels))
    return Dataset(name, x_train, y_train, x_test, y_test, provenance, *pixel_statistics(x_train), tuple(groups))


def _groups(name: str, classes: Sequence[str], labels: str) -> Mapping[str, tuple[int, ...]]:
    """For the name of each class of the task the original classes in it."""
    if labels == "superclasses":
        return SUPERCLASSES[name]
    members = sorted(label for group in SUPERCLASSES[name].values() for label in group) if labels == "members" else None
    return {str(classes[label]): (label,) for label in (range(len(classes)) if members is None else members)}


def _rows(part: pd.DataFrame, wanted: list[int], count: int | None, skip: int) -> pd.DataFrame:
    """The rows of a part, `count` of each wanted class after the first `skip`, in the order of the table."""
    chosen = []
    for label in wanted:
        rows = np.flatnonzero(part["label"] == label)
        end = len(rows) if count is None else skip + count
        if not 0 <= skip < end <= len(rows):
            raise ConfigError(
                f"rows of each class must be from 1 to the {len(rows)} there are of class {label}: got {count} after "
                f"{skip} left out"
            )
        chosen.append(rows[skip:end])
    return part.iloc[np.sort(np.concatenate(chosen))]
