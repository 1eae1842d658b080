"""Every parameter of an experiment has an effect; a misspelled name of a parameter would have none."""

import inspect
from collections.abc import Callable, Sequence

import pytest

from nrc_core import ConfigError, RunConfig
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.sections.grid import regressions
from nrc_core.sections.parameters import kind_of

OTHERS = {"int": 3, "float": 0.25, "str": "no such", "number": 3}  # none is a default


def another(parameter: inspect.Parameter) -> object:
    """A value of the declared type that is not the default; a list has one item more than the default."""
    kind = kind_of(str(parameter.annotation)).removeprefix("Optional[").rstrip("]")
    if kind == "bool":
        return not parameter.default
    if kind.startswith("list["):
        return [*parameter.default, OTHERS[kind.removeprefix("list[")]]
    return OTHERS[kind]


def without_effect(experiment: Callable[..., Sequence[object]], parameters: Sequence[str]) -> list[str]:
    """Parameters for which another value is accepted but does not change the list of configurations."""
    declared, usual = inspect.signature(experiment).parameters, experiment()
    lost = []
    for name in parameters:
        try:
            if experiment(**{name: another(declared[name])}) == usual:
                lost.append(name)
        except ConfigError:
            continue
    return lost


@pytest.mark.parametrize(
    ("experiment", "parameter"),
    [(name, one) for name, function in EXPERIMENTS.items() for one in inspect.signature(function).parameters],
)
def test_every_parameter_of_an_experiment_has_an_effect(experiment, parameter):
    assert without_effect(EXPERIMENTS[experiment], [parameter]) == []


def test_a_parameter_that_no_configuration_has_is_noticed():
    def misspelled(
        dataset: "str" = "swimmer", seeds: "Sequence[int]" = (0,), momentun: "float" = 0.9
    ) -> list[RunConfig]:
        return regressions(locals() | {"measurements": 1}, seed=seeds)

    assert without_effect(misspelled, ["dataset", "seeds", "momentun"]) == ["momentun"]
