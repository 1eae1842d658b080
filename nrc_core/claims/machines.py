"""The same runs on other machines: how much arithmetic alone changes a result, compared with the effect of a seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nrc_core.claims.agreement import LIMIT, Setting

if TYPE_CHECKING:
    from nrc_core.claims.references import References

RUN = ["machine", "page", "setting", "seed"]


def differences(references: References, machines: Mapping[str, References]) -> pd.DataFrame:
    """Difference of every quantity of every run on another machine from the reference of the same seed.

    Returns:
        Columns `machine, page, setting, seed, kind, place` and `z`, the difference in units of two seeds: z is about 1
        if arithmetic changed a result as much as another seed does.
    """
    parts = [pd.DataFrame(columns=[*RUN, "kind", "place", "z"])]
    for run, own, setting in _runs(references, machines):
        if run["seed"] in setting.seeds:
            z = setting.differences(own)[setting.seeds.index(run["seed"])]
            parts.append(setting.names.to_frame(index=False).assign(z=z, **run))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def reruns(references: References, machines: Mapping[str, References]) -> pd.DataFrame:
    """Every run on another machine, compared with the references as in `nrc check`.

    Returns:
        Columns `machine, page, setting, seed`, `published` (whether a reference has this seed), `number` (distance to
        the nearest reference), `nearest` (whether the nearest reference has the same seed) and `outside` (whether the
        number is above the limit).
    """
    rows = []
    for run, own, setting in _runs(references, machines):
        each = np.sqrt(np.mean(np.square(setting.differences(own)), axis=1))
        nearest = setting.seeds[int(each.argmin())]
        number = float(each.min())
        published = run["seed"] in setting.seeds
        found = {"published": published, "number": number, "nearest": nearest == run["seed"], "outside": number > LIMIT}
        rows.append(run | found)
    return pd.DataFrame(rows, columns=[*RUN, "published", "number", "nearest", "outside"])


def machine_share(references: References, machines: Mapping[str, References]) -> float | None:
    """The spread between machines over the spread between seeds: the root mean square of all `differences`.

    All runs have the same weight, whatever their number of quantities. The result is None if no machine has a run with
    a seed of the references.
    """
    found = differences(references, machines)
    if found.empty:
        return None
    each = found.assign(square=found["z"] ** 2).groupby(RUN)["square"].mean()
    return float(np.sqrt(each.mean()))


def _runs(
    references: References, machines: Mapping[str, References]
) -> Iterator[tuple[dict[str, Any], pd.DataFrame, Setting]]:
    for machine, made in machines.items():
        pages = made.runs.set_index(["setting", "seed"])["page"]
        for name, tables in made.tables.items():
            if (setting := references.of(name)) is None:
                continue
            for seed, own in tables.items():
                yield {"machine": machine, "page": pages[name, seed], "setting": name, "seed": seed}, own, setting
