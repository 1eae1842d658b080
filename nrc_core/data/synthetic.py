"""Synthetic regression data from teacher networks (Deep NRC paper, section 4.1)."""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from nrc_core.errors import ConfigError
from nrc_core.metrics.moments import Moments
from nrc_core.metrics.regression import eigen

# Every direction that a teacher should have must carry at least this share of the target variance. A teacher
# without it (dead units, nearly parallel outputs) is rejected, and the next one is drawn.
LEAST_SHARE = 0.05
MOST_TRIES = 100


def synthetic(
    *,
    teacher_seed: int = 0,
    samples: int = 10_000,
    input_dim: int = 20,
    target_dim: int = 3,
    teacher_rank: int = 10,
    teacher: str = "nonlinear",
    teacher_weights: str = "normal",
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Inputs (n, d), targets (n, t), and facts on how they were made.

    x ~ N(0, I_d). The nonlinear teacher is a bias-free ReLU network with two hidden layers of
    `teacher_rank` units, the linear one a d x t matrix of rank `teacher_rank`. "normal" weights are drawn from
    N(0, 1 / fan_in), "uniform" ones as PyTorch does by default, from U(-1, 1) / sqrt(fan_in); these make the targets
    smaller by 3^(3/2), or by 3 with the linear teacher. The paper states n, d, the hidden layers and "randomly
    initialised"; the activation, the weight scale and the rejection of degenerate teachers are choices made here.

    Raises:
        ConfigError: a size is below 1, the kind of teacher or of its weights is unknown, or every teacher of these
            sizes was rejected.
    """
    sizes = {"samples": samples, "input_dim": input_dim, "target_dim": target_dim, "teacher_rank": teacher_rank}
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{name} must be at least 1: got {size}")
    if teacher not in ("nonlinear", "linear"):
        raise ConfigError(f"teacher must be 'nonlinear' or 'linear': got {teacher!r}")
    if teacher_weights not in ("normal", "uniform"):
        raise ConfigError(f"teacher_weights must be 'normal' or 'uniform': got {teacher_weights!r}")
    rank = min(teacher_rank, target_dim, input_dim)
    widths = [input_dim, teacher_rank, *([teacher_rank] if teacher == "nonlinear" else []), target_dim]
    generator = torch.Generator().manual_seed(teacher_seed)
    x = torch.randn(samples, input_dim, generator=generator, dtype=torch.float64)
    for rejected in range(MOST_TRIES):
        y = x
        for layer, (inputs, outputs) in enumerate(pairwise(widths)):
            y = y.relu() if layer and teacher == "nonlinear" else y
            weights = torch.empty(inputs, outputs, dtype=torch.float64)
            if teacher_weights == "normal":
                weights.normal_(generator=generator)
            else:
                weights.uniform_(-1, 1, generator=generator)
            y = y @ weights / math.sqrt(inputs)
        variances = eigen(Moments.of(y, y[:, :0]).feature_covariance).values
        if variances[0] > 0 and variances[rank - 1] >= LEAST_SHARE * variances.sum():
            facts = {"teacher": teacher, "teacher_seed": teacher_seed, **sizes, "rejected_teachers": rejected}
            return x, y, facts | ({"teacher_weights": teacher_weights} if teacher_weights != "normal" else {})
    raise ConfigError(
        f"no teacher among {MOST_TRIES} gave {rank} target directions of at least {LEAST_SHARE:.0%} of the variance "
        f"with {sizes}: use a smaller target_dim or a larger teacher_rank"
    )
