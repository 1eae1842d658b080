"""Configuration of a regression network: data, shape and training."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nrc_core.config import base
from nrc_core.errors import ConfigError

# Possible depths of each network; None means any depth. The depth of a ResNet counts the stem, the convolutions of its
# blocks and the head.
ARCHITECTURES: dict[str, tuple[int, ...] | None] = {"mlp": None, "resnet": (18, 34)}


@dataclass(frozen=True)
class RunConfig(base.Configuration):
    """One network: its data, shape, optimiser and the epochs at which it is measured.

    Optimiser: SGD with momentum and L2 weight decay with gradient (wd) w; the learning rate is divided by 10
    after a third and two thirds of the epochs (Deep NRC paper, Appendix A). Loss: mean squared
    error per entry.

    Attributes:
        dataset: name of a built-in data set, or path of a table.
        dataset_options: what `load_dataset` takes besides the name: split, seed, targets, ...
        architecture: "mlp", for vectors, or "resnet", for images.
        width, depth: for an MLP, the number of units of a hidden layer and the number L of weight layers; for a
            ResNet, the number of channels of its first stage (64 in torchvision) and the depth, 18 or 34.
        bias, init_scale: only for MLPs: whether every layer has a bias, and a factor on PyTorch's default
            initial weights.
        head: only for ResNets: "linear", or "layernorm" for a linear layer, LayerNorm, ReLU and a linear layer,
            as in the released code.
        precision: "float32", or "bfloat16" for mixed precision in training.
        seed: decides the initial weights and the order of the batches.
        measure_epochs: epochs after which the network is measured, from 1; the last one is always included.
        rank: r of NRC1, NRC2 and NRC3; None means the target dimension.
        tolerance: tolerance of NRC4, see `nrc4`.
        conventions: definitions of the metrics that are used at the last epoch, see `measure`.
        last_layer: whether the covariances around the last weight are kept too, see `nrc_core.metrics.last_layer`.

    Raises:
        ConfigError: a value is out of range; the message names the field.

    Example:
        >>> RunConfig("swimmer", epochs=10, learning_rate=0.1, weight_decay=5e-3).measure_epochs
        (10,)
    """

    TIMES: ClassVar[str] = "measure_epochs"
    MEASURED: ClassVar[tuple[str, ...]] = ("measure_epochs", "conventions", "last_layer")
    # The learning rate, weight decay and seed of networks that are trained together may differ.
    SHARED: ClassVar[tuple[str, ...]] = (
        "dataset", "dataset_options", "architecture", "width", "depth", "bias", "batch_size", "epochs", "momentum",
        "precision",
    )  # fmt: skip

    dataset: str
    epochs: int = base.AT_LEAST_1.field()
    learning_rate: float = base.POSITIVE.field()
    weight_decay: float = base.NOT_NEGATIVE.field()
    width: int = base.AT_LEAST_1.field(256)
    depth: int = base.AT_LEAST_1.field(8)
    bias: bool = False
    momentum: float = base.BELOW_1.field(0.9)
    batch_size: int = base.AT_LEAST_1.field(128)
    seed: int = base.SEED.field(0)
    measure_epochs: tuple[int, ...] = ()
    rank: int | None = base.AT_LEAST_1.field(None)
    tolerance: float = base.BELOW_1.field(base.NUMERICAL_TOLERANCE)
    init_scale: float = base.POSITIVE.field(1.0)
    conventions: tuple[str, ...] = ("careful",)
    dataset_options: dict[str, Any] = field(default_factory=dict)
    architecture: str = base.one_of(ARCHITECTURES).field("mlp")
    head: str = base.one_of(("linear", "layernorm")).field("linear")
    precision: str = base.one_of(("float32", "bfloat16")).field("float32")
    last_layer: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        base.check_depth(self.architecture, self.depth, ARCHITECTURES)
        if self.architecture == "mlp" and self.head != "linear":
            raise ConfigError(f"head is an option of ResNets, an MLP has a linear one: got {self.head!r}")
        if self.architecture != "mlp" and (self.bias or self.init_scale != 1.0):
            raise ConfigError("bias and init_scale are options of MLPs; a ResNet starts as torchvision makes it")
        if unknown := set(self.conventions) - set(base.CONVENTIONS):
            raise ConfigError(f"conventions must be among {', '.join(base.CONVENTIONS)}: got {sorted(unknown)}")
        self._measure_at_end(self.epochs, "epochs = ")
        object.__setattr__(self, "conventions", tuple(sorted({*self.conventions, "careful"})))

    def exposure(self, rows: int) -> float:
        """Exposure to weight decay, see `Configuration.exposure`, with the learning rates of all epochs."""
        rates = sum(step_decay(epoch, self.epochs) for epoch in range(1, self.epochs + 1))
        steps = math.ceil(rows / self.batch_size)
        return self.weight_decay * self.learning_rate * rates * steps / (1 - self.momentum)


def step_decay(epoch: int, epochs: int) -> float:
    """Learning rate in an epoch over the initial one: it is divided by 10 after each third of the training.

    The ends of the thirds are rounded down (Deep NRC paper, Appendix A). If the end of a third is rounded to epoch 0,
    in trainings of one or two epochs, this third does not change the learning rate.

    Example:
        >>> [round(step_decay(epoch, 6), 3) for epoch in range(1, 7)]
        [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """
    ends = (epochs // 3, 2 * epochs // 3)
    passed = [end for end in ends if 0 < end < epoch]
    return 0.1 ** len(passed)
