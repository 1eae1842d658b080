import dataclasses
import math

import pytest
import torch

from nrc_core import RECIPES, ConfigError, RunConfig, deep_nrc_mlp, log_spaced_epochs
from nrc_core.config.classification import ClassifierConfig
from nrc_core.config.regression import step_decay
from nrc_core.sections.parameters import coerce, experiment_parameters

GOOD = {"dataset": "swimmer", "epochs": 10, "learning_rate": 0.1, "weight_decay": 0.0}


def test_the_last_epoch_is_always_measured():
    assert RunConfig(**GOOD, measure_epochs=(3, 1, 3)).measure_epochs == (1, 3, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_decay": -1.0}, "weight_decay must be zero or positive: got -1.0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive: got 0.0"),
        ({"learning_rate": math.nan}, "learning_rate must be positive: got nan"),
        ({"epochs": 0}, "epochs must be a whole number, at least 1: got 0"),
        ({"width": True}, "width must be a whole number, at least 1: got True"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\): got 1.0"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"rank": 0}, "rank must be a whole number, at least 1: got 0"),
        ({"measure_epochs": (11,)}, "measure_epochs must lie between 1 and epochs = 10: got 11"),
    ],
)
def test_values_out_of_range_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        RunConfig(**{**GOOD, **change})


def test_log_spaced_epochs():
    assert log_spaced_epochs(100, 3) == (1, 10, 100)
    assert log_spaced_epochs(7, 1) == (7,)
    assert log_spaced_epochs(3, 50) == (1, 2, 3)
    with pytest.raises(ConfigError, match="epochs or iterations must be at least 1: got -1"):
        log_spaced_epochs(-1, 4)
    with pytest.raises(ConfigError, match="measurements must be from 1 to 100000: got 100001"):
        log_spaced_epochs(10, 100_001)
    with pytest.raises(ConfigError, match="measurements must be from 1 to 100000: got 0"):
        log_spaced_epochs(10, 0)


def test_the_recipes_are_those_of_appendix_a():
    stated = {name: (r.width, r.learning_rate, r.weight_decay, r.epochs) for name, r in RECIPES.items() if r.stated}
    assert stated == {
        "swimmer": (256, 0.1, 5e-3, 1000),
        "hopper": (256, 0.1, 1e-3, 1000),
        "reacher": (512, 0.05, 1e-4, 1000),
        "sgemm": (512, 0.005, 1e-3, 200),
        "utkface": (64, 0.001, 5e-4, 100),
        "carla2d": (64, 0.01, 5e-3, 250),
    }
    networks = {name: (RECIPES[name].architecture, RECIPES[name].depth, RECIPES[name].batch_size) for name in stated}
    assert networks.pop("utkface") == ("resnet", 34, 512)
    assert networks.pop("carla2d") == ("resnet", 18, 128)
    assert set(networks.values()) == {("mlp", 8, 128)}


def test_the_stand_in_has_the_recipe_of_what_it_stands_for():
    own, carla = vars(RECIPES["car_racing"]), vars(RECIPES["carla2d"])
    assert {name for name in own if own[name] != carla[name]} == {"stated", "split"}


def test_what_is_not_given_is_the_papers():
    (config,) = deep_nrc_mlp("hopper", weight_decay=0.0)
    assert (config.width, config.depth, config.learning_rate, config.weight_decay) == (256, 8, 0.1, 0.0)
    assert (config.momentum, config.batch_size, config.bias, config.epochs) == (0.9, 128, False, 1000)


@pytest.mark.parametrize("seeds", [(), (1, 1)])
def test_seeds_are_one_or_more_and_different(seeds):
    with pytest.raises(ConfigError, match="seeds must be one or more different"):
        deep_nrc_mlp("hopper", seeds=seeds)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("1e-4", "float", 1e-4),
        (3, "float", 3.0),
        ("7", "int", 7),
        ("false", "bool", False),
        (True, "bool", True),
        ("007", "str", "007"),
        ("0,1,2", "list[int]", [0, 1, 2]),
        ("a", "list[str]", ["a"]),
        ("", "list[str]", []),
        ("None", "Optional[int]", None),
        (None, "Optional[float]", None),
        ("5", "Optional[int]", 5),
    ],
)
def test_coerce(text, kind, value):
    result = coerce("x", text, kind)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("ten", "int"), ("1.5", "int"), (1.5, "int"), (True, "int"), (True, "float"), ("yes", "bool"), (3, "str"),
     ("1,a", "list[int]"), (3, "list[int]"), (None, "int")],
)  # fmt: skip
def test_what_does_not_fit_its_type_is_refused(text, kind):
    with pytest.raises(ConfigError, match="x must be of type"):
        coerce("x", text, kind)


def test_experiment_parameters_take_their_types_from_the_function():
    given = {"dataset": "hopper", "seeds": "0,1", "epochs": "10", "weight_decay": "1e-3", "bias": "true"}
    assert experiment_parameters(deep_nrc_mlp, given) == {
        "dataset": "hopper",
        "seeds": [0, 1],
        "epochs": 10,
        "weight_decay": 1e-3,
        "bias": True,
    }
    with pytest.raises(ConfigError, match="no parameter 'weight_decy': did you mean 'weight_decay'"):
        experiment_parameters(deep_nrc_mlp, {"weight_decy": 1})


def test_the_exposure_of_a_regression_is_the_sum_over_all_steps():
    """The recipe of Swimmer: 7 steps an epoch, rates 0.1, 0.01 and 0.001 for 333, 333 and 334 epochs."""
    config = RunConfig("swimmer", epochs=1000, learning_rate=0.1, weight_decay=5e-3)
    rates = 7 * (333 * 0.1 + 333 * 0.01 + 334 * 0.001)
    assert config.exposure(800) == pytest.approx(5e-3 * rates / 0.1)
    assert dataclasses.replace(config, weight_decay=0.0).exposure(800) == 0
    assert dataclasses.replace(config, momentum=0.0).exposure(801) == pytest.approx(5e-3 * rates)


@pytest.mark.parametrize("stop", [None, 1, 7])
def test_the_exposure_of_a_classifier_is_the_sum_of_its_annealed_rates(stop):
    config = ClassifierConfig("mnist", iterations=20, learning_rate=0.2, weight_decay=1e-3, stop_iteration=stop)
    rates = [0.2 * (1 + math.cos(math.pi * step / 20)) / 2 for step in range(stop or 20)]
    assert config.exposure(10) == pytest.approx(1e-3 * sum(rates) / 0.1)


def test_the_share_that_decay_leaves_of_a_weight_is_that_of_its_exposure():
    """SGD with momentum on a weight without a gradient, step by step."""
    config = RunConfig("swimmer", epochs=300, learning_rate=0.01, weight_decay=0.02, batch_size=10)
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimiser = torch.optim.SGD([weight], 0.01, momentum=0.9, weight_decay=0.02)
    for epoch in range(1, 301):
        optimiser.param_groups[0]["lr"] = 0.01 * step_decay(epoch, 300)
        for _ in range(5):
            weight.grad = torch.zeros_like(weight)
            optimiser.step()
    assert weight.item() == pytest.approx(math.exp(-config.exposure(50)), rel=0.01)
