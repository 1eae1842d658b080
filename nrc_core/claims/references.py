"""Reference runs: the runs of pages with several seeds, as a table of runs and a table of their quantities."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.claims.agreement import FEWEST, Setting
from nrc_core.claims.quantities import COLUMNS, quantities, setting
from nrc_core.config.base import Configuration
from nrc_core.errors import ConfigError, DataDamaged, DataUnavailable
from nrc_core.files import atomic_folder, locked, project_folder
from nrc_core.results.obtaining import find
from nrc_core.results.runs import run
from nrc_core.results.store import RunResult, Store
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.workflow.profiles import Page, Profile

logger = logging.getLogger(__name__)
RUN = ["setting", "seed"]
PROVENANCE = ["key", "device", "instructions", "torch", "seconds", "date", "commit", "data"]
# The columns of the two tables, first those by which a table is sorted.
TABLES = {"runs": [*RUN, "page", *PROVENANCE, "failure", "config"], "quantities": [*RUN, *COLUMNS]}
ELSEWHERE = ["machine", "page", *RUN]  # columns that identify a run on another machine


def default_folder(machine: str | None = None) -> Path:
    """Folder of the published references, or, for another machine, of the same runs made on that machine."""
    results = project_folder() / "results"
    return results / "references" if machine is None else results / "machines" / machine


@dataclass(frozen=True)
class References:
    """Reference runs.

    Attributes:
        runs: one row for each run: `setting` (the same for all seeds), `seed`, `page` (the page for which the run was
            made), and from its provenance `key, device, torch, seconds, date, commit, data, failure, config`.
        quantities: one row for each run and quantity: `setting`, `seed` and the columns of `quantities`.
    """

    runs: pd.DataFrame
    quantities: pd.DataFrame

    @classmethod
    def read(cls, folder: Path | None = None) -> References:
        """Read references from a folder; there are no rows if the folder does not exist.

        Raises:
            DataDamaged: a file was not written by `write`.
        """
        folder = default_folder() if folder is None else folder
        if not folder.is_dir():
            return cls(**{name: pd.DataFrame(columns=columns) for name, columns in TABLES.items()})
        try:
            tables = {name: pd.read_parquet(folder / f"{name}.parquet")[columns] for name, columns in TABLES.items()}
            return cls(**tables)
        except (OSError, ValueError, KeyError) as error:
            raise DataDamaged(
                f"{folder} holds no references ({type(error).__name__}): restore it, or remove it and make them with "
                "`nrc references`"
            ) from None

    def write(self, folder: Path) -> None:
        """Write the references into a folder in one step, sorted, so that the order of the runs has no effect."""
        with atomic_folder(folder) as partial:
            for name, columns in TABLES.items():
                ordered = getattr(self, name)[columns].sort_values(columns[:4], kind="stable")
                ordered.to_parquet(partial / f"{name}.parquet", index=False, compression="zstd")

    @cached_property
    def tables(self) -> dict[str, dict[int, pd.DataFrame]]:
        """The `quantities` of every run that did not diverge, by setting and seed."""
        tables: dict[str, dict[int, pd.DataFrame]] = {}
        for (name, seed), rows in self.quantities.groupby(RUN):
            tables.setdefault(str(name), {})[int(seed)] = rows[COLUMNS]
        return tables

    def diverged(self, name: str) -> bool:
        """Whether a run of a setting diverged."""
        return bool((self.runs.loc[self.runs["setting"] == name, "failure"] != "").any())

    def same_data(self, name: str, result: RunResult) -> bool:
        """Whether the references of a setting were trained on exactly the same data as a run, bit for bit."""
        return _data(result.provenance) in set(self.runs.loc[self.runs["setting"] == name, "data"])

    def has(self, config: Configuration) -> bool:
        """Whether the run of a configuration is among the references."""
        same = (self.runs["setting"] == setting(config)) & (self.runs["seed"] == config.seed)
        return bool(same.any())

    def of(self, name: str) -> Setting | None:
        """The references of a setting; None if there are too few."""
        tables = self.tables.get(name, {})
        return Setting.of(tables) if len(tables) >= FEWEST else None

    def with_run(self, config: Configuration, result: RunResult, page: str) -> References:
        """These reference runs with one run added."""
        name, record = setting(config), result.provenance
        row = {
            "setting": name,
            "seed": config.seed,
            "page": page,
            "torch": record["packages"]["torch"],
            "data": _data(record),
            "failure": result.failure or "",
            "config": json.dumps(config.identity(), sort_keys=True),
            **{name: record[name] for name in ("key", "device", "seconds", "date")},
            "instructions": record.get("instructions", ""),  # older runs do not have this entry
            "commit": record["commit"] or "",
        }
        found = pd.DataFrame(columns=COLUMNS) if result.failure else quantities(result, config)
        tables = [[self.runs, pd.DataFrame([row])], [self.quantities, found.assign(setting=name, seed=config.seed)]]
        return References(*(pd.concat([t for t in pair if len(t)], ignore_index=True) for pair in tables))


def _data(record: Mapping[str, Any]) -> str:
    """Identity of the data of a run from its provenance: the checksum of a table, or the identity of synthetic data."""
    return str(record["data"].get("table_sha256") or record["data"].get("identity", ""))


def read_machines() -> dict[str, References]:
    """The same runs made on other machines, by the name of the machine; empty if there are none.

    Raises:
        DataDamaged: a folder contains no references.
    """
    folder = project_folder() / "results" / "machines"
    return {path.name: References.read(path) for path in sorted(folder.glob("[!.]*")) if path.is_dir()}


def runs_elsewhere(
    references: References, machines: Mapping[str, References]
) -> Iterator[tuple[dict[str, Any], pd.DataFrame, Setting]]:
    """Yield every run on another machine whose setting has references.

    Yields:
        `machine, page, setting, seed` of the run, its `quantities`, and the references of its setting.
    """
    for machine, made in machines.items():
        pages = made.runs.set_index(RUN)["page"]
        for name, tables in made.tables.items():
            if (there := references.of(name)) is not None:
                for seed, own in tables.items():
                    yield {"machine": machine, "page": pages[name, seed], "setting": name, "seed": seed}, own, there


def differences(references: References, machines: Mapping[str, References]) -> pd.DataFrame:
    """Difference of every quantity of every run on another machine from the reference of the same seed.

    Returns:
        Columns `machine, page, setting, seed, kind, place` and `z`, the difference in units of two seeds: z is about 1
        if arithmetic changed a result as much as another seed does.
    """
    parts = [pd.DataFrame(columns=[*ELSEWHERE, "kind", "place", "z"])]
    for names, own, there in runs_elsewhere(references, machines):
        if names["seed"] in there.values:
            parts.append(there.differences(own)[names["seed"]].rename("z").reset_index().assign(**names))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def machine_share(references: References, machines: Mapping[str, References]) -> float | None:
    """The spread between machines over the spread between seeds: the root mean square of all `differences`.

    All runs have the same weight, whatever their number of quantities. The result is None if no machine has a run with
    a seed of the references.
    """
    squares = differences(references, machines).assign(square=lambda table: table["z"] ** 2)
    return None if squares.empty else float(np.sqrt(squares.groupby(ELSEWHERE)["square"].mean().mean()))


def seeds_of(page: Page, seeds: Sequence[int]) -> list[Configuration]:
    """Configurations of the runs of a page with other seeds, which are those of random starts too, if it has any.

    Raises:
        ConfigError: the page trains nothing.
    """
    if page.experiment is None:
        raise ConfigError(f"page {page.name} trains nothing, so it has no references")
    experiment: Callable[..., Sequence[Configuration]] = EXPERIMENTS[page.experiment]
    taken = inspect.signature(experiment).parameters
    lists = {name: list(seeds) for name in ("seeds", "regression_seeds") if name in taken}
    given: dict[str, Any] = {**page.parameters, **lists}
    if "seed" not in taken:
        return list(experiment(**given))
    configs: list[Configuration] = []
    for seed in seeds:  # these runs have several random starts each, which one seed decides
        configs += [config for config in experiment(**{**given, "seed": seed}) if config not in configs]
    return configs


def make(
    pages: Sequence[Page], seeds: Sequence[int], folder: Path, store: Store, published: Store | None = None
) -> list[str]:
    """Add the missing references of pages; runs that no store has are trained first.

    The references are written after every page, so that no finished page is lost.

    Args:
        store: new runs are stored there, and runs that it has are not trained again.
        published: a store in which runs are looked up first; None for runs of this machine only.

    Returns:
        One line for each page whose references could not be made, because its data are not on this machine.
    """
    lacking = []
    with locked(folder.parent / ".locks" / folder.name, "another process that makes references"):
        references = References.read(folder)
        for page in pages:
            wanted = [config for config in seeds_of(page, seeds) if not references.has(config)]
            stores = [one for one in (published, store) if one is not None]
            to_train = [config for config in wanted if _find(config, stores) is None]
            if to_train:
                logger.info("%s: training %d reference runs", page.name, len(to_train))
                try:
                    run(to_train, store=store, device="cpu")
                except DataUnavailable as error:
                    lacking.append(f"{page.name}: {error}")
                    continue
            for config in wanted:
                if not references.has(config) and (result := _find(config, stores)) is not None:
                    references = references.with_run(config, result, page.name)
            if wanted:
                references.write(folder)
    return lacking


def _find(config: Configuration, stores: Sequence[Store]) -> RunResult | None:
    return next((found for store in stores if (found := find(config, store)) is not None), None)


def trained_pages(profile: Profile, names: Sequence[str] = ()) -> list[Page]:
    """The pages of a profile that train networks, or the named pages among them.

    Raises:
        ConfigError: a name is not a page, or a named page trains nothing.
    """
    known = {page.name: page for page in profile.pages}
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"profile {profile.name} has no page {unknown[0]!r}: it has {', '.join(known)}")
    if idle := [name for name in names if known[name].experiment is None]:
        raise ConfigError(f"page {idle[0]} trains nothing, so there is nothing to compare")
    return [page for page in profile.pages if page.experiment is not None and (not names or page.name in names)]
