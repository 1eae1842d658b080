"""The networks of the section on pre-trained features in another task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nrc_core.config.base import Configuration, check_several
from nrc_core.config.classification import TransferConfig
from nrc_core.data.catalogue import SUPERCLASSES
from nrc_core.errors import ConfigError
from nrc_core.sections.grid import check_all, classifiers
from nrc_core.sections.parameters import takes_lists

PRETRAINING_ITERATIONS = 100_000
STARTS = (20_000, 40_000, 70_000, 80_000, 90_000)  # iterations at which fine-tuning starts, figure 5 (left)


@takes_lists
def transfer(
    dataset: str = "mnist",
    *,
    architecture: str = "mlp",
    seeds: Sequence[int] = (0,),
    starts: Sequence[int] = STARTS,
    learning_rates: Sequence[float] = (0.0005, 0.0012, 0.003, 0.0072, 0.0174, 0.042, 0.102, 0.25),
    weight_decay: float = 0.0,
    control_weight_decays: Sequence[float] = (),
    control_smoothings: Sequence[float] = (),
    depth: int | None = None,
    width: int | None = None,
    iterations: int = PRETRAINING_ITERATIONS,
    stop_iteration: int | None = None,
    train_per_class: int = 100,
    fine_tune_per_class: int = 50,
    validation_per_class: int = 100,
    test_per_class: int | None = 200,
    fine_tune_iterations: int = 500,
    measurements: int = 12,
) -> list[Configuration]:
    """Fine-tuning of networks pre-trained on two superclasses: figure 5 of Hui et al., and a control.

    The paper fine-tunes the checkpoints `starts` of one pre-training, so that collapse and training time vary
    together. The control fine-tunes networks pre-trained for equally many iterations, `starts[0]`, with other
    weight decays or label smoothing, so that collapse varies and training time does not. The learning rate is searched
    for every network, and every network is tested on all test rows; `test_per_class` applies to the pre-training only.
    With `stop_iteration`, the pre-training ends there, while its learning rates are those of `iterations`.

    Raises:
        ConfigError: a data set without superclasses, an unknown architecture, or a value out of range.
    """
    given = locals() | {"labels": "superclasses", "keep_weights": True}
    check_all("dataset", [dataset], tuple(SUPERCLASSES))
    check_several("starts", starts)
    starts = tuple(sorted(starts))
    if stop_iteration is not None and stop_iteration <= starts[0]:  # only the pre-training of a control ends there
        raise ConfigError(f"stop_iteration must be above the first of starts, {starts[0]}: got {stop_iteration}")
    controls = [{"weight_decay": float(value)} for value in control_weight_decays]
    controls += [{"label_smoothing": float(value)} for value in control_smoothings]
    variants: list[dict[str, Any]] = [{"extra": starts}, *({"stop_iteration": starts[0]} | one for one in controls)]
    options = {"labels": "members", "train_skip": train_per_class, "train_per_class": fine_tune_per_class}
    configs: list[Configuration] = []
    check_several("seeds", seeds)
    for seed in seeds:
        for variant in variants:
            (pretraining,) = classifiers(given | variant, seed=[seed])
            configs.append(pretraining)
            configs += [
                TransferConfig(
                    pretraining,
                    start=start,
                    iterations=fine_tune_iterations,
                    learning_rates=tuple(float(rate) for rate in learning_rates),
                    dataset=dataset,
                    dataset_options=dict(options),
                    validation_per_class=validation_per_class,
                    seed=seed,
                )
                for start in starts
                if start <= pretraining.last
            ]
    return configs
