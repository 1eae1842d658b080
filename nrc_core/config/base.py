"""Base class of the configurations of all runs, and the rules that their fields must follow."""

import dataclasses
import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from nrc_core.errors import ConfigError

# NRC4 ignores directions whose variance is a smaller share of the largest one, see `nrc_core.metrics.regression`.
NUMERICAL_TOLERANCE = 1e-12
OUTPUT = "output"  # the name of the last site, which feeds no weight
CONVENTIONS = ("careful", "printed", "released")  # definitions of the metrics, see `measure`
MOST_MEASUREMENTS = 100_000  # more than the number of epochs or iterations of any run


@dataclass(frozen=True)
class _Rule:
    """Rule for a field of a configuration: a finite number of some kind, or one of several values."""

    words: str
    kind: type
    holds: Callable[[Any], bool]

    def check(self, name: str, value: Any) -> None:
        """Raise ConfigError unless a value follows the rule."""
        right_type = isinstance(value, int | float if self.kind is float else self.kind)
        number = self.kind is str or (right_type and not isinstance(value, bool) and math.isfinite(value))
        if not (right_type and number and self.holds(value)):
            raise ConfigError(f"{name} must be {self.words}: got {value!r}")

    def field(self, default: Any = dataclasses.MISSING) -> Any:
        """A field of a dataclass that follows the rule; if the default is None, None is allowed too."""
        return dataclasses.field(default=default, metadata={"rule": self})


AT_LEAST_1 = _Rule("a whole number, at least 1", int, lambda value: value >= 1)
SEED = _Rule("a whole number from 0 to 2^32 - 1", int, lambda value: 0 <= value < 2**32)
POSITIVE = _Rule("positive", float, lambda value: value > 0)
NOT_NEGATIVE = _Rule("zero or positive", float, lambda value: value >= 0)
BELOW_1 = _Rule("in [0, 1)", float, lambda value: 0 <= value < 1)


def one_of(values: Collection[str]) -> _Rule:
    """The rule that a field has one of several values."""
    return _Rule(f"one of {', '.join(values)}", str, lambda value: value in values)


class Configuration:
    """Base class of the configurations of all kinds of runs, which are frozen dataclasses.

    Attributes:
        TASK: the kind of run; None is regression.
        CLOCK: the column of the results with the time of a measurement.
        TIMES: name of the field with the times of the measurements.
        MEASURED: fields that say what is measured or kept, not what is trained.
        DRAWN: lists, and options of the data, that an experiment may draw by the seed, such as classes or first rows.
        SHARED: fields that must be the same in runs that are trained together; if empty, every run is trained alone.
        keep_weights: whether the weights are kept at every measurement, for runs that start from these weights.
        conventions: definitions of the metrics that are used, see `measure`.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    TASK: ClassVar[str | None] = None
    CLOCK: ClassVar[str] = "epoch"
    TIMES: ClassVar[str]
    MEASURED: ClassVar[tuple[str, ...]] = ()
    DRAWN: ClassVar[tuple[str, ...]] = ()
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
    def short_name(self) -> str:
        """The data set and the seed, for messages."""
        return f"{self.dataset}, seed {self.seed}"

    @property
    def times(self) -> tuple[int, ...]:
        """Epochs or iterations after which the run is measured."""
        times: tuple[int, ...] = getattr(self, self.TIMES)
        return times

    def _measure_at_end(self, last: int, words: str) -> None:
        """Put the times of the measurements in order; the last epoch or iteration is always one of them.

        `words` are the words before the last time in the message of an error.
        """
        for time in self.times:
            if not 1 <= time <= last:
                raise ConfigError(f"{self.TIMES} must lie between 1 and {words}{last}: got {time}")
        object.__setattr__(self, self.TIMES, tuple(sorted({*self.times, last})))

    def as_dict(self) -> dict[str, Any]:
        """The configuration as plain JSON values, for the content key and the provenance."""
        values = json.loads(json.dumps(dataclasses.asdict(self)))
        return values if self.TASK is None else {"task": self.TASK, **values}

    def stack_key(self) -> str:
        """A text that is the same for runs that can be trained together."""
        values = self.as_dict()
        return json.dumps([values[name] for name in self.SHARED or values], sort_keys=True)

    def identity(self) -> dict[str, Any]:
        """Fields that decide the trained network and its metrics, if they differ from their default.

        Without the defaults, a new field can be added and all earlier runs keep their names. The times
        and conventions of measurements are left out too: they change no number.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        values = {name: value for name, value in self.as_dict().items() if value != defaults.get(name)}
        # A user's table may be in any folder, so only its name counts; its content is in the data identity.
        return {name: value for name, value in values.items() if name not in self.MEASURED} | {
            "dataset": Path(self.dataset).name
        }

    def exposure(self, rows: int) -> float:
        """Exposure to weight decay with this number of training rows: how often decay alone would shrink a weight.

        E = weight_decay / (1 - momentum) times the sum of the learning rates of all steps. A weight that no gradient
        holds keeps exp(-E) of its size. NaN for runs with several learning rates.
        """
        return math.nan

    def covers(self, other: Any) -> bool:
        """Whether this run has all measurements that another run of the same identity needs."""
        return self.measured_with(other) == self

    def measured_with(self, other: Any) -> Any:
        """This run with the measurements of both runs; its `keep_weights` does not change."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in self.MEASURED if name != "keep_weights"}
        both = {name: own or others if isinstance(own, bool) else own + others for name, (own, others) in pairs.items()}
        return dataclasses.replace(self, **both)


def check_depth(architecture: str, depth: int, known: Mapping[str, tuple[int, ...] | None]) -> None:
    """Raise ConfigError unless an architecture can have a depth."""
    depths = known[architecture]
    if depths is not None and depth not in depths:
        raise ConfigError(f"depth of a {architecture} must be {' or '.join(map(str, depths))}: got {depth}")


def check_sizes(**sizes: int) -> None:
    """Raise ConfigError unless every size is at least 1; integers of NumPy are allowed."""
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{name} must be at least 1: got {size}")


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
    """Raise ConfigError unless there is at least one value and all values are different."""
    if not values or len(set(values)) < len(values):
        raise ConfigError(f"{name} must be one or more different values: got {list(values)}")
