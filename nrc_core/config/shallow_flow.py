"""Configurations of gradient flows on two-layer ReLU networks, on synthetic classes and on digits."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from nrc_core.config import base
from nrc_core.config.descent import DescentConfig, FreeConfig
from nrc_core.errors import ConfigError

INITIAL = ("random", "leaning")  # the direction of the neurons at the start


@dataclass(frozen=True, kw_only=True)
class Neurons:
    """What all gradient flows on two-layer ReLU networks share, see `nrc_core.training.shallow_flow`.

    Attributes:
        width: the number of neurons, h.
        init_scale: the length of the two weights of every neuron at the start.
        initial: "random" neurons have random directions; each "leaning" neuron starts at a random sample and at the
            label of this sample, so that it leans to one class.
        step: the length of a step, as a share of the length of all weights, or of 1 if they are longer than 1.
        measurements: how many steps are measured besides the start, evenly spaced in their logarithm.
    """

    width: int = base.AT_LEAST_1.field(24)
    init_scale: float = base.POSITIVE.field(1e-3)
    initial: str = base.one_of(INITIAL).field("random")
    step: float = base.POSITIVE.field(0.02)
    measurements: int = base.AT_LEAST_1.field(16)


@dataclass(frozen=True, kw_only=True)
class ShallowFlowConfig(Neurons, FreeConfig):
    """Gradient flows on two-layer ReLU networks, on synthetic classes around the vertices of a simplex.

    Each start has data of its own, see `nrc_core.data.simplex_classes.simplex_classes`.

    Attributes:
        classes: K, at least 2.
        samples: the number of samples of each class.
        dimension: d, the number of inputs, at least K.
        spread: the largest angle of a sample from the vertex of its class, as a share of the largest angle with which
            all samples of different classes are more than a right angle apart.
        starts: the number of random starts.
        iterations: the number of steps.

    Raises:
        ConfigError: a value is out of range; the message names the field.

    Example:
        >>> ShallowFlowConfig(classes=3).rows
        30
    """

    TASK: ClassVar[str] = "shallow ReLU flow"

    classes: int = base.AT_LEAST_1.field()
    samples: int = base.AT_LEAST_1.field(10)
    dimension: int = base.AT_LEAST_1.field(10)
    spread: float = base.POSITIVE.field(0.95)
    starts: int = base.AT_LEAST_1.field(5)
    iterations: int = base.AT_LEAST_1.field(4000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes < 2:
            raise ConfigError(f"classes must be at least 2: got {self.classes}")
        if self.dimension < self.classes:
            raise ConfigError(f"dimension must be at least {self.classes}, the number of classes: got {self.dimension}")
        if not self.largest_angle < math.pi / 2:
            most = math.pi / 2 / self.largest_angle * self.spread
            raise ConfigError(f"spread must be below {most:.3g} for {self.classes} classes: got {self.spread}")

    @property
    def largest_angle(self) -> float:
        """The largest angle of a sample from the vertex of its class, in radians."""
        return self.spread * (math.acos(-1 / (self.classes - 1)) - math.pi / 2) / 2

    @property
    def rows(self) -> int:
        """The number of samples."""
        return self.classes * self.samples


@dataclass(frozen=True, kw_only=True)
class DigitsFlowConfig(Neurons, DescentConfig):
    """Gradient flows on two-layer ReLU networks, on pictures of some digits, centred by their mean.

    Attributes:
        digits: the digits that are the classes, two or more.
        starts: the number of random starts; all have the same data.
        iterations: the number of steps.
        dataset_options: those of `nrc_core.data.classes.classified`, with the number of pictures of each digit.

    Raises:
        ConfigError: a value is out of range; the message names the field.

    Example:
        >>> DigitsFlowConfig(digits=(0, 1), dataset_options={"train_per_class": 50}).classes
        2
    """

    TASK: ClassVar[str] = "shallow ReLU flow on digits"

    digits: tuple[int, ...] = (0, 1, 2)
    dataset: str = base.one_of(("mnist",)).field("mnist")
    starts: int = base.AT_LEAST_1.field(5)
    iterations: int = base.AT_LEAST_1.field(4000)

    def __post_init__(self) -> None:
        super().__post_init__()
        digits: tuple[Any, ...] = self.digits
        if len(set(digits)) < max(2, len(digits)) or not set(digits) <= set(range(10)):
            raise ConfigError(f"digits must be two or more different numbers from 0 to 9: got {list(digits)}")

    @property
    def classes(self) -> int:
        """K, the number of digits."""
        return len(self.digits)
