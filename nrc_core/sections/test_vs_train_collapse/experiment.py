"""The networks of the section on collapse on training and on test data."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.classification import ClassifierConfig
from nrc_core.sections.grid import ITERATIONS, classifiers
from nrc_core.sections.parameters import takes_lists


@takes_lists
def test_vs_train_collapse(
    datasets: Sequence[str] = ("cifar10",),
    *,
    architectures: Sequence[str] = ("resnet",),
    weight_decays: Sequence[float] = (0.0, 5e-4),
    seeds: Sequence[int] = (0,),
    batch_sizes: Sequence[int] = (128,),
    learning_rate: float | None = None,
    random_labels: bool = False,
    stem: str = "small",
    depth: int | None = None,
    width: int | None = None,
    iterations: int = ITERATIONS,
    train_per_class: int | None = None,
    test_per_class: int | None = None,
    measurements: int = 12,
) -> list[ClassifierConfig]:
    """Collapse on training and test data: figures 1 to 3 of Hui et al., with and without weight decay.

    A parameter that is None has the paper's value (section 3.2); the paper does not state the weight decay and the
    stem. With `random_labels` the training rows have random labels, as in the thought experiment of section 2.1.
    Smaller batches and larger learning rates make the steps more random, see footnote 2; with a batch of all training
    rows, nothing is random but the initial weights.

    Raises:
        ConfigError: an unknown data set or architecture, or a value out of range.
    """
    given = locals() | ({"labels": "random"} if random_labels else {})
    factors = {"dataset": datasets, "architecture": architectures, "weight_decay": weight_decays}
    return classifiers(given, **factors, batch_size=batch_sizes, seed=seeds)
