"""Make configurations from the parameters of a page; the experiments of all sections use this module.

An experiment passes all its parameters by name, as `locals()` returns them. Fields of a configuration and options of
its data are used. Other parameters, such as lists of varied values and switches of the experiment, are ignored.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from nrc_core.config.base import Configuration, check_several, log_spaced_epochs
from nrc_core.config.classification import ClassifierConfig
from nrc_core.config.regression import RunConfig
from nrc_core.data.catalogue import CLASSIFIED, IMAGES, check_request
from nrc_core.errors import ConfigError, suggestion
from nrc_core.sections.recipes import OTHER, RECIPES, Recipe

# Hui et al., section 3.2: learning rate, depth and width by architecture, iterations, and rows by data set.
LEARNING_RATES = {"resnet": 0.1, "vgg": 0.01, "densenet": 0.01, "mlp": 0.001}
SIZES = {"resnet": (18, 64), "vgg": (11, 64), "densenet": (201, 64), "mlp": (4, 1024)}  # depth and width
ITERATIONS = 80_000
ROWS = {"svhn": {"train_per_class": 4600, "test_per_class": 1500}}
DEPTH, MEASUREMENTS = 8, 10  # depth of the MLPs of the Deep NRC paper, and the number of their measurements
# Arguments of `load_dataset` besides the name.
OPTIONS = (
    "split", "samples", "teacher", "target_dim", "teacher_rank", "shuffled", "image_size", "targets",
    "train_per_class", "test_per_class", "labels", "target_scale", "teacher_seed", "teacher_weights",
)  # fmt: skip
# Options that are left out if they have their default, so that runs from before there was a choice keep their keys.
DEFAULTS = {"target_scale": "standardised", "teacher_weights": "normal"}

Made = TypeVar("Made", bound=Configuration)


def grid(
    make: Callable[[Mapping[str, Any]], Made], given: Mapping[str, Any], factors: Mapping[str, Sequence[Any]]
) -> list[Made]:
    """One configuration for each combination of the factors; the last factor varies fastest.

    Args:
        make: function that makes a configuration from values by name.
        given: the values that all configurations share.
        factors: the values that are varied, by name.

    Raises:
        ConfigError: a factor has no values or equal values. The message has the name of the factor in the plural,
            because the parameters of experiments have names in the plural.
    """
    for name, values in factors.items():
        check_several(f"{name}s", values)
    return [
        make({**given, **dict(zip(factors, values, strict=True))}) for values in itertools.product(*factors.values())
    ]


def regressions(given: Mapping[str, Any], recipe: Recipe | None = None, **factors: Sequence[Any]) -> list[RunConfig]:
    """Configurations of regression networks, see `grid`.

    A value that is None is taken from `recipe`, by default the recipe of the data set.

    Raises:
        ConfigError: an unknown data set or split, an MLP on images or a ResNet on vectors, a value out of range.
    """
    return grid(partial(_regression, recipe), given, factors)


def _regression(recipe: Recipe | None, given: Mapping[str, Any]) -> RunConfig:
    dataset = given["dataset"]
    values = vars(recipe or RECIPES.get(dataset, OTHER)) | _not_none(given)
    check_request(dataset, split=values["split"], targets=values.get("targets", ()))
    if values["architecture"] == "mlp" and dataset in IMAGES:
        raise ConfigError(f"an MLP takes vectors, and {dataset!r} are images: use deep_nrc_resnet")
    if values["architecture"] == "resnet" and dataset not in IMAGES:
        raise ConfigError(f"a ResNet takes images, those of {', '.join(IMAGES)}: got {dataset!r}")
    if targets := values.pop("targets", ()):
        values["targets"] = list(targets)
    config = RunConfig(**_fields(RunConfig, values))  # checked before its epochs are used
    return dataclasses.replace(config, measure_epochs=log_spaced_epochs(config.epochs, values["measurements"]))


def classifiers(given: Mapping[str, Any], **factors: Sequence[Any]) -> list[ClassifierConfig]:
    """Configurations of classifiers, see `grid`.

    A value that is None is the paper's value for the data set and architecture. Classifiers are measured at iterations
    that are evenly spaced on a logarithmic scale, at up to ten evenly spaced iterations, and at the iterations in
    `extra`.

    Raises:
        ConfigError: an unknown data set or architecture, or a value out of range.
    """
    for name, known in (("dataset", CLASSIFIED), ("architecture", tuple(SIZES))):
        varied = name in factors
        check_all(f"{name}s" if varied else name, factors[name] if varied else [given[name]], known)
    return grid(_classifier, given, factors)


def _classifier(given: Mapping[str, Any]) -> ClassifierConfig:
    dataset, architecture = given["dataset"], given["architecture"]
    depth, width = SIZES[architecture]
    if (dataset, architecture) == ("stl10", "resnet"):
        depth = 50
    paper = {"learning_rate": LEARNING_RATES[architecture], "depth": depth, "width": width}
    values = paper | ROWS.get(dataset, {}) | _not_none(given)
    last = values.get("stop_iteration") or values["iterations"]
    # Equal ratios between iterations show the beginning of training, equal steps show the end; ten steps are enough.
    steps = min(10, values["measurements"])
    even = [last * step // steps for step in range(1, steps + 1) if last * step >= steps]
    times = {*log_spaced_epochs(last, values["measurements"]), *even, *values.get("extra", ())}
    return ClassifierConfig(**_fields(ClassifierConfig, values), measure_iterations=tuple(times))


def classifiers_and_regressions(given: Mapping[str, Any], loss: str) -> list[Configuration]:
    """Configurations of classifying MLPs, one for each weight decay and seed, and of regression networks.

    Raises:
        ConfigError: as `classifiers` and `regressions`.
    """
    networks = classifiers(
        {**given, "architecture": "mlp", "loss": loss}, weight_decay=given["weight_decays"], seed=given["seeds"]
    )
    check_several("regression_datasets", given["regression_datasets"])
    beside = regressions(
        {"architecture": "mlp", "depth": DEPTH, "epochs": given["regression_epochs"], "measurements": MEASUREMENTS},
        dataset=given["regression_datasets"],
        seed=given["regression_seeds"],
    )
    return [*networks, *beside]


def check_all(name: str, values: Sequence[str], known: Sequence[str]) -> None:
    """Raise ConfigError unless the values are known and different."""
    check_several(name, values)
    for value in values:
        if value not in known:
            raise ConfigError(f"{name} must be among {', '.join(known)}: {suggestion(value, known, 'known are')}")


def _not_none(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _fields(kind: type[RunConfig] | type[ClassifierConfig], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are fields of a kind of configuration, with the values that are options of its data."""
    names = [field.name for field in dataclasses.fields(kind) if field.name in values]
    options = {name: values[name] for name in OPTIONS if name in values and values[name] != DEFAULTS.get(name)}
    options |= {"seed": values["split_seed"]} if "split_seed" in values else {}
    return {name: values[name] for name in names} | {"dataset_options": options}
