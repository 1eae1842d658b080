"""The experiments on regression networks: one function a section, from parameters to configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nrc_core.config.base import CONVENTIONS, check_several, log_spaced_epochs
from nrc_core.config.regression import RunConfig
from nrc_core.data.catalogue import IMAGES, check_request
from nrc_core.errors import ConfigError
from nrc_core.sections.parameters import takes_lists
from nrc_core.sections.recipes import LOW_RANK, OTHER, RECIPES, Recipe


@takes_lists
def deep_nrc_mlp(
    dataset: str = "swimmer",
    *,
    seeds: Sequence[int] = (0,),
    width: int | None = None,
    depth: int = 8,
    bias: bool = False,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    epochs: int | None = None,
    batch_size: int = 128,
    split: str = "random",
    samples: int | None = None,
    targets: Sequence[str] = (),
    rank: int | None = None,
    measurements: int = 10,
) -> list[RunConfig]:
    """Deep NRC on MLPs: figures 2, 6, 7 and 8 of the Deep NRC paper, one configuration a seed.

    What is None is the paper's value for that data set (Appendix A), or ours for synthetic data and tables.

    Raises:
        ConfigError: an unknown data set or split, images, no seeds, or a value out of range.
    """
    if dataset in IMAGES:
        raise ConfigError(f"an MLP takes vectors, and {dataset!r} are images: use deep_nrc_resnet")
    return _configurations(
        dataset,
        seeds,
        options={"split": split, "samples": samples},
        targets=targets,
        measurements=measurements,
        width=width,
        depth=depth,
        bias=bias,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        epochs=epochs,
        batch_size=batch_size,
        rank=rank,
    )


@takes_lists
def deep_nrc_resnet(
    dataset: str = "car_racing",
    *,
    seeds: Sequence[int] = (0,),
    depth: int | None = None,
    width: int | None = None,
    head: str = "linear",
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    split: str | None = None,
    samples: int | None = None,
    image_size: int | None = None,
    precision: str = "float32",
    measurements: int = 10,
) -> list[RunConfig]:
    """Deep NRC on ResNets: figure 1 of the Deep NRC paper, one configuration a seed.

    What is None is the paper's value for that data set (Appendix A); `car_racing`, the stand-in for
    CARLA, has CARLA's, but for a split between episodes.

    Raises:
        ConfigError: data that are not images, an unknown split, no seeds, or a value out of range.
    """
    if dataset not in IMAGES:
        raise ConfigError(f"a ResNet takes images, those of {', '.join(IMAGES)}: got {dataset!r}")
    return _configurations(
        dataset,
        seeds,
        options={"split": split, "samples": samples, "image_size": image_size},
        measurements=measurements,
        depth=depth,
        width=width,
        head=head,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        epochs=epochs,
        batch_size=batch_size,
        precision=precision,
    )


@takes_lists
def low_rank_targets(
    dataset: str = "sgemm",
    *,
    seeds: Sequence[int] = (0,),
    widths: Sequence[int] = (),
    depth: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    epochs: int | None = None,
    samples: int | None = None,
    control: bool = True,
    measurements: int = 5,
) -> list[RunConfig]:
    """Targets of lower rank than their number: figure 3 of the Deep NRC paper.

    `sgemm` has four targets of rank 1; the paper gives both 256 and 512 as the width. `synthetic` has
    ten targets from a teacher with two hidden layers of two units. One configuration a width and
    seed, and with `control` one more of each on shuffled targets, which carry nothing to learn.

    Raises:
        ConfigError: a data set without low-rank targets, no seeds, or a value out of range.
    """
    if dataset not in LOW_RANK:
        raise ConfigError(f"low-rank targets are known of {', '.join(LOW_RANK)}: got {dataset!r}")
    recipe, options, own_widths = LOW_RANK[dataset]
    return [
        config
        for shuffled in ([False, True] if control else [False])
        for width in widths or own_widths
        for config in _configurations(
            dataset,
            seeds,
            recipe=recipe,
            options=options | {"samples": samples, "shuffled": shuffled or None},
            measurements=measurements,
            width=width,
            depth=depth,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            epochs=epochs,
        )
    ]


@takes_lists
def weight_decay(
    dataset: str = "swimmer",
    *,
    weight_decays: Sequence[float] = (0.0, 1e-4, 1e-3, 5e-3, 2.5e-2),
    seeds: Sequence[int] = (0,),
    width: int | None = None,
    depth: int | None = None,
    bias: bool = False,
    learning_rate: float | None = None,
    epochs: int | None = None,
    samples: int | None = None,
    targets: Sequence[str] = (),
    image_size: int | None = None,
    measurements: int = 1,
) -> list[RunConfig]:
    """The same network at several weight decays: figures 4 and 9 of the Deep NRC paper.

    Raises:
        ConfigError: an unknown data set, no seeds or weight decays, or a value out of range.
    """
    check_several("weight_decays", weight_decays)
    return [
        config
        for value in weight_decays
        for config in _configurations(
            dataset,
            seeds,
            options={"samples": samples, "image_size": image_size},
            targets=targets,
            measurements=measurements,
            width=width,
            depth=depth,
            bias=bias,
            learning_rate=learning_rate,
            weight_decay=float(value),
            epochs=epochs,
        )
    ]


@takes_lists
def training_dynamics(
    datasets: Sequence[str] = ("swimmer",),
    *,
    seeds: Sequence[int] = (0,),
    splits: Sequence[str] = ("random", "blocked"),
    width: int | None = None,
    epochs: int | None = None,
    targets: Sequence[str] = (),
    measurements: int = 10,
) -> list[RunConfig]:
    """Losses and the onset of collapse, under random and blocked splits: figure 5 of the Deep NRC paper.

    Raises:
        ConfigError: an unknown data set or split, no seeds, data sets or splits, or a value out of range.
    """
    check_several("datasets", datasets)
    check_several("splits", splits)
    return [
        config
        for dataset in datasets
        for split in splits
        for config in _configurations(
            dataset,
            seeds,
            options={"split": split},
            targets=targets,
            measurements=measurements,
            width=width,
            epochs=epochs,
        )
    ]


@takes_lists
def proposition_1(
    datasets: Sequence[str] = ("swimmer",),
    *,
    seeds: Sequence[int] = (0,),
    epochs: int | None = None,
    targets: Sequence[str] = (),
) -> list[RunConfig]:
    """The networks on which Proposition 1 of the Deep NRC paper (Appendix C) is checked.

    Raises:
        ConfigError: an unknown data set, no seeds or data sets.
    """
    return training_dynamics(datasets, seeds=seeds, splits=["random"], epochs=epochs, targets=targets, measurements=1)


@takes_lists
def paper_or_code(
    dataset: str = "swimmer",
    *,
    seeds: Sequence[int] = (0,),
    weight_decay: float | None = None,
    epochs: int | None = None,
    samples: int | None = None,
    targets: Sequence[str] = (),
) -> list[RunConfig]:
    """The paper's networks, measured by each definition of the metrics there is.

    Raises:
        ConfigError: an unknown data set, no seeds, or a value out of range.
    """
    return _configurations(
        dataset,
        seeds,
        options={"samples": samples},
        targets=targets,
        measurements=1,
        weight_decay=weight_decay,
        epochs=epochs,
        conventions=CONVENTIONS,
    )


@takes_lists
def what_decides_collapse(
    dataset: str = "swimmer",
    *,
    seeds: Sequence[int] = (0,),
    bias: bool = True,
    init_scales: Sequence[float] = (0.5, 2.0),
    depths: Sequence[int] = (4, 12),
    widths: Sequence[int] = (64, 512),
    linear_teacher: bool = False,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    epochs: int | None = None,
    samples: int | None = None,
    targets: Sequence[str] = (),
) -> list[RunConfig]:
    """The paper's network and others that differ from it in one respect each.

    The paper's comes first; then one with a bias in every layer, and one for each initial scale,
    depth and width. `linear_teacher` takes synthetic data whose two targets are linear in the inputs.

    Raises:
        ConfigError: an unknown data set, no seeds, or a value out of range.
    """
    variants: list[dict[str, Any]] = [{}, *([{"bias": True}] if bias else [])]
    variants += [{"init_scale": float(value)} for value in init_scales]
    variants += [{"depth": value} for value in depths] + [{"width": value} for value in widths]
    recipe = vars(RECIPES.get(dataset, OTHER)) | {"bias": False}
    variants = [one for one in variants if not one or any(recipe[name] != value for name, value in one.items())]
    options: dict[str, Any] = {"samples": samples}
    options |= {"teacher": "linear", "target_dim": 2, "teacher_rank": 2} if linear_teacher else {}
    return [
        config
        for variant in variants
        for config in _configurations(
            dataset,
            seeds,
            options=options,
            targets=targets,
            measurements=1,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            epochs=epochs,
            **variant,
        )
    ]


def _configurations(
    dataset: str,
    seeds: Sequence[int],
    *,
    options: Mapping[str, Any],
    measurements: int,
    targets: Sequence[str] = (),
    recipe: Recipe | None = None,
    **fields: Any,
) -> list[RunConfig]:
    """One configuration a seed; what is None is the recipe's, or left out where it has none."""
    check_several("seeds", seeds)
    recipe = recipe or RECIPES.get(dataset, OTHER)
    names = ("architecture", "width", "depth", "learning_rate", "weight_decay", "epochs", "batch_size", "init_scale")
    defaults = {name: getattr(recipe, name) for name in names}
    given = {name: value for name, value in fields.items() if value is not None}
    values = defaults | given
    used = {"split": recipe.split} | {name: value for name, value in options.items() if value is not None}
    used |= {"targets": list(targets)} if targets else {}
    check_request(dataset, split=used["split"], targets=targets)
    RunConfig(dataset, **values)  # a wrong number of epochs is said before it is used
    measured = log_spaced_epochs(values["epochs"], measurements)
    return [
        RunConfig(dataset, seed=seed, measure_epochs=measured, dataset_options=dict(used), **values) for seed in seeds
    ]
