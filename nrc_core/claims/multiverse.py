"""The multiverse of a claim: the choices that the paper leaves open, and the combinations of them that are tried."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nrc_core.config.regression import RunConfig
from nrc_core.errors import ConfigError
from nrc_core.files import read_yaml
from nrc_core.results.thresholds import read_thresholds
from nrc_core.sections.grid import DEPTH, regressions
from nrc_core.sections.recipes import RECIPES

FILE = Path(__file__).with_name("multiverse.yaml")
OWN_SEEDS = 2  # seeds of the networks of the pages that are combinations too
Levels = dict[str, str]  # the level of each choice, by name
Level = Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """A choice that the paper leaves open.

    Attributes:
        of: "training" or "analysis".
        levels: what each level gives, by its words; the first level is that of the pages.
        why: why the choice is open, with the place in the paper.
    """

    name: str
    of: str
    levels: Mapping[str, Level]
    why: str

    @property
    def first(self) -> str:
        """The level of the pages."""
        return next(iter(self.levels))


@dataclass(frozen=True)
class Combination:
    """The networks of one combination of choices of the training.

    Attributes:
        number: its place among the combinations of the data set.
        levels: the level of each choice.
        own: whether the networks are those of the pages.
        networks: the configurations by weight decay; only that of the recipe, unless the combination has a sweep.
    """

    dataset: str
    number: int
    levels: Mapping[str, str]
    own: bool
    networks: Mapping[float, RunConfig]

    @property
    def network(self) -> RunConfig:
        """The network with the weight decay of the recipe."""
        return self.networks[RECIPES[self.dataset].weight_decay]

    @property
    def sweep(self) -> bool:
        """Whether there are networks with other weight decays."""
        return len(self.networks) > 1


@dataclass(frozen=True)
class Analysis:
    """One combination of choices of the analysis.

    Attributes:
        levels: the level of each choice, thresholds included.
        limits: the thresholds that are not those of the pages, by name.
        features, rank: as in `nrc_core.claims.multiverse_table.Networks.results`.
        arguments: arguments of the check beside those of the claim.
    """

    levels: Mapping[str, str]
    limits: Mapping[str, float]
    features: str
    rank: str
    arguments: Mapping[str, Any]


@cache
def _plan() -> dict[str, Any]:
    plan: dict[str, Any] = read_yaml(FILE, dict)
    return plan


@cache
def choices() -> Mapping[str, Choice]:
    """All choices but the thresholds, by name.

    Raises:
        ConfigError: the file cannot be read, or a choice lacks a field.

    Example:
        >>> choices()["bias"].first
        'without a bias'
    """
    try:
        return {name: Choice(name, **entry) for name, entry in _plan()["choices"].items()}
    except TypeError as error:
        raise ConfigError(f"{FILE.name}, choices: {error}; each has `of`, `levels` and `why`") from None


def threshold_choice(name: str) -> Choice:
    """The choice of the value of a threshold: that of the pages, and the other values.

    Example:
        >>> list(threshold_choice("noise_most").levels)
        ['0.05', '0.01', '0.1']
    """
    one = read_thresholds()[name]
    return Choice(name, "analysis", {f"{value:g}": {"limit": value} for value in (one.value, *one.others)}, one.reason)


def claims() -> dict[str, dict[str, Any]]:
    """The claims of the multiverse by id, with the fields `data`, `choices` and `sweeps`."""
    return {name: {"sweeps": False, **entry} for name, entry in _plan()["claims"].items()}


def datasets() -> tuple[str, ...]:
    """The data sets of the multiverse."""
    return tuple(_plan()["data"])


def draw(levels: Mapping[str, Sequence[str]], count: int, seed: Sequence[int], taken: Sequence[Levels]) -> list[Levels]:
    """Random combinations of levels, none of them twice.

    They are drawn in blocks whose size is the least common multiple of the numbers of levels. In a block each level of
    a choice is equally frequent (a Latin hypercube), so the main effects of the choices can be told apart in a small
    sample. A block that repeats a combination is drawn again. More combinations never change those before them.

    Args:
        levels: the levels of each choice.
        count: number of combinations.
        seed: of the random numbers.
        taken: combinations that are not drawn.

    Raises:
        ConfigError: there are not as many combinations.

    Example:
        >>> found = draw({"bias": ["no", "yes"], "seed": ["0", "1"]}, 2, [1], taken=[])
        >>> sorted(one["bias"] for one in found)
        ['no', 'yes']
    """
    generator, found, tries = np.random.default_rng(list(seed)), list[Levels](), 0
    size = math.lcm(*(len(each) for each in levels.values()))
    while len(found) < count:
        columns = {name: generator.permutation(list(each) * (size // len(each))) for name, each in levels.items()}
        block = [dict(zip(columns, map(str, row), strict=True)) for row in zip(*columns.values(), strict=True)]
        if all(one not in [*taken, *found, *block[:place]] for place, one in enumerate(block)):
            found += block
        tries += 1
        if tries > 10_000:
            raise ConfigError(f"{count} combinations were asked for, and there are not enough: ask for fewer")
    return found[:count]


def combinations(dataset: str) -> list[Combination]:
    """The combinations of choices of the training for one data set: those of the pages, then those that are drawn.

    Raises:
        ConfigError: the data set is not in the multiverse, or a value is out of range.

    Example:
        >>> [one.own for one in combinations("hopper")].count(True)
        2
    """
    if dataset not in _plan()["data"]:
        raise ConfigError(f"the multiverse has the data sets {', '.join(_plan()['data'])}: got {dataset!r}")
    plan = _plan()["data"][dataset]
    used = {name: choices()[name] for name in plan["choices"]}
    first = {name: choice.first for name, choice in used.items()}
    own = [first | {"seed": level} for level in list(used["seed"].levels)[:OWN_SEEDS]]
    levels = {name: list(choice.levels) for name, choice in used.items()}
    drawn = draw(levels, plan["combinations"], [_plan()["seed"], *dataset.encode()], own)
    return [
        Combination(dataset, number, one, number < len(own), _networks(dataset, one, sweep=number < len(own) + sweeps))
        for sweeps in [plan["sweeps"]]
        for number, one in enumerate([*own, *drawn])
    ]


def possible(dataset: str) -> int:
    """How many combinations of choices of the training there are for one data set, drawn or not.

    Example:
        >>> possible("hopper")
        72
    """
    return math.prod(len(choices()[name].levels) for name in _plan()["data"][dataset]["choices"])


def _networks(dataset: str, levels: Levels, *, sweep: bool) -> dict[float, RunConfig]:
    """The networks of a combination by weight decay, measured at the end only."""
    given: dict[str, Any] = {"dataset": dataset, "measurements": 1, "depth": DEPTH}
    for name, level in levels.items():
        given |= choices()[name].levels[level]
    decays = _plan()["data"][dataset]["weight_decays"] if sweep else [RECIPES[dataset].weight_decay]
    configs = regressions(given, weight_decay=[float(value) for value in decays])
    return {config.weight_decay: config for config in configs}


def analyses(claim: str, limits: Sequence[str]) -> list[Analysis]:
    """The combinations of choices of the analysis of a claim; the first one is that of the pages.

    If there are more than the number in `multiverse.yaml`, so many are drawn beside the first one, see `draw`.

    Args:
        claim: id of a claim of the multiverse.
        limits: names of the thresholds of the claim.

    Example:
        >>> analyses("F5-8", ["gap_most"])[0].levels
        {'gap_most': '0.05'}
    """
    used = [choices()[name] for name in claims()[claim]["choices"]]
    used += [threshold_choice(name) for name in limits]
    levels = {choice.name: list(choice.levels) for choice in used}
    first, *others = [dict(zip(levels, each, strict=True)) for each in itertools.product(*levels.values())]
    if len(others) > _plan()["analyses"]:
        others = draw(levels, _plan()["analyses"], [_plan()["seed"], *claim.encode()], [first])
    return [_analysis(used, one) for one in (first, *others)]


def _analysis(used: Sequence[Choice], levels: Levels) -> Analysis:
    given: dict[str, Any] = {"features": "post", "rank": "t"}
    limits = {}
    for choice in used:
        values = dict(choice.levels[levels[choice.name]])
        if "limit" in values:
            limits[choice.name] = values.pop("limit")
        given |= values
    return Analysis(levels, limits, given.pop("features"), given.pop("rank"), given)
