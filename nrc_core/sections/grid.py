"""From a recipe and what a page varies to configurations: what the experiments of all sections are built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nrc_core.config.base import Configuration, check_several, log_spaced_epochs
from nrc_core.config.classification import ClassifierConfig
from nrc_core.config.regression import RunConfig
from nrc_core.data.catalogue import CLASSIFIED, IMAGES, check_request
from nrc_core.errors import ConfigError, suggestion
from nrc_core.sections.recipes import OTHER, RECIPES, Recipe

# Hui et al., section 3.2: learning rate, depth and width by architecture, iterations, rows by data set.
LEARNING_RATES = {"resnet": 0.1, "vgg": 0.01, "densenet": 0.01, "mlp": 0.001}
SIZES = {"resnet": (18, 64), "vgg": (11, 64), "densenet": (201, 64), "mlp": (4, 1024)}  # depth and width
ITERATIONS = 80_000
ROWS = {"svhn": {"train_per_class": 4600, "test_per_class": 1500}}
DEPTH, MEASUREMENTS = 8, 10  # of the MLPs of the Deep NRC paper, and how often they are measured


def mlp_regressions(dataset: str, seeds: Sequence[int], **fields: Any) -> list[RunConfig]:
    """The MLPs of a data set of vectors, see `regressions`.

    Raises:
        ConfigError: images.
    """
    if dataset in IMAGES:
        raise ConfigError(f"an MLP takes vectors, and {dataset!r} are images: use deep_nrc_resnet")
    return regressions(dataset, seeds, **fields)


def regressions(
    dataset: str,
    seeds: Sequence[int],
    *,
    options: Mapping[str, Any],
    measurements: int,
    targets: Sequence[str] = (),
    recipe: Recipe | None = None,
    **fields: Any,
) -> list[RunConfig]:
    """One configuration a seed; what is None is the recipe's, or left out where it has none."""
    check_several("seeds", seeds)
    recipe = recipe or RECIPES.get(dataset, OTHER)
    names = ("architecture", "width", "depth", "learning_rate", "weight_decay", "epochs", "batch_size", "init_scale")
    defaults = {name: getattr(recipe, name) for name in names}
    given = {name: value for name, value in fields.items() if value is not None}
    values = defaults | given
    used = {"split": recipe.split} | {name: value for name, value in options.items() if value is not None}
    used |= {"targets": list(targets)} if targets else {}
    check_request(dataset, split=used["split"], targets=targets)
    RunConfig(dataset, **values)  # a wrong number of epochs is said before it is used
    measured = log_spaced_epochs(values["epochs"], measurements)
    return [
        RunConfig(dataset, seed=seed, measure_epochs=measured, dataset_options=dict(used), **values) for seed in seeds
    ]


def mlp_classifiers(
    dataset: str,
    seeds: Sequence[int],
    weight_decays: Sequence[float],
    iterations: int,
    measurements: int,
    **fields: Any,
) -> list[Configuration]:
    """One MLP a weight decay and seed."""
    check_all("dataset", [dataset], CLASSIFIED)
    return [
        classifier(dataset, "mlp", seed, iterations, measurements, weight_decay=weight_decay, **fields)
        for weight_decay in several("weight_decays", weight_decays)
        for seed in several("seeds", seeds)
    ]


def regressions_beside(datasets: Sequence[str], seeds: Sequence[int], epochs: int | None) -> list[Configuration]:
    """The networks of the pages on these data sets, with the paper's hyper-parameters."""
    return [
        config
        for dataset in several("regression_datasets", datasets)
        for config in mlp_regressions(dataset, seeds, options={}, measurements=MEASUREMENTS, depth=DEPTH, epochs=epochs)
    ]


def classifier(
    dataset: str,
    architecture: str,
    seed: int,
    iterations: int,
    measurements: int,
    *,
    size: tuple[int, int],
    rows: dict[str, Any],
    learning_rate: float | None = None,
    extra: Sequence[int] = (),
    **fields: Any,
) -> ClassifierConfig:
    """One classifier, measured at times that are evenly spaced in their logarithm, and later on evenly."""
    last = fields.get("stop_iteration") or iterations
    # Early on by equal factors, later by equal steps, of which ten are enough.
    steps = min(10, measurements)
    even = [last * step // steps for step in range(1, steps + 1) if last * step >= steps]
    times = {*log_spaced_epochs(last, measurements), *even, *extra}
    return ClassifierConfig(
        dataset,
        iterations=iterations,
        learning_rate=LEARNING_RATES[architecture] if learning_rate is None else learning_rate,
        architecture=architecture,
        depth=size[0],
        width=size[1],
        seed=seed,
        measure_iterations=tuple(times),
        dataset_options=rows,
        **fields,
    )


def size_of(dataset: str, architecture: str, depth: int | None, width: int | None) -> tuple[int, int]:
    """Depth and width: the paper's unless given; on STL-10 its ResNet has 50 layers."""
    own, channels = SIZES[architecture]
    own = 50 if (dataset, architecture) == ("stl10", "resnet") else own
    return own if depth is None else depth, channels if width is None else width


def rows_of(dataset: str, train: int | None, test: int | None) -> dict[str, Any]:
    """The rows of each class as options of a data set: the paper's unless given."""
    given = {"train_per_class": train, "test_per_class": test}
    return ROWS.get(dataset, {}) | {name: count for name, count in given.items() if count is not None}


def several(name: str, values: Sequence[Any]) -> Sequence[Any]:
    """The values, if there are one or more different ones; raises ConfigError if not."""
    check_several(name, values)
    return values


def check_all(name: str, values: Sequence[str], known: Sequence[str]) -> None:
    """Raise ConfigError unless the values are different ones of those known."""
    for value in several(name, values):
        if value not in known:
            raise ConfigError(f"{name} must be among {', '.join(known)}: {suggestion(value, known, 'known are')}")
