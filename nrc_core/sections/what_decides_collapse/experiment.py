"""Networks that differ from the recipe in one respect each: its networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nrc_core.config.regression import RunConfig
from nrc_core.sections.grid import regressions
from nrc_core.sections.parameters import takes_lists
from nrc_core.sections.recipes import OTHER, RECIPES


@takes_lists
def what_decides_collapse(
    dataset: str = "swimmer",
    *,
    seeds: Sequence[int] = (0,),
    bias: bool = True,
    init_scales: Sequence[float] = (0.5, 2.0),
    depths: Sequence[int] = (4, 12),
    widths: Sequence[int] = (64, 512),
    target_scales: Sequence[str] = (),
    weight_decays: Sequence[float] = (),
    teacher_seeds: Sequence[int] = (),
    split_seeds: Sequence[int] = (),
    linear_teacher: bool = False,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    epochs: int | None = None,
    samples: int | None = None,
    targets: Sequence[str] = (),
) -> list[RunConfig]:
    """The paper's network and others that differ from it in one respect each.

    The paper's comes first; then one with a bias in every layer, and one for each initial scale, depth, width, scale of
    the targets, weight decay, teacher and random split. `linear_teacher` takes synthetic data whose two targets are
    linear in the inputs.

    Raises:
        ConfigError: an unknown data set, no seeds, or a value out of range.
    """
    given = locals() | {"bias": False, "measurements": 1}
    given |= {"teacher": "linear", "target_dim": 2, "teacher_rank": 2} if linear_teacher else {}
    variants: list[dict[str, Any]] = [{"bias": True}] if bias else []
    variants += [{"init_scale": float(value)} for value in init_scales]
    lists = {"depth": depths, "width": widths, "target_scale": target_scales, "weight_decay": weight_decays}
    lists |= {"teacher_seed": teacher_seeds, "split_seed": split_seeds}
    variants += [{name: value} for name, values in lists.items() for value in values]
    recipe = vars(RECIPES.get(dataset, OTHER)) | {"bias": False, "target_scale": "standardised"}
    recipe |= {"teacher_seed": 0, "split_seed": 0} | ({} if weight_decay is None else {"weight_decay": weight_decay})
    differing = [one for one in variants if any(recipe[name] != value for name, value in one.items())]
    return [config for variant in ({}, *differing) for config in regressions(given | variant, seed=seeds)]
