"""The experiments of the book: one function a section, by the name of the notebook that shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nrc_core.config.base import Configuration
from nrc_core.sections.classifier_experiments import CLASSIFIER_EXPERIMENTS
from nrc_core.sections.regression_experiments import (
    deep_nrc_mlp,
    deep_nrc_resnet,
    low_rank_targets,
    paper_or_code,
    proposition_1,
    training_dynamics,
    weight_decay,
    what_decides_collapse,
)

__all__ = [
    "EXPERIMENTS",
    "deep_nrc_mlp",
    "deep_nrc_resnet",
    "low_rank_targets",
    "paper_or_code",
    "proposition_1",
    "training_dynamics",
    "weight_decay",
    "what_decides_collapse",
]

EXPERIMENTS: dict[str, Callable[..., Sequence[Configuration]]] = {
    function.__name__: function
    for function in (
        deep_nrc_mlp,
        deep_nrc_resnet,
        low_rank_targets,
        weight_decay,
        training_dynamics,
        proposition_1,
        paper_or_code,
        what_decides_collapse,
        *CLASSIFIER_EXPERIMENTS,
    )
}
