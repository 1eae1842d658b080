"""`nrc multiverse`: fill the table of the multiverse, from which its page and the shares in the ledger are made."""

import argparse

from nrc_core.claims.multiverse_curves import all_shares
from nrc_core.claims.multiverse_runs import make
from nrc_core.claims.multiverse_table import default_folder
from nrc_core.files import project_folder
from nrc_core.results.store import Store
from nrc_core.training.progress import heartbeat


def execute(given: argparse.Namespace) -> None:
    """Train the missing networks one after the other, and write the table and the shares."""
    project = project_folder()
    store = Store(given.store or project / "build" / "multiverse")
    with heartbeat("nrc multiverse"):
        there, planned = make(default_folder(), store, [Store(project / "results")], all_shares, most=given.most)
    print(f"{there} of {planned} networks of the multiverse are in {default_folder()}")
