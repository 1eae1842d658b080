"""The experiments on classification networks: number of runs, the paper's values, stopping rules."""

from typing import Any

import pytest

from nrc_core import EXPERIMENTS, ConfigError, deep_nrc_mlp
from nrc_core.config.classification import ClassifierConfig
from nrc_core.sections.experiments import trains_classifiers

ARCHITECTURES = ("resnet", "vgg", "densenet", "mlp")
CLASSIFIER_EXPERIMENTS = [name for name in EXPERIMENTS if trains_classifiers(name)]
DATASETS = ("mnist", "fashion_mnist", "cifar10", "svhn", "stl10")


def collapse(*given: Any, **options: Any) -> list[Any]:
    """Call the experiment `test_vs_train_collapse`, which pytest would otherwise collect as a test."""
    return list(EXPERIMENTS["test_vs_train_collapse"](*given, **options))


def made(experiment: str, *given: Any, **options: Any) -> list[Any]:
    return list(EXPERIMENTS[experiment](*given, **options))


def test_experiments_are_known_by_their_names():
    assert [name for name, experiment in EXPERIMENTS.items() if experiment.__name__ != name] == []
    assert len(CLASSIFIER_EXPERIMENTS) == 5
    assert EXPERIMENTS["deep_nrc_mlp"] is deep_nrc_mlp


@pytest.mark.parametrize("experiment", CLASSIFIER_EXPERIMENTS)
def test_no_run_is_asked_for_twice(experiment):
    configs = made(experiment)
    identities = [config.identity() for config in configs]
    assert all(identities.count(identity) == 1 for identity in identities)


def test_one_network_for_each_data_set_architecture_weight_decay_and_seed():
    configs = collapse(DATASETS, architectures=ARCHITECTURES, weight_decays=(0.0, 1e-4, 5e-4), seeds=(0, 1))
    assert len(configs) == 5 * 4 * 3 * 2
    told = {(config.dataset, config.architecture, config.weight_decay, config.seed) for config in configs}
    assert len(told) == len(configs)


def test_what_is_not_given_is_the_papers_by_architecture():
    """Hui et al., section 3.2."""
    configs = {config.architecture: config for config in collapse(architectures=ARCHITECTURES, weight_decays=(0.0,))}
    rates = {name: config.learning_rate for name, config in configs.items()}
    assert rates == {"resnet": 0.1, "vgg": 0.01, "densenet": 0.01, "mlp": 0.001}
    assert {name: (config.depth, config.width) for name, config in configs.items()} == {
        "resnet": (18, 64), "vgg": (11, 64), "densenet": (201, 64), "mlp": (4, 1024),
    }  # fmt: skip
    for config in configs.values():
        assert (config.iterations, config.batch_size, config.momentum) == (80_000, 128, 0.9)
        assert (config.loss, config.label_smoothing, config.stop_loss, config.stop_iteration) == (
            "cross_entropy", 0.0, None, None,
        )  # fmt: skip


def test_what_is_not_given_is_the_papers_by_data_set():
    configs = {config.dataset: config for config in collapse(DATASETS, weight_decays=(0.0,))}
    assert {name: config.depth for name, config in configs.items()} == dict.fromkeys(DATASETS, 18) | {"stl10": 50}
    options = {name: config.dataset_options for name, config in configs.items()}
    assert options.pop("svhn") == {"train_per_class": 4600, "test_per_class": 1500}
    assert all(rest == {} for rest in options.values())
    assert all(config.depth != 50 for config in collapse(["stl10"], architectures=("vgg", "densenet", "mlp"))), (
        "only its ResNet"
    )


def test_what_is_given_counts():
    (config,) = collapse(
        ["svhn"], architectures=["resnet"], weight_decays=[1e-3], depth=50, width=8, iterations=90, train_per_class=7,
        measurements=3, stem="imagenet",
    )  # fmt: skip
    assert (config.depth, config.width, config.iterations, config.stem) == (50, 8, 90, "imagenet")
    assert config.dataset_options == {"train_per_class": 7, "test_per_class": 1500}
    assert collapse(["stl10"], depth=18)[0].depth == 18


def test_batches_of_128_rows_are_the_papers():
    small, paper = collapse(weight_decays=[0.0], batch_sizes=[16, 128])
    assert (small.batch_size, paper.batch_size) == (16, 128)
    assert paper == collapse(weight_decays=[0.0])[0]


def test_random_labels_are_asked_of_the_data():
    assert all(config.dataset_options == {"labels": "random"} for config in collapse(random_labels=True))


@pytest.mark.parametrize(
    ("iterations", "measurements", "times"),
    [
        (1000, 1, (1000,)),
        (1000, 2, (1, 500, 1000)),
        (1000, 4, (1, 10, 100, 250, 500, 750, 1000)),
        (10_000, 13, (1, 2, 5, 10, 22, 46, 100, 215, 464, *range(1000, 11_000, 1000), 2154, 4642)),
        (5, 3, (1, 2, 3, 5)),
        (2, 40, (1, 2)),
    ],
)
def test_measured_early_by_equal_factors_and_later_by_equal_steps(iterations, measurements, times):
    (config,) = collapse(weight_decays=[0.0], iterations=iterations, measurements=measurements)
    assert config.times == tuple(sorted(times))


def test_equal_epochs_are_iterations_in_proportion_to_rows():
    sizes = (1250, 2500, 3000, 4000, 5000)
    configs = made("train_size", rules=["epochs"])
    assert [config.dataset_options["train_per_class"] for config in configs] == list(sizes)
    assert [config.iterations for config in configs] == [20_000, 40_000, 48_000, 64_000, 80_000]
    per_row = {config.iterations / config.dataset_options["train_per_class"] for config in configs}
    assert per_row == {16.0}
    assert made("train_size", sizes=[1, 1000], rules=["epochs"], iterations=10)[0].iterations == 1


def test_equal_iterations_and_the_loss_stop_all_sizes_alike():
    equal = made("train_size", rules=["iterations"])
    assert {config.iterations for config in equal} == {80_000}
    assert {config.stop_loss for config in equal} == {None}
    loss = made("train_size", rules=["loss"])
    assert {(config.iterations, config.stop_loss) for config in loss} == {(80_000, 1e-6)}


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_the_largest_size_is_shared_by_equal_iterations_and_equal_epochs(seeds):
    configs = made("train_size", seeds=seeds)
    assert len(configs) == (5 + 5 + 5 - 1) * len(seeds)
    largest = [config for config in configs if config.dataset_options["train_per_class"] == 5000]
    assert sorted(config.stop_loss is None for config in largest) == [False] * len(seeds) + [True] * len(seeds)


def test_fine_tuning_of_one_network_at_every_start():
    configs = made("transfer")
    pretraining, *tunings = configs
    assert isinstance(pretraining, ClassifierConfig)
    assert (pretraining.iterations, pretraining.architecture, pretraining.keep_weights) == (100_000, "mlp", True)
    assert [config.start for config in tunings] == [20_000, 40_000, 70_000, 80_000, 90_000]
    assert {20_000, 40_000, 70_000, 80_000, 90_000, 100_000} <= set(pretraining.times)
    assert all(config.pretraining is pretraining for config in tunings)
    assert {len(config.learning_rates) for config in tunings} == {8}


def test_networks_of_a_transfer_are_counted():
    configs = made("transfer", seeds=(0, 1), control_weight_decays=(1e-4, 1e-3), control_smoothings=(0.1,))
    pretrainings = [config for config in configs if isinstance(config, ClassifierConfig)]
    assert len(pretrainings) == 2 * (1 + 2 + 1)
    assert len(configs) - len(pretrainings) == 2 * (5 + 2 + 1)
    assert {config.iterations for config in pretrainings} == {100_000}
    assert sorted(config.last for config in pretrainings) == [20_000] * 6 + [100_000] * 2
    assert len({str(config.identity()) for config in configs}) == len(configs)


def test_all_layers_with_the_cross_entropy_and_with_the_squared_error():
    *cascade, _ = made("cascading_collapse", weight_decays=(0.0, 5e-4), seeds=(0, 1))
    assert [(config.weight_decay, config.seed) for config in cascade] == [(0.0, 0), (0.0, 1), (5e-4, 0), (5e-4, 1)]
    for config in cascade:
        assert (config.architecture, config.loss, config.learning_rate) == ("mlp", "cross_entropy", 0.001)
    both, _ = made("classification_and_regression", "fashion_mnist")
    assert (both.architecture, both.loss, both.depth, both.width) == ("mlp", "mse", 5, 512)
    assert (both.weight_decay, both.learning_rate, both.iterations) == (5e-4, 0.05, 20_000)
    assert both.dataset_options == {"train_per_class": 100, "test_per_class": 200}


@pytest.mark.parametrize("experiment", ["cascading_collapse", "classification_and_regression"])
def test_beside_them_are_the_regression_networks_of_the_deep_nrc_pages(experiment):
    options = {"regression_datasets": ("swimmer", "hopper"), "regression_seeds": (0, 1)}
    first, *regressions = made(experiment, **options)
    assert isinstance(first, ClassifierConfig)
    assert regressions == [*deep_nrc_mlp("swimmer", seeds=(0, 1)), *deep_nrc_mlp("hopper", seeds=(0, 1))]
    assert made(experiment)[1:] == deep_nrc_mlp("swimmer")


@pytest.mark.parametrize(
    ("experiment", "options", "message"),
    [
        ("test_vs_train_collapse", {"datasets": ["cifar"]}, "datasets must be among .*did you mean 'cifar10'"),
        ("test_vs_train_collapse", {"datasets": []}, "datasets must be one or more different values"),
        ("test_vs_train_collapse", {"datasets": ["swimmer"]}, "datasets must be among mnist, .*stl10"),
        ("test_vs_train_collapse", {"architectures": ["resnett"]}, "architectures must be among .*'resnet'"),
        ("test_vs_train_collapse", {"batch_sizes": [0]}, "batch_size must be a whole number, at least 1: got 0"),
        ("test_vs_train_collapse", {"weight_decays": [0.0, 0.0]}, "weight_decays must be one or more different"),
        ("test_vs_train_collapse", {"seeds": []}, "seeds must be one or more different"),
        ("test_vs_train_collapse", {"measurements": 0}, "measurements must be from 1 to 100000: got 0"),
        ("test_vs_train_collapse", {"depth": 34}, "depth of a resnet must be 18 or 50: got 34"),
        ("train_size", {"rules": ["epoch"]}, "rules must be among loss, iterations, epochs: .*'epochs'"),
        ("train_size", {"dataset": "sv"}, "dataset must be among mnist"),
        ("train_size", {"architecture": "densnet"}, "architecture must be among .*'densenet'"),
        ("train_size", {"sizes": []}, "sizes must be one or more different"),
        ("train_size", {"sizes": [100, 100]}, "sizes must be one or more different"),
        ("transfer", {"dataset": "fashion_mnist"}, "dataset must be among mnist, cifar10"),
        ("transfer", {"architecture": "mpl"}, "architecture must be among .*'mlp'"),
        ("transfer", {"starts": []}, "starts must be one or more different"),
        ("transfer", {"starts": [200_000]}, "measure_iterations must lie between 1 and 100000: got 200000"),
        ("transfer", {"starts": [0]}, "measure_iterations must lie between 1 and 100000: got 0"),
        ("transfer", {"learning_rates": []}, "learning_rates must be one or more different"),
        ("cascading_collapse", {"regression_datasets": []}, "regression_datasets must be one or more different"),
        ("cascading_collapse", {"dataset": "mnst"}, "dataset must be among .*'mnist'"),
        ("classification_and_regression", {"dataset": "stl"}, "dataset must be among .*'stl10'"),
        ("classification_and_regression", {"weight_decays": [-1.0]}, "weight_decay must be zero or positive"),
    ],
)
def test_what_is_not_offered_is_named_with_a_suggestion(experiment, options, message):
    with pytest.raises(ConfigError, match=message):
        made(experiment, **options)


@pytest.mark.parametrize("name", ["depth", "width"])
@pytest.mark.parametrize("experiment", ["test_vs_train_collapse", "cascading_collapse"])
def test_a_size_of_zero_is_refused_and_not_taken_for_the_papers(experiment, name):
    with pytest.raises(ConfigError, match=f"{name} "):
        made(experiment, **{name: 0})


def test_a_control_that_stops_after_no_iteration_is_refused():
    with pytest.raises(ConfigError, match="must"):
        made("transfer", starts=[0, 10], control_weight_decays=[1e-3])


@pytest.mark.parametrize("experiment", ["cascading_collapse", "classification_and_regression"])
def test_the_regression_beside_classifiers_is_that_of_the_mlp_pages(experiment):
    beside = [one for one in EXPERIMENTS[experiment](regression_datasets=["hopper"]) if one.dataset == "hopper"]
    assert beside == deep_nrc_mlp("hopper")
    with pytest.raises(ConfigError, match="an MLP takes vectors, and 'utkface' are images"):
        EXPERIMENTS[experiment](regression_datasets=["utkface"])
