"""A small pre-training with two fine-tunings, and the times at which the files of a store were written."""

from nrc_core import EXPERIMENTS, Store
from nrc_core.config.base import Configuration
from nrc_core.config.classification import TransferConfig

RATES = (0.01, 0.1)
TINY = {
    "depth": 3, "width": 8, "iterations": 30, "starts": (10, 20), "learning_rates": RATES, "train_per_class": 5,
    "fine_tune_per_class": 3, "validation_per_class": 3, "test_per_class": 2, "fine_tune_iterations": 12,
    "measurements": 3,
}  # fmt: skip
FEATURES = ["train_error", "validation_error", "test_error"]


def tiny(**change) -> list[Configuration]:
    return list(EXPERIMENTS["transfer"]("mnist", **(TINY | change)))


def fine_tunings(configs: list[Configuration]) -> list[TransferConfig]:
    return [config for config in configs if isinstance(config, TransferConfig)]


def written(store: Store) -> dict[str, int]:
    """The time at which each file of the store was written."""
    return {str(path): path.stat().st_mtime_ns for path in store.folder.rglob("*") if path.is_file()}
