"""Configurations of small networks whose features of classes are measured, also of classes that they never saw."""

from dataclasses import dataclass
from typing import ClassVar

from nrc_core.config import base
from nrc_core.config.descent import DescentConfig
from nrc_core.errors import ConfigError

CROSS_ENTROPY, CODING_RATE = "cross_entropy", "coding_rate"
INPUTS = -1  # index of the results with the inputs themselves in place of features


@dataclass(frozen=True, kw_only=True)
class TrainedFeaturesConfig(DescentConfig):
    """One feature map with a linear head, trained on classes of a data set.

    The map is an MLP with biases whose last weight layer has no activation. Optimiser: SGD with momentum at a constant
    learning rate; batches are drawn without replacement until all samples are used.

    Attributes:
        dataset: a data set in classes; images are inputs row by row, each pixel scaled by the mean and the spread of
            all pixels of the training images.
        sources: the classes that are trained, by their numbers; all unless given.
        targets: other classes, whose features are only measured, on the test rows.
        depth: the number of weight layers of the map.
        width: the number of units of its hidden layers.
        features: the number of its outputs, h.
        loss: "cross_entropy" of the head's outputs, or "coding_rate": minus the coding rate reduction of features of
            length 1, without a head.
        iterations: steps of SGD, one batch each.
        measured: iterations at which the network is measured besides the first and the last one.
        penalty: the factor of the geometric complexity of the map on a batch, which is added to the loss.
        corrupted: the share of the training rows whose label is replaced by one drawn from all `sources`.
        most_gradient: the largest norm of a gradient; a larger one is scaled down to it. None: no limit.
        complexity: whether the complexity is measured, which takes longer than all other quantities together.
        seed: decides the initial weights, the batches and the replaced labels.

    Raises:
        ConfigError: a value is out of range, or a class is in both lists; the message names the field.

    Example:
        >>> config = TrainedFeaturesConfig(dataset="gaussian_classes", iterations=10, measured=(5,))
        >>> config.times, config.measured
        ((10,), (0, 5, 10))
    """

    TASK: ClassVar[str] = "trained features"
    DRAWN: ClassVar[tuple[str, ...]] = ("sources", "targets", "train_skip", "seed")

    sources: tuple[int, ...] = ()
    targets: tuple[int, ...] = ()
    depth: int = base.AT_LEAST_1.field(3)
    width: int = base.AT_LEAST_1.field(256)
    features: int = base.AT_LEAST_1.field(64)
    loss: str = base.one_of((CROSS_ENTROPY, CODING_RATE)).field(CROSS_ENTROPY)
    iterations: int = base.AT_LEAST_1.field(1500)
    measured: tuple[int, ...] = ()
    batch_size: int = base.AT_LEAST_1.field(128)
    learning_rate: float = base.POSITIVE.field(0.05)
    momentum: float = base.BELOW_1.field(0.9)
    weight_decay: float = base.NOT_NEGATIVE.field(5e-4)
    penalty: float = base.NOT_NEGATIVE.field(0.0)
    corrupted: float = base.BELOW_1.field(0.0)
    most_gradient: float | None = base.POSITIVE.field(None)
    complexity: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, classes in (("sources", self.sources), ("targets", self.targets)):
            if len(set(classes)) < len(classes) or any(number < 0 for number in classes):
                raise ConfigError(f"{name} must be different numbers of classes, from 0: got {list(classes)}")
        if both := set(self.sources) & set(self.targets):
            raise ConfigError(f"targets must be classes that are not trained: {min(both)} is in sources too")
        if any(not 0 <= one <= self.iterations for one in self.measured):
            raise ConfigError(f"measured must lie between 0 and {self.iterations}: got {list(self.measured)}")
        object.__setattr__(self, "measured", tuple(sorted({0, *self.measured, self.iterations})))
