"""`nrc references`: make the reference runs of pages that are missing."""

from __future__ import annotations

import argparse

from nrc_core.claims.references import default_folder, make, trained_pages
from nrc_core.cli.given import profile_of
from nrc_core.errors import ConfigError
from nrc_core.files import project_folder
from nrc_core.results.store import Store
from nrc_core.workflow.heartbeat import heartbeat

MOST_SEEDS = 100  # more would take days


def execute(given: argparse.Namespace) -> None:
    """Train what is missing, page by page."""
    machine, project = given.machine, project_folder()
    if not 1 <= given.seeds <= MOST_SEEDS:
        raise ConfigError(f"--seeds must be from 1 to {MOST_SEEDS}: got {given.seeds}")
    if machine is not None and not machine.isidentifier():
        raise ConfigError(f"--machine must be a word of letters, digits and _: got {machine!r}")
    pages = trained_pages(profile_of(given, "quick"), given.pages)
    published = Store(project / "results") if machine is None else None
    store = Store(given.store or project / "build" / (f"machine_{machine}" if machine else "references"))
    with heartbeat("nrc references"):
        lacking = make(pages, range(given.seeds), given.references or default_folder(machine), store, published)
    for line in lacking:
        print(line)
    print(f"references of {len(pages) - len(lacking)} of {len(pages)} pages are there")
