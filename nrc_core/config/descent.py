"""Configurations of descents: their base classes, and those on unconstrained features models, which have no data."""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

from nrc_core.config import base
from nrc_core.errors import ConfigError

FREE = "free features"  # in place of the name of a data set
NO_DATA = "none"  # in place of the identity of a data set
LINKS = ("logit", "probit", "cloglog")  # those of `nrc_core.theory.ordinal`
LOSSES = ("squared", "cross_entropy")


@dataclass(frozen=True, kw_only=True)
class DescentConfig(base.Configuration):
    """Base class of the configurations of small descents on the CPU. The results are a table `descent`.

    Attributes:
        iterations: the number of steps, or the most of them.
        seed: decides all that is random.
    """

    CLOCK: ClassVar[str] = "iteration"
    TIMES: ClassVar[str] = "iterations"

    iterations: int
    dataset: str
    seed: int = base.SEED.field(0)
    dataset_options: dict[str, Any] = field(default_factory=dict)

    @property
    def times(self) -> tuple[int, ...]:
        """The number of steps; what is measured earlier is in the results too."""
        return (self.iterations,)


@dataclass(frozen=True, kw_only=True)
class FreeConfig(DescentConfig):
    """Base class of the configurations of descents from random starts that have no data.

    Attributes:
        starts: the number of random starts; each is one descent.
        seed: decides all starts.
        dataset, dataset_options: always the same, since there are no data.
    """

    starts: int
    dataset: str = base.one_of([FREE]).field(FREE)

    @property
    def rows(self) -> int:
        """The number of samples."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class FlowConfig(FreeConfig):
    """Gradient flows on the unconstrained features model of regression, see `nrc_core.theory.ufm_minimum`.

    The gradient of the features is multiplied by the number of samples, so that features and weight move alike.

    Attributes:
        variances: the variances of the targets, which are not correlated.
        feature_decay, weight_decay: the decays of the features and of the weight.
        duration: the time that a flow takes.
        samples: n.
        width: the number of features, h.
        init_scale: the standard deviation of the features and of the weight at the start.
        iterations: the number of equal parts of the time; the flow is measured at the start and after each.

    Raises:
        ConfigError: a value is out of range; the message names the field.

    Example:
        >>> FlowConfig(variances=(2.0, 0.5), feature_decay=0.1, weight_decay=0.1, duration=50.0).rows
        100
    """

    TASK: ClassVar[str] = "regression features"

    variances: tuple[float, ...]
    feature_decay: float = base.NOT_NEGATIVE.field()
    weight_decay: float = base.NOT_NEGATIVE.field()
    duration: float = base.POSITIVE.field()
    samples: int = base.AT_LEAST_1.field(100)
    width: int = base.AT_LEAST_1.field(12)
    init_scale: float = base.POSITIVE.field(1.0)
    starts: int = base.AT_LEAST_1.field(5)
    iterations: int = base.AT_LEAST_1.field(80)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.variances or not all(0 < value < math.inf for value in self.variances):
            raise ConfigError(f"variances must be one or more positive numbers: got {list(self.variances)}")
        targets = len(self.variances)
        for name, least in (("width", targets), ("samples", targets + 1)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"{name} must be at least {least} for {targets} targets: got {value}")

    @property
    def rows(self) -> int:
        """The number of samples."""
        return self.samples


@dataclass(frozen=True, kw_only=True)
class OrdinalConfig(FreeConfig):
    """Descents on the unconstrained features model of ordinal regression, see `nrc_core.theory.ordinal`.

    All features and the weight w are found by L-BFGS from random starts, without use of the theory.

    Attributes:
        thresholds: b_0 to b_Q, finite and increasing.
        counts: the number of samples of each class.
        decay: the decay of the features and of w.
        link: one of `LINKS`.
        width: the number of features, h.
        init_scale: the standard deviation of the features and of w at the start.

    Raises:
        ConfigError: a value is out of range; the message names the field.

    Example:
        >>> OrdinalConfig(thresholds=(-1.0, 0.0, 1.0), counts=(2, 2), decay=0.1).rows
        4
    """

    TASK: ClassVar[str] = "ordinal features"

    thresholds: tuple[float, ...]
    counts: tuple[int, ...]
    decay: float = base.POSITIVE.field()
    link: str = base.one_of(LINKS).field("logit")
    width: int = base.AT_LEAST_1.field(6)
    init_scale: float = base.POSITIVE.field(0.3)
    starts: int = base.AT_LEAST_1.field(5)
    iterations: int = base.AT_LEAST_1.field(4000)

    def __post_init__(self) -> None:
        super().__post_init__()
        b = self.thresholds
        if len(b) < 3 or any(upper <= lower for lower, upper in pairwise(b)):
            raise ConfigError(f"thresholds must be three or more numbers that increase: got {list(b)}")
        if len(self.counts) != len(b) - 1 or any(count < 1 for count in self.counts):
            raise ConfigError(
                f"counts must be {len(b) - 1} numbers, one for each class, at least 1: got {list(self.counts)}"
            )

    @property
    def rows(self) -> int:
        """The number of samples."""
        return sum(self.counts)


@dataclass(frozen=True, kw_only=True)
class ClassesConfig(FreeConfig):
    """Descents on a deep unconstrained features model for classes.

    The loss "squared" is that of the deep model with ReLU (`nrc_core.theory.deep_features`), the loss "cross_entropy"
    that of the deep linear model (`nrc_core.theory.cross_entropy`). All factors are found by gradient descent without
    momentum from random starts.

    Attributes:
        loss: one of `LOSSES`.
        classes: K.
        depth: L, the number of weights.
        width: the number of rows of the features and of all weights but the last, h.
        decay: the decay of all factors.
        samples: n, the number of samples of each class.
        init_scale: the entries of the factors have at the start this standard deviation over the root of the width;
            behind a ReLU it is larger by the root of 2.
        learning_rate: of gradient descent.

    Raises:
        ConfigError: a value is out of range; the message names the field.

    Example:
        >>> ClassesConfig(loss="cross_entropy", classes=6, depth=2, width=12, decay=0.003).rows
        6
    """

    TASK: ClassVar[str] = "class features"

    loss: str = base.one_of(LOSSES).field()
    classes: int = base.AT_LEAST_1.field()
    depth: int = base.AT_LEAST_1.field()
    width: int = base.AT_LEAST_1.field()
    decay: float = base.POSITIVE.field()
    samples: int = base.AT_LEAST_1.field(1)
    init_scale: float = base.POSITIVE.field(1.0)
    learning_rate: float = base.POSITIVE.field(0.5)
    starts: int = base.AT_LEAST_1.field(10)
    iterations: int = base.AT_LEAST_1.field(8000)

    @property
    def rows(self) -> int:
        """The number of samples."""
        return self.classes * self.samples
