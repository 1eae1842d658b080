"""What one training run is: a frozen, validated configuration."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from nrc_core.errors import ConfigError

# Of NRC4: directions with a smaller share of the largest variance do not count, see `nrc_core.metrics.regression`.
NUMERICAL_TOLERANCE = 1e-12
OUTPUT = "output"  # the name of the last site, which feeds no weight
CONVENTIONS = ("careful", "printed", "released")  # of the metrics, see `measure`
# Depths a network can have; None: any. A ResNet's counts the stem, the convolutions of its blocks and the head.
ARCHITECTURES: dict[str, tuple[int, ...] | None] = {"mlp": None, "resnet": (18, 34)}
HEADS = ("linear", "layernorm")
PRECISIONS = ("float32", "bfloat16")
MOST_MEASUREMENTS = 100_000  # more than any run has epochs or iterations


class Configuration:
    """What the configurations of all kinds of runs have in common: they are frozen dataclasses.

    Attributes:
        TASK: the kind of run; None is regression.
        CLOCK: the column of the results that says when something was measured.
        MEASURED: fields that say what is measured or kept, not what is trained.
    """

    TASK: ClassVar[str | None] = None
    CLOCK: ClassVar[str] = "epoch"
    MEASURED: ClassVar[tuple[str, ...]] = ()

    dataset: str
    dataset_options: dict[str, Any]
    seed: int

    @property
    def views(self) -> tuple[str, ...]:
        """The conventions by which it is measured."""
        return ("careful",)

    @property
    def times(self) -> tuple[int, ...]:
        """When the run is measured, by its clock."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they go into the content key and the provenance."""
        values = {one.name: _plain(getattr(self, one.name)) for one in dataclasses.fields(self)}  # type: ignore[arg-type]
        return values if self.TASK is None else {"task": self.TASK, **values}

    def identity(self) -> dict[str, Any]:
        """What decides the trained network and its metrics: fields that differ from their default.

        Leaving defaults out lets a new field be added without renaming all earlier runs. Which times
        and conventions were measured is left out too: it changes no number.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        values = {name: value for name, value in self.as_dict().items() if value != defaults.get(name)}
        # A table of one's own may lie anywhere: its content is in the data identity.
        return {name: value for name, value in values.items() if name not in self.MEASURED} | {
            "dataset": Path(self.dataset).name
        }

    def covers(self, other: Any) -> bool:
        """Whether this run was measured wherever the other one, of the same identity, is to be."""
        return self.measured_with(other) == self

    def measured_with(self, other: Any) -> Any:
        """This run, measured wherever either of the two is."""
        raise NotImplementedError


def _plain(value: Any) -> Any:
    """Of a field, a copy, as JSON knows it."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


@dataclass(frozen=True)
class RunConfig(Configuration):
    """One network: its data, shape, optimiser and the epochs at which it is measured.

    Optimiser: SGD with momentum and L2 weight decay, gradient (wd) w, learning rate divided by 10
    after a third and two thirds of the epochs (Deep NRC paper, Appendix A). Loss: mean squared
    error per entry.

    Attributes:
        dataset: a built-in name or the path of a table.
        dataset_options: what `load_dataset` takes besides the name: split, seed, targets, ...
        architecture: "mlp", for vectors, or "resnet", for images.
        width, depth: of an MLP the units of a hidden layer and L, the number of weight layers; of a
            ResNet the channels of its first stage (torchvision's have 64) and 18 or 34.
        bias, init_scale: of MLPs only: a bias in every layer, and a factor on PyTorch's default
            initial weights.
        head: of ResNets only: "linear", or "layernorm" for the released code's linear layer,
            LayerNorm, ReLU and linear layer.
        precision: "float32", or "bfloat16" for mixed precision in training.
        seed: of the initial weights and of the order of the batches.
        measure_epochs: epochs (1 = after the first) to measure; the last is always among them.
        rank: r of NRC1, NRC2 and NRC3; None means the target dimension.
        tolerance: of NRC4, see `nrc4`.
        conventions: definitions of the metrics to measure by at the last epoch, see `measure`.

    Raises:
        ConfigError: a value out of range, naming it.

    Example:
        >>> RunConfig("swimmer", epochs=10, learning_rate=0.1, weight_decay=5e-3).measure_epochs
        (10,)
    """

    MEASURED: ClassVar[tuple[str, ...]] = ("measure_epochs", "conventions")

    dataset: str
    epochs: int
    learning_rate: float
    weight_decay: float
    width: int = 256
    depth: int = 8
    bias: bool = False
    momentum: float = 0.9
    batch_size: int = 128
    seed: int = 0
    measure_epochs: tuple[int, ...] = ()
    rank: int | None = None
    tolerance: float = NUMERICAL_TOLERANCE
    init_scale: float = 1.0
    conventions: tuple[str, ...] = ("careful",)
    dataset_options: dict[str, Any] = field(default_factory=dict)
    architecture: str = "mlp"
    head: str = "linear"
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("epochs", "width", "depth", "batch_size", *(["rank"] if self.rank is not None else [])):
            check_number(name, getattr(self, name), int, lambda value: value >= 1, "a whole number, at least 1")
        check_number("seed", self.seed, int, lambda value: 0 <= value < 2**32, "a whole number from 0 to 2^32 - 1")
        for name in ("learning_rate", "init_scale"):
            check_number(name, getattr(self, name), float, lambda value: value > 0, "positive")
        check_number("weight_decay", self.weight_decay, float, lambda value: value >= 0, "zero or positive")
        for name in ("momentum", "tolerance"):
            check_number(name, getattr(self, name), float, lambda value: 0 <= value < 1, "in [0, 1)")
        self._check_network()
        for epoch in self.measure_epochs:
            if not 1 <= epoch <= self.epochs:
                raise ConfigError(f"measure_epochs must lie between 1 and epochs = {self.epochs}: got {epoch}")
        if unknown := set(self.conventions) - set(CONVENTIONS):
            raise ConfigError(f"conventions must be among {', '.join(CONVENTIONS)}: got {sorted(unknown)}")
        object.__setattr__(self, "measure_epochs", tuple(sorted({*self.measure_epochs, self.epochs})))
        object.__setattr__(self, "conventions", tuple(sorted({*self.conventions, "careful"})))

    def _check_network(self) -> None:
        for name, allowed in (("architecture", ARCHITECTURES), ("head", HEADS), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name} must be one of {', '.join(allowed)}: got {getattr(self, name)!r}")
        depths = ARCHITECTURES[self.architecture]
        if depths is not None and self.depth not in depths:
            raise ConfigError(
                f"depth of a {self.architecture} must be {' or '.join(map(str, depths))}: got {self.depth}"
            )
        if self.architecture == "mlp" and self.head != "linear":
            raise ConfigError(f"head is an option of ResNets, an MLP has a linear one: got {self.head!r}")
        if self.architecture != "mlp" and (self.bias or self.init_scale != 1.0):
            raise ConfigError("bias and init_scale are options of MLPs; a ResNet starts as torchvision makes it")

    @property
    def times(self) -> tuple[int, ...]:
        """Epochs at which it is measured."""
        return self.measure_epochs

    @property
    def views(self) -> tuple[str, ...]:
        """The conventions by which it is measured."""
        return self.conventions

    def measured_with(self, other: RunConfig) -> RunConfig:
        """This run, measured wherever either of the two is."""
        return dataclasses.replace(
            self,
            measure_epochs=self.measure_epochs + other.measure_epochs,
            conventions=self.conventions + other.conventions,
        )


def check_number(name: str, value: Any, kind: type, holds: Any, rule: str) -> None:
    """Raise ConfigError unless a value is a finite number of its kind that keeps to a rule."""
    right_type = isinstance(value, int | float if kind is float else int) and not isinstance(value, bool)
    if not (right_type and math.isfinite(value) and holds(value)):
        raise ConfigError(f"{name} must be {rule}: got {value!r}")


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
