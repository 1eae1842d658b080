"""Configurations of small residual networks with normalised features, of which the depth is varied."""

from dataclasses import dataclass
from typing import ClassVar

from nrc_core.config import base
from nrc_core.config.descent import DescentConfig
from nrc_core.errors import ConfigError

ONE_MAP, TWO_MAPS, ATTENTION = BLOCKS = ("one_map", "two_maps", "attention")
CONSTANT, OVER_DEPTH = RULES = ("constant", "over_depth")


@dataclass(frozen=True, kw_only=True)
class ResidualConfig(DescentConfig):
    """One residual network with LayerNorm before a linear head, and weight decay on all of its weights.

    Every block adds to its input h, and LN is LayerNorm to length one, without weights. The block "one_map" adds
    ``W relu(LN(h))``, "two_maps" adds ``V relu(W LN(h))``, and "attention" is that of a Transformer. All steps of Adam
    take all pictures, with a learning rate that falls to zero as a cosine.

    Attributes:
        dataset: images in classes.
        block: one of `BLOCKS`.
        depth: L, the number of blocks.
        decay: the weight decay, before it is divided.
        decay_rule: "constant", or "over_depth": the decay is divided by L.
        digits: the classes that are trained, by their numbers.
        width: h, the number of features. For blocks without attention, inputs are so many principal components.
        iterations: steps of Adam.
        learning_rate: of Adam at the start.
        seed: decides the initial weights.

    Raises:
        ConfigError: a value is out of range; the message names the field.

    Example:
        >>> ResidualConfig(block="two_maps", depth=4, decay=0.02, decay_rule="over_depth").paid_decay
        0.005
    """

    TASK: ClassVar[str] = "residual depth"
    DRAWN: ClassVar[tuple[str, ...]] = ("train_skip",)

    dataset: str = "mnist"
    block: str = base.one_of(BLOCKS).field(ONE_MAP)
    depth: int = base.AT_LEAST_1.field()
    decay: float = base.POSITIVE.field(0.005)
    decay_rule: str = base.one_of(RULES).field(CONSTANT)
    digits: tuple[int, ...] = (0, 1, 2, 3, 4)
    width: int = base.AT_LEAST_1.field(32)
    iterations: int = base.AT_LEAST_1.field(1000)
    learning_rate: float = base.POSITIVE.field(0.005)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.digits)) < max(2, len(self.digits)) or any(digit < 0 for digit in self.digits):
            raise ConfigError(f"digits must be two or more different numbers of classes: got {list(self.digits)}")
        if self.width < len(self.digits):
            raise ConfigError(f"width must be at least {len(self.digits)}, the number of digits: got {self.width}")

    @property
    def paid_decay(self) -> float:
        """The decay that every weight pays."""
        return paid_decay(self.decay, self.decay_rule, self.depth)


def paid_decay(decay: float, rule: str, depth: int) -> float:
    """The decay that every weight of a network pays.

    Example:
        >>> paid_decay(0.01, "constant", 5), paid_decay(0.01, "over_depth", 5)
        (0.01, 0.002)
    """
    return decay / depth if rule == OVER_DEPTH else decay
