"""Configurations of classification networks (data, shape and training) and of their fine-tuning on other data."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nrc_core.config import base
from nrc_core.errors import ConfigError

# Possible depths of each network; None means any depth. The depth of an MLP is its number of weight layers.
CLASSIFIERS: dict[str, tuple[int, ...] | None] = {"mlp": None, "resnet": (18, 50), "vgg": (11,), "densenet": (121, 201)}
STEMS = ("small", "imagenet")
MARGIN_QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)  # the quantiles of a network's margins that are stored


@dataclass(frozen=True)
class ClassifierConfig(base.Configuration):
    """One classification network: its data, shape, optimiser and the iterations at which it is measured.

    Optimiser: SGD with momentum, batches of 128, cosine annealing of the learning rate to zero over all
    iterations, no augmentation (Hui et al., section 3.2). That paper does not
    mention weight decay. Here it is an L2 penalty with gradient (wd) w.

    Attributes:
        dataset: a built-in name of classified images.
        dataset_options: what `load_dataset` takes besides the name.
        iterations: steps of SGD, one batch each; also the length of the learning-rate schedule.
        architecture, depth, width, stem: see `nrc_core.networks.classifiers.classifier`.
        loss: "cross_entropy", or "mse" for the squared error to one-hot targets.
        label_smoothing: label smoothing of the cross-entropy.
        stop_loss: stop as soon as the mean loss of an epoch is at most this value; None: do not stop.
        stop_iteration: stop after this iteration; None: after the last one.
        seed: decides the initial weights and the order of the batches.
        measure_iterations: iterations after which the network is measured; the last one is always included.
        keep_weights: keep the weights at these iterations beside the results, for `TransferConfig`.

    Raises:
        ConfigError: a value is out of range; the message names the field.

    Example:
        >>> ClassifierConfig("mnist", iterations=10, learning_rate=1e-3, weight_decay=0.0).times
        (10,)
    """

    TASK: ClassVar[str] = "classification"
    CLOCK: ClassVar[str] = "iteration"
    TIMES: ClassVar[str] = "measure_iterations"
    MEASURED: ClassVar[tuple[str, ...]] = ("measure_iterations", "keep_weights")

    dataset: str
    iterations: int = base.AT_LEAST_1.field()
    learning_rate: float = base.POSITIVE.field()
    weight_decay: float = base.NOT_NEGATIVE.field()
    architecture: str = base.one_of(CLASSIFIERS).field("mlp")
    width: int = base.AT_LEAST_1.field(1024)
    depth: int = base.AT_LEAST_1.field(4)
    stem: str = base.one_of(STEMS).field("small")
    loss: str = base.one_of(("cross_entropy", "mse")).field("cross_entropy")
    label_smoothing: float = base.BELOW_1.field(0.0)
    momentum: float = base.BELOW_1.field(0.9)
    batch_size: int = base.AT_LEAST_1.field(128)
    seed: int = base.SEED.field(0)
    stop_loss: float | None = base.NOT_NEGATIVE.field(None)
    stop_iteration: int | None = base.AT_LEAST_1.field(None)
    measure_iterations: tuple[int, ...] = ()
    keep_weights: bool = False
    dataset_options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        base.check_depth(self.architecture, self.depth, CLASSIFIERS)
        if self.loss == "mse" and self.label_smoothing:
            raise ConfigError("label_smoothing is an option of the cross-entropy: set it to 0 or use that loss")
        if self.last > self.iterations:
            raise ConfigError(f"stop_iteration must be at most iterations = {self.iterations}: got {self.last}")
        self._measure_at_end(self.last, "")

    @property
    def last(self) -> int:
        """The iteration after which training ends, unless `stop_loss` ends it earlier."""
        return self.iterations if self.stop_iteration is None else self.stop_iteration

    def exposure(self, rows: int) -> float:
        """Exposure to weight decay, see `Configuration.exposure`, with cosine annealing; an early stop lowers it.

        The sum of cos(s a) for s from 0 to m - 1 is sin(m a / 2) cos((m - 1) a / 2) / sin(a / 2).
        """
        angle, m = math.pi / self.iterations, self.last
        cosines = math.sin(m * angle / 2) * math.cos((m - 1) * angle / 2) / math.sin(angle / 2)
        return self.weight_decay * self.learning_rate * (m + cosines) / 2 / (1 - self.momentum)


@dataclass(frozen=True)
class TransferConfig(base.Configuration):
    """Fine-tuning of a pre-trained network with a new head on the classes of another task.

    Source: Hui et al., section 4.2. The optimiser is the same as in the pre-training, except for the learning rate,
    which is searched. A linear probe is also fitted: a logistic regression on the frozen features.

    Attributes:
        pretraining: the pre-trained network.
        start: the iteration of the pre-training whose weights are taken.
        iterations: iterations of the fine-tuning.
        learning_rates: the learning rates that are tried.
        seed: decides the new head and the order of the batches.
        dataset, dataset_options: the data of the downstream task, as in `ClassifierConfig`.
        validation_per_class: number of validation rows of each class; these rows follow the training rows. The
            learning rate of the fine-tuning and the penalty of the probe are chosen on the validation rows.

    Raises:
        ConfigError: a value is out of range; the message names the field.
    """

    TASK: ClassVar[str] = "transfer"
    CLOCK: ClassVar[str] = "iteration"

    pretraining: ClassifierConfig
    learning_rates: tuple[float, ...]
    dataset: str
    dataset_options: dict[str, Any]
    start: int = base.AT_LEAST_1.field()
    iterations: int = base.AT_LEAST_1.field()
    validation_per_class: int = base.AT_LEAST_1.field()
    seed: int = base.SEED.field(0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start not in self.pretraining.times:
            raise ConfigError(
                f"start must be an iteration after which the pre-training is measured, {self.pretraining.times}: "
                f"got {self.start}"
            )
        if self.pretraining.stop_loss is not None:
            raise ConfigError(
                f"stop_loss of the pre-training may end it before start = {self.start}: leave it out, got "
                f"{self.pretraining.stop_loss}"
            )
        if "train_per_class" not in self.dataset_options:
            raise ConfigError(
                "dataset_options must have train_per_class, since the validation rows follow the training rows: got "
                f"{sorted(self.dataset_options)}"
            )
        base.check_several("learning_rates", self.learning_rates)
        for rate in self.learning_rates:
            base.POSITIVE.check("learning_rates", rate)

    @property
    def times(self) -> tuple[int, ...]:
        """The last iteration: a transfer is measured once, at its end."""
        return (self.iterations,)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, including those of the pre-training."""
        return super().as_dict() | {"pretraining": self.pretraining.as_dict()}

    def identity(self) -> dict[str, Any]:
        """Fields that decide the results; the other times at which the pre-training is measured do not matter."""
        return super().identity() | {"pretraining": self.pretraining.identity()}

    @property
    def validation_options(self) -> dict[str, Any]:
        """Options of `load_dataset` for which its training rows are the validation rows."""
        rows = {"train_per_class": self.validation_per_class, "test_per_class": 1}
        after = self.dataset_options.get("train_skip", 0) + self.dataset_options["train_per_class"]
        return self.dataset_options | rows | {"train_skip": after}
