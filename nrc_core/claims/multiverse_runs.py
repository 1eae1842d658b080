"""Make the table of the multiverse: take its networks from stores, and train those that no store has."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nrc_core.claims.multiverse import combinations, datasets
from nrc_core.claims.multiverse_table import Networks
from nrc_core.config.regression import RunConfig
from nrc_core.errors import TrainingDiverged
from nrc_core.files import locked
from nrc_core.results.obtaining import find
from nrc_core.results.runs import run, stored
from nrc_core.results.store import Store

logger = logging.getLogger(__name__)


def planned() -> list[RunConfig]:
    """All networks of the multiverse: by data set those with the weight decay of the recipe, then the sweeps."""
    each = [one for name in datasets() for one in combinations(name)]
    single = [one.network for one in each]
    return [*single, *(config for one in each for config in one.networks.values() if config not in single)]


def make(
    folder: Path,
    store: Store,
    published: Sequence[Store],
    shares: Callable[[Networks], Any],
    *,
    most: int | None = None,
) -> tuple[int, int]:
    """Add the networks that the table lacks; those that no store has are trained, one after the other.

    Each network is in the store as soon as it is trained, so an interrupted command goes on where it was. The table and
    the shares of the claims are written at the end, and also if the training is interrupted.

    Args:
        folder: of the table.
        store: where new runs are kept; it can be removed when the table is complete.
        published: stores that are looked at first.
        shares: function that computes the shares of the claims from the networks.
        most: train at most so many networks; all unless given.

    Returns:
        How many networks the table has, and how many are planned.
    """
    wanted = planned()
    with locked(folder.parent / ".locks" / folder.name, "another process that makes the multiverse"):
        networks = Networks.read(folder)
        lacking = [config for config in wanted if networks.key(config) is None]
        left = len(lacking) if most is None else most
        try:
            for config in lacking:
                there = next((one for one in (*published, store) if find(config, one, tables=()) is not None), None)
                if there is None and left > 0:
                    left, there = left - 1, store
                    _train(config, store)
                networks = networks if there is None else added(networks, config, there)
        finally:
            networks.write(folder, shares(networks))
    return sum(networks.key(config) is not None for config in wanted), len(wanted)


def added(networks: Networks, config: RunConfig, store: Store) -> Networks:
    """The networks with that of a configuration, if the store has it; a network that diverged has no quantities."""
    found = find(config, store, tables=())
    if found is None:
        return networks
    results, _ = stored([config], store=store, tables=("measurements", "spectra"))
    return networks.with_run(config, found.key, found.provenance, results)


def _train(config: RunConfig, store: Store) -> None:
    """Train a network; if it diverges, the store keeps this as its result."""
    try:
        run([config], store=store, device="cpu")
    except TrainingDiverged as error:
        logger.warning("%s", error)
