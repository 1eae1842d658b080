"""Neural regression collapse: data, networks, metrics, results. This file is the public surface.

Conventions, everywhere: samples in rows; site i is the input of weight layer i, counted from 0, so
site 0 is the raw input; the last site is the network's output. Letters: n samples, d input
dimensions, h width, t target dimensions, r rank, L weight layers, K classes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nrc_core.any_network import measure
    from nrc_core.class_metrics import (
        class_distance_normalized_variance,
        margins,
        nc1,
        nc2,
        nc3,
        nc4,
        normalised_margins,
        strong_test_variance,
        train_variance,
        weak_test_variance,
    )
    from nrc_core.class_moments import ClassMoments
    from nrc_core.classification import build_classifier, train_classifier
    from nrc_core.classifier_config import ClassifierConfig, TransferConfig
    from nrc_core.classifiers import Classifier, classifier
    from nrc_core.config import RunConfig, log_spaced_epochs
    from nrc_core.datasets import Dataset, load_dataset
    from nrc_core.errors import ConfigError, DataDamaged, DataUnavailable, NotebookFailed, NrcError, TrainingDiverged
    from nrc_core.experiments import EXPERIMENTS, deep_nrc_mlp, deep_nrc_resnet
    from nrc_core.measured import plot, report
    from nrc_core.metrics import debiased_cka, linear_cka, nrc1, nrc2, nrc3, nrc4, principal_angles, stable_rank
    from nrc_core.models import MLP, build_model
    from nrc_core.moments import Moments
    from nrc_core.recipes import RECIPES
    from nrc_core.runs import Results, run, stored
    from nrc_core.store import Store, content_key
    from nrc_core.training import train

__all__ = [
    "EXPERIMENTS",
    "MLP",
    "RECIPES",
    "ClassMoments",
    "Classifier",
    "ClassifierConfig",
    "ConfigError",
    "DataDamaged",
    "DataUnavailable",
    "Dataset",
    "Moments",
    "NotebookFailed",
    "NrcError",
    "Results",
    "RunConfig",
    "Store",
    "TrainingDiverged",
    "TransferConfig",
    "build_classifier",
    "build_model",
    "class_distance_normalized_variance",
    "classifier",
    "content_key",
    "debiased_cka",
    "deep_nrc_mlp",
    "deep_nrc_resnet",
    "linear_cka",
    "load_dataset",
    "log_spaced_epochs",
    "margins",
    "measure",
    "nc1",
    "nc2",
    "nc3",
    "nc4",
    "normalised_margins",
    "nrc1",
    "nrc2",
    "nrc3",
    "nrc4",
    "plot",
    "principal_angles",
    "report",
    "run",
    "stable_rank",
    "stored",
    "strong_test_variance",
    "train",
    "train_classifier",
    "train_variance",
    "weak_test_variance",
]

# Every name comes at its first use: torch and pandas take seconds to import, and much does without them.
_HOMES = {
    "any_network": ("measure",),
    "class_metrics": (
        "class_distance_normalized_variance", "margins", "nc1", "nc2", "nc3", "nc4", "normalised_margins",
        "strong_test_variance", "train_variance", "weak_test_variance",
    ),
    "class_moments": ("ClassMoments",),
    "classification": ("build_classifier", "train_classifier"),
    "classifier_config": ("ClassifierConfig", "TransferConfig"),
    "classifiers": ("Classifier", "classifier"),
    "config": ("RunConfig", "log_spaced_epochs"),
    "datasets": ("Dataset", "load_dataset"),
    "errors": ("ConfigError", "DataDamaged", "DataUnavailable", "NotebookFailed", "NrcError", "TrainingDiverged"),
    "experiments": ("EXPERIMENTS", "deep_nrc_mlp", "deep_nrc_resnet"),
    "measured": ("plot", "report"),
    "metrics": ("debiased_cka", "linear_cka", "nrc1", "nrc2", "nrc3", "nrc4", "principal_angles", "stable_rank"),
    "models": ("MLP", "build_model"),
    "moments": ("Moments",),
    "recipes": ("RECIPES",),
    "runs": ("Results", "run", "stored"),
    "store": ("Store", "content_key"),
    "training": ("train",),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
