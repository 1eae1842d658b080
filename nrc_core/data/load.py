"""Data sets as tensors: loaded, split, and scaled by the mean and spread of the training rows."""

import importlib
import logging
import os
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nrc_core.data import catalogue, gaussian_classes
from nrc_core.data.classes import classified
from nrc_core.data.dataset import Dataset
from nrc_core.data.images import DEFAULT_SIZE, decode, pixel_statistics
from nrc_core.data.prepared import data_folder, read_prepared
from nrc_core.data.synthetic import synthetic
from nrc_core.data.tables import read_table
from nrc_core.errors import ConfigError, DataDamaged, DataUnavailable, shown

logger = logging.getLogger(__name__)
TRAIN_SHARE = 0.8  # Deep NRC paper, section 4.1
SCALES = ("standardised", "raw", "log")  # what is done to the targets; the first is the default


class _Raw(NamedTuple):
    """The rows of a data set before they are split and scaled."""

    x: np.ndarray  # for each sample a row of numbers, or an encoded image
    y: np.ndarray
    groups: np.ndarray | None
    provenance: dict[str, Any]
    test: np.ndarray | None = None  # which rows are for the test, if the data bring their own split
    targets: Sequence[str] = ()  # their names, if the data are a table of a user


def load_dataset(
    name: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    split: str = "random",
    samples: int | None = None,
    targets: Sequence[str] = (),
    shuffled: bool = False,
    image_size: int | None = None,
    target_scale: str = "standardised",
    **options: Any,
) -> Dataset:
    """Load a data set as tensors: 80 % for training, scaled by the mean and spread of the training rows.

    Args:
        name: `synthetic`, `swimmer`, `reacher`, `hopper`, `sgemm`, `utkface`, `carla2d`, `car_racing`; the images in
            classes `mnist`, `fashion_mnist`, `digits_and_clothes`, `cifar10`, `svhn`, `stl10`; `gaussian_classes`; or
            the path of a table in CSV, TSV, Parquet, NPZ or NPY, see `nrc_core.data.tables.read_table`.
        data_dir: where prepared data sets are; the default is NRC_DATA_DIR, or `data/`. Simulated
            data sets that are not there yet are made and kept there.
        seed: of the random split and of the choice of `samples`.
        split: which rows are for the test: "random" rows, or the last fifth ("blocked"), which begins with a new
            episode if the data have episodes. In a random split the test rows may be neighbours in time of
            training rows. A table that brings its own split keeps it.
        samples: use only this number of rows, drawn at random (for `synthetic`: make this number).
        targets: the target columns of a table of your own; every other column is an input.
        shuffled: a control: the targets are shuffled among the rows.
        image_size: reduce the shorter side of images to this number of pixels; None: 128 for `utkface`, while
            other images keep their size.
        target_scale: "standardised" targets are scaled by mean and spread; "raw" ones keep their unit and their mean;
            "log" ones are the standardised logarithms of positive targets.
        options: for `synthetic` and `gaussian_classes` the options of the functions of these names in
            `nrc_core.data`; for images in classes the options of `nrc_core.data.classes.classified`. Data in classes
            have their own split, and take no other option than these and `seed`.

    Raises:
        ConfigError: a name or option is unknown, or a value is out of range.
        DataUnavailable: the data are not on this machine; the message says how to get them.
        DataDamaged: a checksum, a number of rows or a value is wrong.

    Example:
        >>> dataset = load_dataset("synthetic", samples=100, target_dim=2)
        >>> dataset.x_train.shape, dataset.y_test.shape
        (torch.Size([80, 20]), torch.Size([20, 2]))
    """
    name, targets = _name(name), _names(targets)
    catalogue.check_request(name, split=split, targets=targets)
    if name in catalogue.CLASSIFIED or name == gaussian_classes.NAME:
        if split != "random" or samples is not None or shuffled or image_size is not None or target_scale != SCALES[0]:
            raise ConfigError(
                f"split, samples, shuffled, image_size and target_scale are no options of {name!r}: see train_per_class"
            )
        return _in_classes(name, data_folder(data_dir), {"seed": seed, **options})
    if name != "synthetic" and options:
        raise ConfigError(f"unknown option {sorted(options)} for data set {name!r}")
    if not isinstance(seed, Integral) or seed < 0:
        raise ConfigError(f"seed must be a whole number from 0: got {seed!r}")
    if samples is not None and not isinstance(samples, Integral):
        raise ConfigError(f"samples must be a whole number of rows: got {samples!r}")
    if target_scale not in SCALES:
        raise ConfigError(f"target_scale must be one of {', '.join(SCALES)}: got {target_scale!r}")
    if image_size is not None and name not in catalogue.IMAGES:
        images = ", ".join(catalogue.IMAGES)
        raise ConfigError(f"image_size is an option of images, those of {images}: got data set {name!r}")
    if name == "synthetic":
        raw = _synthetic(options | ({} if samples is None else {"samples": samples}))
    elif name in catalogue.BUILT_IN:
        raw = _subsample(_prepared(name, data_folder(data_dir)), samples, seed)
    else:
        raw = _subsample(_table(Path(name), targets, split), samples, seed)
    if split == "blocked" and name in catalogue.IMAGES and raw.groups is None:
        raise ConfigError(f"a blocked split is one between episodes, and {name!r} has none: use split=random")
    if raw.test is not None:
        split = "own"
    targets_of_rows = raw.y[np.random.default_rng(seed).permutation(len(raw.y))] if shuffled else raw.y
    if target_scale == "log":
        targets_of_rows = _logarithms(targets_of_rows)
    train, test = _split(raw, split, seed)
    y, spread, constant = _scale(targets_of_rows, train, "target")
    if constant.any():
        column = int(np.argmax(constant))
        which = shown(raw.targets[column]) if raw.targets else column
        raise DataDamaged(f"target {which} is constant on the training rows: drop that column")
    if target_scale == "raw":
        y = torch.from_numpy(targets_of_rows.astype(np.float32))
    facts: dict[str, Any] = {"split": split, "split_seed": seed, "n_train": len(train), "n_test": len(test)}
    facts |= {"target_spread": spread.tolist()}
    facts |= {"shuffled": True} if shuffled else {}
    facts |= {"target_scale": target_scale} if target_scale != SCALES[0] else {}
    if name in catalogue.IMAGES:
        size = image_size or DEFAULT_SIZE.get(name)
        x_train, x_test = decode(raw.x[train], size), decode(raw.x[test], size)
        facts |= {"image_shape": list(x_train.shape[1:])}
        return Dataset(name, x_train, y[train], x_test, y[test], raw.provenance | facts, *pixel_statistics(x_train))
    x, _, constant = _scale(raw.x, train, "input")
    facts |= {"constant_inputs": np.flatnonzero(constant).tolist()}
    return Dataset(name, x[train], y[train], x[test], y[test], raw.provenance | facts)


def _name(name: Any) -> str:
    try:
        return os.fsdecode(name)
    except TypeError:
        raise ConfigError(
            f"a data set is its name or the path of a table: got a {type(name).__name__}; write it to a file first, as "
            "with table.to_parquet('my.parquet')"
        ) from None


def _names(targets: Any) -> Any:
    """The names of targets in a list; a text stays a text, and `check_request` refuses it."""
    if isinstance(targets, str) or targets is None:
        return targets or ()
    names = list(targets) if isinstance(targets, Iterable) else [targets]
    if isinstance(targets, set | frozenset) or not all(isinstance(one, str) for one in names):
        raise ConfigError(f"targets must be a list of names, as ['y'], or ['4'] for a number: got {shown(targets)}")
    return names


def _in_classes(name: str, folder: Path, options: dict[str, Any]) -> Dataset:
    try:
        if name == gaussian_classes.NAME:
            return gaussian_classes.gaussian_classes(**options)
        table, manifest = read_prepared(folder / name)
        return classified(name, table, manifest, **options)
    except TypeError as error:
        raise ConfigError(f"unknown option for data set {name!r}: {error}") from None


def _synthetic(options: dict[str, Any]) -> _Raw:
    try:
        x, y, facts = synthetic(**options)
    except TypeError as error:
        raise ConfigError(f"unknown or missing option for data set 'synthetic': {error}") from None
    described = {"kind": "synthetic", "source": "a teacher network, generated", "identity": "synthetic"}
    return _Raw(x.numpy(), y.numpy(), None, described | facts)


def _prepared(name: str, folder: Path) -> _Raw:
    if name in catalogue.SIMULATED and not (folder / name).is_dir():
        try:
            importlib.import_module("data_scripts").prepare(name, folder)
        except ImportError as error:
            raise DataUnavailable(
                f"data set {name!r} is not in {folder} and cannot be simulated here ({error}): "
                f"run `nrc data {name}` where the `data` extra is installed, and copy {folder / name}"
            ) from None
    table, manifest = read_prepared(folder / name)
    groups = table[manifest.groups].to_numpy() if manifest.groups else None
    inputs = table[manifest.inputs[0] if manifest.images else manifest.inputs].to_numpy()
    return _Raw(inputs, table[manifest.targets].to_numpy(), groups, manifest.provenance | manifest.facts)


def _table(path: Path, targets: Sequence[str], split: str) -> _Raw:
    table = read_table(path, targets, split=split)
    for note in table.notes:
        logger.warning("%s: %s", path.name, note)
    described = {"kind": "your own", "source": path.name, "identity": table.identity}
    listed = {"targets": list(table.targets)} | ({"notes": list(table.notes)} if table.notes else {})
    return _Raw(table.x, table.y, None, described | listed, table.test, table.targets)


def _subsample(raw: _Raw, samples: int | None, seed: int) -> _Raw:
    catalogue.check_samples(samples, len(raw.x))
    if samples is None:
        return raw
    rows = np.sort(np.random.default_rng(seed).choice(len(raw.x), samples, replace=False))
    groups, test = (None if marks is None else marks[rows] for marks in (raw.groups, raw.test))
    provenance = raw.provenance | {"samples": samples}
    return raw._replace(x=raw.x[rows], y=raw.y[rows], groups=groups, provenance=provenance, test=test)


def _split(raw: _Raw, split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The training rows and the test rows."""
    n = len(raw.x)
    order, cut = np.arange(n), int(n * TRAIN_SHARE)
    if raw.test is not None:
        order, cut = np.argsort(raw.test, kind="stable"), int((~raw.test).sum())
    elif split == "random":
        order = np.random.default_rng(seed).permutation(n)
    elif raw.groups is not None:
        starts = np.flatnonzero(raw.groups[1:] != raw.groups[:-1]) + 1
        cut = int(starts[np.abs(starts - cut).argmin()]) if len(starts) else cut
    if not 1 < cut < n and raw.test is not None:
        raise ConfigError(f"{cut} training and {n - cut} test rows are too few: at least 2 and 1 are needed")
    if not 1 < cut < n:
        raise ConfigError(f"{n} row{'' if n == 1 else 's'} cannot be split 80 to 20: at least 3 are needed")
    return order[:cut], order[cut:]


def _logarithms(targets: np.ndarray) -> np.ndarray:
    if not (targets > 0).all():
        raise ConfigError(
            f"target_scale=log takes positive targets: the lowest is {targets.min():g}, use standardised or raw"
        )
    return np.log(targets.astype(np.float64))


def _scale(values: np.ndarray, train: np.ndarray, role: str) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Columns scaled by their training rows, the spread of each there, and whether it is constant there."""
    values = values.astype(np.float64)
    with np.errstate(over="ignore"):
        mean, spread = values[train].mean(0), values[train].std(0)
    if not np.isfinite(spread).all():
        column = int(np.argmin(np.isfinite(spread)))
        raise DataDamaged(f"{role} {column} is too large for its variance to be a number: give it in another unit")
    # Rounding alone gives a constant column a spread of about 1e-16 of its size.
    constant = spread <= 1e-12 * np.abs(values[train]).max(0)
    scaled = np.where(constant, 0.0, (values - mean) / np.where(constant, 1.0, spread))
    return torch.from_numpy(scaled.astype(np.float32)), spread, constant
