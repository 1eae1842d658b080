"""Neural regression collapse: data, networks, metrics, results. This file is the public surface.

Conventions, everywhere: samples in rows; site i is the input of weight layer i, counted from 0, so
site 0 is the raw input; the last site is the network's output. Letters: n samples, d input
dimensions, h width, t target dimensions, r rank, L weight layers.
"""

from nrc_core.config import RunConfig, log_spaced_epochs
from nrc_core.datasets import Dataset, load_dataset
from nrc_core.errors import ConfigError, DataDamaged, DataUnavailable, NotebookFailed, NrcError, TrainingDiverged
from nrc_core.experiments import EXPERIMENTS, RECIPES, deep_nrc_mlp
from nrc_core.measurement import measure
from nrc_core.metrics import linear_cka, nrc1, nrc2, nrc3, nrc4, principal_angles, stable_rank
from nrc_core.models import MLP, build_model
from nrc_core.moments import Moments
from nrc_core.runs import Results, run, stored
from nrc_core.store import Store, content_key
from nrc_core.training import train

__all__ = [
    "EXPERIMENTS",
    "MLP",
    "RECIPES",
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
    "build_model",
    "content_key",
    "deep_nrc_mlp",
    "linear_cka",
    "load_dataset",
    "log_spaced_epochs",
    "measure",
    "nrc1",
    "nrc2",
    "nrc3",
    "nrc4",
    "principal_angles",
    "run",
    "stable_rank",
    "stored",
    "train",
]
