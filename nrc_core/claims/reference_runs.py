"""Making reference runs: the runs of pages with other seeds, taken from stores or trained."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from nrc_core.claims.references import References
from nrc_core.config.base import Configuration
from nrc_core.errors import ConfigError, DataUnavailable
from nrc_core.results.obtaining import find
from nrc_core.results.runs import run
from nrc_core.results.store import RunResult, Store
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.workflow.profiles import Page, Profile

logger = logging.getLogger(__name__)


def seeds_of(page: Page, seeds: Sequence[int]) -> list[Configuration]:
    """The runs of a page with other seeds.

    Raises:
        ConfigError: a page that trains nothing.
    """
    if page.experiment is None:
        raise ConfigError(f"page {page.name} trains nothing, so it has no references")
    experiment: Callable[..., Sequence[Configuration]] = EXPERIMENTS[page.experiment]
    given: dict[str, Any] = {**page.parameters, "seeds": list(seeds)}
    if "regression_seeds" in inspect.signature(experiment).parameters:
        given["regression_seeds"] = list(seeds)
    return list(experiment(**given))


def make(
    pages: Sequence[Page], seeds: Sequence[int], folder: Path, store: Store, published: Store | None = None
) -> list[str]:
    """Add the references of pages that are missing, of a store or else trained into it.

    They are written after every page, so that what was computed is never lost.

    Args:
        published: a store whose runs are taken where it has them; None for runs of this machine only.

    Returns:
        What could not be made, a line each: pages whose data are not on this machine.
    """
    lacking = []
    locks = folder.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / folder.name):
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
    """The pages of a profile that train something, or those of them that are named.

    Raises:
        ConfigError: a name that is no page, or a page that trains nothing.
    """
    known = {page.name: page for page in profile.pages}
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"profile {profile.name} has no page {unknown[0]!r}: it has {', '.join(known)}")
    if idle := [name for name in names if known[name].experiment is None]:
        raise ConfigError(f"page {idle[0]} trains nothing, so there is nothing to compare")
    return [page for page in profile.pages if page.experiment is not None and (not names or page.name in names)]
