"""Deep NRC on ResNets: its networks."""

from __future__ import annotations

from collections.abc import Sequence

from nrc_core.config.regression import RunConfig
from nrc_core.data.catalogue import IMAGES
from nrc_core.errors import ConfigError
from nrc_core.sections.grid import regressions
from nrc_core.sections.parameters import takes_lists


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
    return regressions(
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
