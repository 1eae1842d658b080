"""`nrc check`: do the runs of a store agree with the reference runs?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from nrc_core.cli.arguments import add_store, profile_of, store_folder
from nrc_core.errors import NrcError

HELP = "do the runs of a store agree with the reference runs? Trains nothing"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="pages of the profile (default: all)")
    parser.add_argument("--profile", type=Path, help="whose pages were run (default: quick)")
    add_store(parser, "NRC_STORE, or the profile's")
    parser.add_argument("--references", type=Path, help="folder of the references (default: results/references)")
    parser.add_argument("--json", action="store_true", help="everything behind the outcomes, as JSON")


def execute(given: argparse.Namespace) -> None:
    """Compare every page; fails if one differs."""
    from nrc_core.claims.agreement import LIMIT
    from nrc_core.claims.rechecks import DIFFERS, check, summary
    from nrc_core.claims.reference_runs import trained_pages
    from nrc_core.claims.references import References
    from nrc_core.results.store import Store

    profile = profile_of(given, "quick")
    store = Store(store_folder(given, profile.store))
    checked = check(trained_pages(profile, given.pages), store, References.read(given.references))
    if given.json:
        pages = [one.as_dict() for one in checked]
        print(json.dumps({"profile": profile.name, "limit": LIMIT, "pages": pages}, indent=1))
    else:
        print(summary(checked))
    if differing := [one.page for one in checked if one.outcome == DIFFERS]:
        raise NrcError(
            f"{len(differing)} of {len(checked)} pages differ from their references ({', '.join(differing)}): see what "
            "changed the numbers, and mend it, or make new references with `nrc references`"
        )
