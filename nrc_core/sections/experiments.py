"""The experiments of the book by name: an experiment, its section and its notebook have the same name."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from nrc_core.config.base import Configuration
from nrc_core.config.classification import ClassifierConfig

Experiment = Callable[..., Sequence[Configuration]]


# Every section that trains networks has a module `experiment` with a function of the section's name.
NAMES = sorted(path.parent.name for path in Path(__file__).parent.glob("*/experiment.py"))
EXPERIMENTS: dict[str, Experiment] = {
    name: getattr(import_module(f"nrc_core.sections.{name}.experiment"), name) for name in NAMES
}


def trains_classifiers(experiment: str) -> bool:
    """Whether an experiment trains any classifiers."""
    return any(isinstance(config, ClassifierConfig) for config in EXPERIMENTS[experiment]())
