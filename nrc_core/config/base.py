"""What the configurations of all runs have in common, and the rules that their fields keep to."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from nrc_core.errors import ConfigError

# Of NRC4: directions with a smaller share of the largest variance do not count, see `nrc_core.metrics.regression`.
NUMERICAL_TOLERANCE = 1e-12
OUTPUT = "output"  # the name of the last site, which feeds no weight
CONVENTIONS = ("careful", "printed", "released")  # of the metrics, see `measure`
MOST_MEASUREMENTS = 100_000  # more than any run has epochs or iterations


@dataclass(frozen=True)
class _Rule:
    """What a field of a configuration must be: a finite number of a kind, or one of several values."""

    words: str
    kind: type
    holds: Callable[[Any], bool]

    def check(self, name: str, value: Any) -> None:
        """Raise ConfigError unless a value keeps to the rule."""
        right_type = isinstance(value, int | float if self.kind is float else self.kind)
        number = self.kind is str or (right_type and not isinstance(value, bool) and math.isfinite(value))
        if not (right_type and number and self.holds(value)):
            raise ConfigError(f"{name} must be {self.words}: got {value!r}")


AT_LEAST_1 = _Rule("a whole number, at least 1", int, lambda value: value >= 1)
SEED = _Rule("a whole number from 0 to 2^32 - 1", int, lambda value: 0 <= value < 2**32)
POSITIVE = _Rule("positive", float, lambda value: value > 0)
NOT_NEGATIVE = _Rule("zero or positive", float, lambda value: value >= 0)
BELOW_1 = _Rule("in [0, 1)", float, lambda value: 0 <= value < 1)


def one_of(values: Collection[str]) -> _Rule:
    """The rule of a field that has one of several values."""
    return _Rule(f"one of {', '.join(values)}", str, lambda value: value in values)


def ruled(rule: _Rule, default: Any = dataclasses.MISSING) -> Any:
    """A field with a rule; where the default is None, None is allowed too."""
    return field(default=default, metadata={"rule": rule})


class Configuration:
    """What the configurations of all kinds of runs have in common: they are frozen dataclasses.

    Attributes:
        TASK: the kind of run; None is regression.
        CLOCK: the column of the results that says when something was measured.
        TIMES: the field with the times of its measurements.
        MEASURED: fields that say what is measured or kept, not what is trained.
        SHARED: fields that runs have in common which are trained together; none: every run is trained alone.
        keep_weights: whether the weights are kept at every measurement, for runs that start from them.
        conventions: definitions of the metrics to measure by, see `measure`.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    TASK: ClassVar[str | None] = None
    CLOCK: ClassVar[str] = "epoch"
    TIMES: ClassVar[str]
    MEASURED: ClassVar[tuple[str, ...]] = ()
    SHARED: ClassVar[tuple[str, ...]] = ()

    dataset: str
    dataset_options: dict[str, Any]
    seed: int
    keep_weights: bool = False
    conventions: tuple[str, ...] = ("careful",)

    def __post_init__(self) -> None:
        for one in dataclasses.fields(self):
            rule, value = one.metadata.get("rule"), getattr(self, one.name)
            if rule is not None and not (value is None and one.default is None):
                rule.check(one.name, value)

    @property
    def times(self) -> tuple[int, ...]:
        """When the run is measured, by its clock."""
        times: tuple[int, ...] = getattr(self, self.TIMES)
        return times

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them; they go into the content key and the provenance."""
        values = json.loads(json.dumps(dataclasses.asdict(self)))
        return values if self.TASK is None else {"task": self.TASK, **values}

    def stack_key(self) -> str:
        """The same for runs that can be trained together."""
        values = self.as_dict()
        return json.dumps([values[name] for name in self.SHARED or values], sort_keys=True)

    def identity(self) -> dict[str, Any]:
        """What decides the trained network and its metrics: fields that differ from their default.

        Leaving defaults out lets a new field be added without renaming all earlier runs. Which times
        and conventions were measured is left out too: it changes no number.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        values = {name: value for name, value in self.as_dict().items() if value != defaults.get(name)}
        # A table of one's own may lie anywhere: its content is in the data identity.
        return {name: value for name, value in values.items() if name not in self.MEASURED} | {
            "dataset": Path(self.dataset).name
        }

    def covers(self, other: Any) -> bool:
        """Whether this run was measured wherever the other one, of the same identity, is to be."""
        return self.measured_with(other) == self

    def measured_with(self, other: Any) -> Any:
        """This run, measured wherever either of the two is; it keeps its own weights."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in self.MEASURED if name != "keep_weights"}
        return dataclasses.replace(self, **{name: own + others for name, (own, others) in pairs.items()})


def check_depth(architecture: str, depth: int, known: Mapping[str, tuple[int, ...] | None]) -> None:
    """Raise ConfigError unless an architecture comes in a depth."""
    depths = known[architecture]
    if depths is not None and depth not in depths:
        raise ConfigError(f"depth of a {architecture} must be {' or '.join(map(str, depths))}: got {depth}")


def check_sizes(**sizes: int) -> None:
    """Raise ConfigError unless every size is at least 1; integers of numpy are sizes too."""
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{name} must be at least 1: got {size}")


def measured_at(name: str, times: Sequence[int], last: int, words: str) -> tuple[int, ...]:
    """The times to measure, in order; the last is always among them."""
    for time in times:
        if not 1 <= time <= last:
            raise ConfigError(f"{name} must lie between 1 and {words}{last}: got {time}")
    return tuple(sorted({*times, last}))


def log_spaced_epochs(epochs: int, count: int) -> tuple[int, ...]:
    """At most `count` distinct epochs from 1 to `epochs`, evenly spaced in their logarithm.

    Example:
        >>> log_spaced_epochs(1000, 4)
        (1, 10, 100, 1000)
    """
    if epochs < 1:
        raise ConfigError(f"epochs or iterations must be at least 1: got {epochs}")
    if not 1 <= count <= MOST_MEASUREMENTS:
        raise ConfigError(f"measurements must be from 1 to {MOST_MEASUREMENTS}: got {count}")
    steps = max(count - 1, 1)
    return tuple(sorted({round(epochs ** (i / steps)) for i in range(steps + 1)} if count > 1 else {epochs}))


def check_several(name: str, values: Sequence[Any]) -> None:
    """Raise ConfigError unless there are one or more different values."""
    if not values or len(set(values)) < len(values):
        raise ConfigError(f"{name} must be one or more different values: got {list(values)}")
