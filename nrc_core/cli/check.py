"""`nrc check`: check whether the runs of a store agree with the reference runs."""

import argparse
import json
from dataclasses import asdict

from nrc_core.claims.agreement import LIMIT
from nrc_core.claims.rechecks import DIFFERS, check_page, summary
from nrc_core.claims.references import References, trained_pages
from nrc_core.cli.given import profile_of, store_of
from nrc_core.errors import NrcError


def execute(given: argparse.Namespace) -> None:
    """Compare every page with its references; raise an error if a page differs."""
    profile = profile_of(given, "quick")
    pages = trained_pages(profile, given.pages)
    store, references = store_of(given, profile), References.read(given.references)
    checked = [check_page(page, store, references) for page in pages]
    if given.json:
        outcomes = [asdict(one) for one in checked]
        print(json.dumps({"profile": profile.name, "limit": LIMIT, "pages": outcomes}, indent=1))
    else:
        print(summary(checked))
    if differing := [one.page for one in checked if one.outcome == DIFFERS]:
        raise NrcError(
            f"{len(differing)} of {len(checked)} pages differ from their references ({', '.join(differing)}): see what "
            "changed the numbers, and mend it, or make new references with `nrc references`"
        )
