"""The experiments of the book: one function a section, and `run`, which goes through the store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch

from nrc_core.config import RunConfig, log_spaced_epochs
from nrc_core.datasets import Dataset, check_name, load_dataset
from nrc_core.errors import ConfigError, TrainingDiverged
from nrc_core.measurement import decompose, input_spectra, spectra, tabulate
from nrc_core.metrics import Eigen
from nrc_core.moments import collect
from nrc_core.provenance import describe_run
from nrc_core.store import TABLES, RunResult, Store, content_key
from nrc_core.training import Training, reproducible_cpu, train

logger = logging.getLogger(__name__)

# What is measured at each chosen epoch: (samples, features).
VIEWS = (("train", "post"), ("train", "pre"), ("test", "post"))


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of one data set; batches of 128 and momentum 0.9 throughout."""

    width: int
    learning_rate: float
    weight_decay: float
    epochs: int
    stated: bool  # by the paper


# Deep NRC paper, Appendix A. The paper states none for its synthetic data, nor can it for yours.
RECIPES = {
    "swimmer": Recipe(256, 0.1, 5e-3, 1000, stated=True),
    "reacher": Recipe(512, 0.05, 1e-4, 1000, stated=True),
    "hopper": Recipe(256, 0.1, 1e-3, 1000, stated=True),
    "sgemm": Recipe(512, 0.005, 1e-3, 200, stated=True),
    "synthetic": Recipe(256, 0.05, 5e-4, 500, stated=False),
}
OTHER = Recipe(256, 0.01, 1e-3, 300, stated=False)


@dataclass(frozen=True)
class Results:
    """Tidy results of a list of runs; `key` joins the frames.

    Attributes:
        runs: one row a run: key, cached, device, seconds, date, commit and the configuration.
        measurements: one row per run, epoch, split, features and site, columns as `measure`.
        spectra: one row per run, epoch, split, features, site and rank k.
        losses: one row per run and epoch.
        provenance: by key, everything recorded.
        failures: by configuration in words, why a run has no results.
    """

    runs: pd.DataFrame
    measurements: pd.DataFrame
    spectra: pd.DataFrame
    losses: pd.DataFrame
    provenance: dict[str, dict[str, Any]]
    failures: dict[str, str] = field(default_factory=dict)

    def final(self, split: str = "train", features: str = "post") -> pd.DataFrame:
        """Measurements at the last epoch of every run."""
        m = self.measurements
        last = m["epoch"] == m.groupby("key")["epoch"].transform("max")
        return m[last & (m["split"] == split) & (m["features"] == features)].reset_index(drop=True)


def deep_nrc_mlp(
    dataset: str = "swimmer",
    *,
    seeds: Sequence[int] = (0,),
    width: int | None = None,
    depth: int = 8,
    bias: bool = False,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    epochs: int | None = None,
    batch_size: int = 128,
    split: str = "random",
    samples: int | None = None,
    targets: Sequence[str] = (),
    rank: int | None = None,
    measurements: int = 10,
) -> list[RunConfig]:
    """Deep NRC on MLPs: figures 2, 6, 7 and 8 of the Deep NRC paper, one configuration a seed.

    What is None is the paper's value for that data set (Appendix A).

    Raises:
        ConfigError: an unknown data set or split, no seeds, or a value out of range.
    """
    check_name(dataset)
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"seeds must be one or more different whole numbers: got {list(seeds)}")
    recipe = RECIPES.get(dataset, OTHER)
    epochs = recipe.epochs if epochs is None else epochs
    options: dict[str, Any] = {"split": split}
    options |= {"samples": samples} if samples is not None else {}
    options |= {"targets": list(targets)} if targets else {}
    config = RunConfig(
        dataset=dataset,
        dataset_options=options,
        width=recipe.width if width is None else width,
        depth=depth,
        bias=bias,
        learning_rate=recipe.learning_rate if learning_rate is None else learning_rate,
        weight_decay=recipe.weight_decay if weight_decay is None else weight_decay,
        epochs=epochs,
        batch_size=batch_size,
        rank=rank,
    )
    measured = log_spaced_epochs(epochs, measurements)
    return [RunConfig(**{**vars(config), "seed": seed, "measure_epochs": measured}) for seed in seeds]


# By the name of the notebook that shows them.
EXPERIMENTS: dict[str, Callable[..., list[RunConfig]]] = {"deep_nrc_mlp": deep_nrc_mlp}


def run(
    configs: Iterable[RunConfig], *, store: Store | None = None, device: torch.device | str | None = None
) -> Results:
    """Results of every configuration: from the store where it has them, else trained, measured and stored.

    A run whose loss stops being finite is reported in `failures`; the others go on.

    Args:
        store: the default `Store()` unless given.
        device: a GPU where there is one, unless given.

    Raises:
        TrainingDiverged: every run did.
        DataUnavailable, DataDamaged, ConfigError: from loading the data.

    Example:
        >>> results = run(deep_nrc_mlp("synthetic", samples=100, width=8, epochs=1), store=Store(tmp))
        >>> sorted(results.final()["site"])
        [0, 1, 2, 3, 4, 5, 6, 7, 8]
    """
    store = Store() if store is None else store
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    datasets: dict[str, Dataset] = {}
    done: list[tuple[RunResult, bool]] = []
    failures: dict[str, str] = {}
    for config in configs:
        name = repr((config.dataset, sorted(config.dataset_options.items())))
        if name not in datasets:
            datasets[name] = load_dataset(config.dataset, **config.dataset_options)
        dataset = datasets[name]
        key = content_key(config, dataset.provenance["identity"])
        found = store.load(key)
        if found is not None:
            logger.info("%s, seed %d: found in the store as %s, not trained again", config.dataset, config.seed, key)
            done.append((found, True))
            continue
        try:
            done.append((_compute(config, dataset, key, store, device), False))
        except TrainingDiverged as error:
            logger.warning("%s", error)
            failures[f"{config.dataset}, seed {config.seed}"] = str(error)
    if not done:
        raise TrainingDiverged("; ".join(failures.values()) or "no configuration was given")
    return _collect(done, failures)


def _compute(config: RunConfig, dataset: Dataset, key: str, store: Store, device: torch.device) -> RunResult:
    store.check_writable()
    started = time.monotonic()
    measured: list[pd.DataFrame] = []
    eigenvalues: list[pd.DataFrame] = []
    losses: list[dict[str, float]] = []
    with reproducible_cpu():
        for epoch, training in train(config, dataset, device=device):
            losses = training.losses
            inputs = input_spectra(training.model)
            for split, features in VIEWS:
                view = {"epoch": epoch, "split": split, "features": features}
                table, spectrum = _measure(training, split, features, inputs, device)
                measured.append(table.assign(**view))
                eigenvalues.append(spectrum.assign(**view))
    tables = dict(zip(TABLES, (pd.concat(measured), pd.concat(eigenvalues), pd.DataFrame(losses)), strict=True))
    return store.save(key, tables, describe_run(config, dataset, device, time.monotonic() - started))


def _measure(
    training: Training, split: str, features: str, inputs: dict[str, Eigen], device: torch.device
) -> tuple[pd.DataFrame, pd.DataFrame]:
    data, config = training.dataset, training.config
    x, y = (data.x_train, data.y_train) if split == "train" else (data.x_test, data.y_test)
    sites = decompose(collect(training.model, x.to(device), y.to(device), features=features), inputs)
    return tabulate(sites, rank=config.rank, tolerance=config.tolerance), spectra(sites)


def _collect(done: list[tuple[RunResult, bool]], failures: dict[str, str]) -> Results:
    frames = {
        name: pd.concat([result.tables[name].assign(key=result.key) for result, _ in done], ignore_index=True)
        for name in TABLES
    }
    rows = [
        {"key": result.key, "cached": cached}
        | {name: result.provenance[name] for name in ("device", "seconds", "date", "commit")}
        | dict(result.provenance["config"])
        for result, cached in done
    ]
    seeds = {row["key"]: row["seed"] for row in rows}
    for frame in frames.values():
        frame["seed"] = frame["key"].map(seeds)
    provenance = {result.key: dict(result.provenance) for result, _ in done}
    return Results(pd.DataFrame(rows), **frames, provenance=provenance, failures=failures)
