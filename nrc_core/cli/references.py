"""`nrc references`: make the reference runs of pages that are missing."""

from __future__ import annotations

import argparse
from pathlib import Path

from nrc_core.cli.arguments import profile_of
from nrc_core.errors import ConfigError

HELP = "make the reference runs of pages that are missing"
MOST_SEEDS = 100  # more would take days


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="pages of the profile (default: all)")
    parser.add_argument("--profile", type=Path, help="whose pages (default: quick)")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... of each page (default: 5)")
    parser.add_argument("--store", type=Path, help="where runs are kept (default: build/references)")
    parser.add_argument("--references", type=Path, help="folder of the references (default: results/references)")
    parser.add_argument("--machine", metavar="NAME", help="train here whatever is published, for results/machines/NAME")


def execute(given: argparse.Namespace) -> None:
    """Train what is missing, page by page."""
    if not 1 <= given.seeds <= MOST_SEEDS:
        raise ConfigError(f"--seeds must be from 1 to {MOST_SEEDS}: got {given.seeds}")
    if given.machine is not None and not given.machine.isidentifier():
        raise ConfigError(f"--machine must be a word of letters, digits and _: got {given.machine!r}")
    from nrc_core.claims.reference_runs import make, trained_pages
    from nrc_core.claims.references import default_folder
    from nrc_core.files import project_folder
    from nrc_core.results.store import Store
    from nrc_core.workflow.heartbeat import heartbeat

    project = project_folder()
    pages = trained_pages(profile_of(given, "quick"), given.pages)
    published = Store(project / "results") if given.machine is None else None
    store = Store(given.store or project / "build" / (f"machine_{given.machine}" if given.machine else "references"))
    folder = given.references or default_folder(given.machine)
    with heartbeat("nrc references"):
        lacking = make(pages, range(given.seeds), folder, store, published)
    for line in lacking:
        print(line)
    print(f"references of {len(pages) - len(lacking)} of {len(pages)} pages are there")
