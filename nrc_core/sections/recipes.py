"""Networks and hyper-parameters by data set: the paper's values if the paper states them."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """Network and hyper-parameters of one data set; momentum is always 0.9."""

    width: int
    learning_rate: float
    weight_decay: float
    epochs: int
    stated: bool  # whether the paper states these values
    depth: int = 8
    init_scale: float = 1.0  # factor on PyTorch's default, which is smaller than He initialisation by sqrt(6)
    architecture: str = "mlp"
    batch_size: int = 128
    split: str = "random"


# Deep NRC paper, Appendix A. The paper states no values for its synthetic data.
RECIPES = {
    "swimmer": Recipe(256, 0.1, 5e-3, 1000, stated=True),
    "reacher": Recipe(512, 0.05, 1e-4, 1000, stated=True),
    "hopper": Recipe(256, 0.1, 1e-3, 1000, stated=True),
    "sgemm": Recipe(512, 0.005, 1e-3, 200, stated=True),
    "synthetic": Recipe(256, 0.05, 5e-4, 500, stated=False),
    "utkface": Recipe(64, 0.001, 5e-4, 100, stated=True, depth=34, architecture="resnet", batch_size=512),
    "carla2d": Recipe(64, 0.01, 5e-3, 250, stated=True, depth=18, architecture="resnet"),
    # The stand-in for CARLA has CARLA's values. Frames of an episode are nearly alike: the split keeps them together.
    "car_racing": Recipe(64, 0.01, 5e-3, 250, stated=False, depth=18, architecture="resnet", split="blocked"),
}
OTHER = Recipe(256, 0.01, 1e-3, 300, stated=False)

# Low-rank targets (figure 3): recipe, data, widths. For the synthetic data the paper states no hyper-parameters, no
# activation of the teacher and no initial weights of the teacher. With PyTorch's default initial weights, the output
# of ten layers without a bias stays at zero at learning rates of 0.05 and 0.1. With He's initial weights and 1024
# units, training diverges within six steps at 0.05 and at 0.02; 0.01 was tried next. The weight decays 5e-4, 1e-3 and
# 2e-3 were tried with 128 units at a learning rate of 0.05; 1e-3 gave the lowest training loss.
LOW_RANK: dict[str, tuple[Recipe, dict[str, Any], tuple[int, ...]]] = {
    "sgemm": (RECIPES["sgemm"], {"split": "random"}, (256, 512)),
    "synthetic": (
        Recipe(1024, 0.01, 1e-3, 300, stated=False, depth=10, init_scale=math.sqrt(6)),
        {"split": "random", "target_dim": 10, "teacher_rank": 2},
        (1024,),
    ),
}
INTRINSIC_RANK = {"sgemm": 1, "synthetic": 2}
