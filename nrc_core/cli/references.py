"""`nrc references`: make the missing reference runs of pages."""

import argparse

from nrc_core.claims.references import default_folder, make, trained_pages
from nrc_core.cli.given import profile_of
from nrc_core.files import project_folder
from nrc_core.results.store import Store
from nrc_core.training.progress import heartbeat


def execute(given: argparse.Namespace) -> None:
    """Train the missing reference runs, page by page."""
    machine, project = given.machine, project_folder()
    pages = trained_pages(profile_of(given, "quick"), given.pages)
    published = Store(project / "results") if machine is None else None
    store = Store(given.store or project / "build" / (f"machine_{machine}" if machine else "references"))
    with heartbeat("nrc references"):
        lacking = make(pages, range(given.seeds), given.references or default_folder(machine), store, published)
    for line in lacking:
        print(line)
    print(f"references of {len(pages) - len(lacking)} of {len(pages)} pages are there")
