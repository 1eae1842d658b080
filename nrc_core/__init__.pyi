from .config.base import log_spaced_epochs
from .config.classification import ClassifierConfig, TransferConfig
from .config.regression import RunConfig
from .data.dataset import Dataset
from .data.load import load_dataset
from .errors import ConfigError, DataDamaged, DataUnavailable, NotebookFailed, NrcError, TrainingDiverged
from .metrics.any_network import measure
from .metrics.class_bound import class_distance_bound
from .metrics.class_geometry import (
    duality_simplex_distance,
    hyperspherical_uniformity,
    means_simplex_distance,
    nc5,
    weight_simplex_distance,
)
from .metrics.class_moments import ClassMoments
from .metrics.classes import (
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
from .metrics.coding_rate import coding_rate, coding_rate_reduction
from .metrics.complexity import geometric_complexity
from .metrics.few_shot import few_shot_accuracy
from .metrics.moments import Moments
from .metrics.regression import debiased_cka, linear_cka, nrc1, nrc2, nrc3, nrc4, principal_angles, stable_rank
from .networks.build import MLP, build_model
from .networks.classifiers import Classifier, classifier
from .results.results import Results
from .results.runs import run, stored
from .results.store import Store, content_key
from .sections.deep_nrc_mlp.experiment import deep_nrc_mlp
from .sections.deep_nrc_resnet.experiment import deep_nrc_resnet
from .sections.experiments import EXPERIMENTS
from .sections.recipes import RECIPES
from .sections.report import plot, report
from .training.classification import build_classifier, train_classifier
from .training.loop import train

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
    "class_distance_bound",
    "class_distance_normalized_variance",
    "classifier",
    "coding_rate",
    "coding_rate_reduction",
    "content_key",
    "debiased_cka",
    "deep_nrc_mlp",
    "deep_nrc_resnet",
    "duality_simplex_distance",
    "few_shot_accuracy",
    "geometric_complexity",
    "hyperspherical_uniformity",
    "linear_cka",
    "load_dataset",
    "log_spaced_epochs",
    "margins",
    "means_simplex_distance",
    "measure",
    "nc1",
    "nc2",
    "nc3",
    "nc4",
    "nc5",
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
    "weight_simplex_distance",
]
