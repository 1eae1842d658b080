"""The experiments on classification networks: from parameters to configurations, one function a section."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nrc_core.config.base import Configuration, check_several, log_spaced_epochs
from nrc_core.config.classification import ClassifierConfig, TransferConfig
from nrc_core.data.catalogue import CLASSIFIED, SUPERCLASSES
from nrc_core.errors import ConfigError, suggestion
from nrc_core.sections.parameters import takes_lists
from nrc_core.sections.regression_experiments import deep_nrc_mlp

# Hui et al., sections 3.2 and 4.2: learning rate by architecture, iterations, rows by data set.
LEARNING_RATES = {"resnet": 0.1, "vgg": 0.01, "densenet": 0.01, "mlp": 0.001}
SIZES = {"resnet": (18, 64), "vgg": (11, 64), "densenet": (201, 64), "mlp": (4, 1024)}  # depth and width
ITERATIONS = 80_000
PRETRAINING_ITERATIONS = 100_000
STARTS = (20_000, 40_000, 70_000, 80_000, 90_000)  # of fine-tuning, figure 5 (left)
STOP_LOSS = 1e-6  # of figure 4
ROWS = {"svhn": {"train_per_class": 4600, "test_per_class": 1500}}
RULES = ("loss", "iterations", "epochs")


@takes_lists
def test_vs_train_collapse(
    datasets: Sequence[str] = ("cifar10",),
    *,
    architectures: Sequence[str] = ("resnet",),
    weight_decays: Sequence[float] = (0.0, 5e-4),
    seeds: Sequence[int] = (0,),
    random_labels: bool = False,
    stem: str = "small",
    depth: int | None = None,
    width: int | None = None,
    iterations: int = ITERATIONS,
    train_per_class: int | None = None,
    test_per_class: int | None = None,
    measurements: int = 12,
) -> list[Configuration]:
    """Collapse on training and test data: figures 1 to 3 of Hui et al., with and without weight decay.

    What is None is the paper's (section 3.2), which does not state the weight decay and the stem. With
    `random_labels` the training rows have labels that mean nothing, as in the thought experiment of section 2.1.

    Raises:
        ConfigError: an unknown data set or architecture, or a value out of range.
    """
    _check_all("datasets", datasets, CLASSIFIED)
    _check_all("architectures", architectures, tuple(SIZES))
    return [
        _network(
            dataset, architecture, seed, iterations, measurements, weight_decay=weight_decay, stem=stem,
            size=_size(dataset, architecture, depth, width),
            rows=_rows(dataset, train_per_class, test_per_class) | ({"labels": "random"} if random_labels else {}),
        )
        for dataset in datasets
        for architecture in architectures
        for weight_decay in _several("weight_decays", weight_decays)
        for seed in _several("seeds", seeds)
    ]  # fmt: skip


@takes_lists
def train_size(
    dataset: str = "cifar10",
    *,
    architecture: str = "resnet",
    sizes: Sequence[int] = (1250, 2500, 3000, 4000, 5000),
    rules: Sequence[str] = RULES,
    weight_decay: float = 0.0,
    seeds: Sequence[int] = (0,),
    depth: int | None = None,
    width: int | None = None,
    iterations: int = ITERATIONS,
    stop_loss: float = STOP_LOSS,
    test_per_class: int | None = None,
    measurements: int = 6,
) -> list[Configuration]:
    """Collapse by the size of the training set: figure 4 of Hui et al., under three rules of when to stop.

    `sizes` are training rows of each class. Rule "loss" is the paper's: as soon as the training loss is at most
    `stop_loss`, after `iterations` at the latest. "iterations" trains every network as long; "epochs" trains the
    largest as long and the others in proportion to their rows, so that every row is seen as often.

    Raises:
        ConfigError: an unknown data set, architecture or rule, or a value out of range.
    """
    _check_all("dataset", [dataset], CLASSIFIED)
    _check_all("architecture", [architecture], tuple(SIZES))
    _check_all("rules", rules, RULES)
    most = max(_several("sizes", sizes))
    configs: list[Configuration] = []
    for rule in rules:
        for size in sizes:
            count = max(1, iterations * size // most) if rule == "epochs" else iterations
            configs += [
                _network(
                    dataset, architecture, seed, count, measurements, weight_decay=weight_decay,
                    size=_size(dataset, architecture, depth, width), rows=_rows(dataset, size, test_per_class),
                    stop_loss=stop_loss if rule == "loss" else None,
                )
                for seed in _several("seeds", seeds)
            ]  # fmt: skip
    return _distinct(configs)


@takes_lists
def transfer(
    dataset: str = "mnist",
    *,
    architecture: str = "mlp",
    seeds: Sequence[int] = (0,),
    starts: Sequence[int] = STARTS,
    learning_rates: Sequence[float] = (0.0005, 0.0012, 0.003, 0.0072, 0.0174, 0.042, 0.102, 0.25),
    weight_decay: float = 0.0,
    control_weight_decays: Sequence[float] = (),
    control_smoothings: Sequence[float] = (),
    depth: int | None = None,
    width: int | None = None,
    iterations: int = PRETRAINING_ITERATIONS,
    train_per_class: int = 100,
    fine_tune_per_class: int = 50,
    validation_per_class: int = 100,
    test_per_class: int | None = 200,
    fine_tune_iterations: int = 500,
    measurements: int = 12,
) -> list[Configuration]:
    """Fine-tuning of networks pre-trained on two superclasses: figure 5 of Hui et al., and a control.

    The paper fine-tunes the checkpoints `starts` of one pre-training, so that collapse and training time vary
    together. The control fine-tunes networks pre-trained for equally many iterations, `starts[0]`, with other
    weight decays or label smoothing, so that collapse varies and training time does not. Every network has its
    learning rate searched, and is tested on all test rows; `test_per_class` is of the pre-training.

    Raises:
        ConfigError: a data set without superclasses, an unknown architecture, or a value out of range.
    """
    _check_all("dataset", [dataset], tuple(SUPERCLASSES))
    _check_all("architecture", [architecture], tuple(SIZES))
    starts = tuple(sorted(_several("starts", starts)))
    variants: list[dict[str, Any]] = [{"weight_decay": weight_decay, "extra": starts}]
    control: dict[str, Any] = {"weight_decay": weight_decay, "stop_iteration": starts[0]}
    variants += [control | {"weight_decay": float(value)} for value in control_weight_decays]
    variants += [control | {"label_smoothing": float(value)} for value in control_smoothings]
    configs: list[Configuration] = []
    for seed in _several("seeds", seeds):
        for variant in variants:
            pretraining = _network(
                dataset, architecture, seed, iterations, measurements,
                size=_size(dataset, architecture, depth, width), keep_weights=True,
                rows=_rows(dataset, train_per_class, test_per_class) | {"labels": "superclasses"}, **variant,
            )  # fmt: skip
            configs.append(pretraining)
            configs += [
                TransferConfig(
                    pretraining,
                    start=start,
                    iterations=fine_tune_iterations,
                    learning_rates=tuple(float(rate) for rate in learning_rates),
                    dataset=dataset,
                    dataset_options={
                        "labels": "members",
                        "train_skip": train_per_class,
                        "train_per_class": fine_tune_per_class,
                    },
                    validation_per_class=validation_per_class,
                    seed=seed,
                )
                for start in (starts[:1] if "stop_iteration" in variant else starts)
            ]
    return configs


@takes_lists
def cascading_collapse(
    dataset: str = "mnist",
    *,
    seeds: Sequence[int] = (0,),
    weight_decays: Sequence[float] = (0.0,),
    depth: int | None = None,
    width: int | None = None,
    learning_rate: float | None = None,
    iterations: int = ITERATIONS,
    train_per_class: int = 100,
    test_per_class: int | None = 200,
    measurements: int = 20,
    regression_datasets: Sequence[str] = ("swimmer",),
    regression_seeds: Sequence[int] = (0,),
    regression_epochs: int | None = None,
) -> list[Configuration]:
    """Collapse of all layers of an MLP, figure 6 of Hui et al., and the regression networks of the Deep NRC paper.

    Raises:
        ConfigError: an unknown data set, or a value out of range.
    """
    networks = _mlps(
        dataset, seeds, weight_decays, iterations, measurements, learning_rate=learning_rate,
        size=_size(dataset, "mlp", depth, width), rows=_rows(dataset, train_per_class, test_per_class),
    )  # fmt: skip
    return networks + _regressions(regression_datasets, regression_seeds, regression_epochs)


@takes_lists
def classification_and_regression(
    dataset: str = "mnist",
    *,
    seeds: Sequence[int] = (0,),
    weight_decays: Sequence[float] = (5e-4,),
    depth: int = 5,
    width: int = 512,
    learning_rate: float = 0.05,
    iterations: int = 20_000,
    train_per_class: int = 100,
    test_per_class: int | None = 200,
    measurements: int = 10,
    regression_datasets: Sequence[str] = ("swimmer",),
    regression_seeds: Sequence[int] = (0,),
    regression_epochs: int | None = None,
) -> list[Configuration]:
    """One MLP on one-hot targets with the squared error: table 1 of the Deep NRC paper, beside regression networks.

    Raises:
        ConfigError: an unknown data set, or a value out of range.
    """
    networks = _mlps(
        dataset, seeds, weight_decays, iterations, measurements, learning_rate=learning_rate,
        size=(depth, width), rows=_rows(dataset, train_per_class, test_per_class), loss="mse",
    )  # fmt: skip
    return networks + _regressions(regression_datasets, regression_seeds, regression_epochs)


CLASSIFIER_EXPERIMENTS = (
    test_vs_train_collapse,
    train_size,
    transfer,
    cascading_collapse,
    classification_and_regression,
)


def _mlps(
    dataset: str,
    seeds: Sequence[int],
    weight_decays: Sequence[float],
    iterations: int,
    measurements: int,
    **fields: Any,
) -> list[Configuration]:
    """One MLP a weight decay and seed."""
    _check_all("dataset", [dataset], CLASSIFIED)
    return [
        _network(dataset, "mlp", seed, iterations, measurements, weight_decay=weight_decay, **fields)
        for weight_decay in _several("weight_decays", weight_decays)
        for seed in _several("seeds", seeds)
    ]


def _regressions(datasets: Sequence[str], seeds: Sequence[int], epochs: int | None) -> list[Configuration]:
    """The networks of the pages on these data sets, with the paper's hyper-parameters."""
    return [
        config
        for dataset in _several("regression_datasets", datasets)
        for config in deep_nrc_mlp(dataset, seeds=seeds, epochs=epochs)
    ]


def _network(
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


def _size(dataset: str, architecture: str, depth: int | None, width: int | None) -> tuple[int, int]:
    """Depth and width: the paper's unless given; on STL-10 its ResNet has 50 layers."""
    own, channels = SIZES[architecture]
    own = 50 if (dataset, architecture) == ("stl10", "resnet") else own
    return own if depth is None else depth, channels if width is None else width


def _rows(dataset: str, train: int | None, test: int | None) -> dict[str, Any]:
    given = {"train_per_class": train, "test_per_class": test}
    return ROWS.get(dataset, {}) | {name: count for name, count in given.items() if count is not None}


def _distinct(configs: list[Configuration]) -> list[Configuration]:
    """Each once, in order: two rules can ask for the same network."""
    found: list[Configuration] = []
    for config in configs:
        if config not in found:
            found.append(config)
    return found


def _several(name: str, values: Sequence[Any]) -> Sequence[Any]:
    check_several(name, values)
    return values


def _check_all(name: str, values: Sequence[str], known: Sequence[str]) -> None:
    for value in _several(name, values):
        if value not in known:
            raise ConfigError(f"{name} must be among {', '.join(known)}: {suggestion(value, known, 'known are')}")
