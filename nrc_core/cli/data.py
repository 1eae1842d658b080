"""`nrc data`: fetch or simulate data sets, and verify them."""

import argparse
import logging
import sys
from pathlib import Path

import data_scripts
from nrc_core.data.prepared import Manifest, data_folder, read_prepared
from nrc_core.errors import DataDamaged, DataUnavailable, NrcError

logger = logging.getLogger(__name__)


def execute(given: argparse.Namespace) -> None:
    """Prepare and verify each data set; if one fails, the remaining data sets are still prepared."""
    folder = data_folder(given.data_dir)
    failed: list[NrcError] = []
    for name in given.names:
        try:
            manifest = _prepared(folder / name, given)
        except NrcError as error:
            failed.append(error)
            if len(given.names) > 1:
                print(f"nrc: {error}", file=sys.stderr)
            continue
        inputs = "images" if manifest.images else f"{len(manifest.inputs)} inputs"
        print(
            f"{name}: {manifest.rows} rows, {inputs}, {len(manifest.targets)} targets, "
            f"{manifest.kind}, SHA-256 {manifest.sha256[:12]}, in {folder / name}"
        )
        for reason, count in manifest.facts.get("skipped", {}).items():
            print(f"{name}: {count} skipped, {reason}")
        if "lap_progress" in manifest.facts:
            print(f"{name}: {manifest.facts['lap_progress']:.1%} of {manifest.facts['episodes']} laps driven")
    if failed:
        raise failed[0] if len(given.names) == 1 else NrcError(f"{len(failed)} of {len(given.names)} data sets failed")


def _prepared(folder: Path, given: argparse.Namespace) -> Manifest:
    """The manifest of the data set of a folder.

    The data set is made first if it is missing or damaged, or if the user asks for it again.
    """
    if not (given.again or given.from_dir):
        try:
            return read_prepared(folder)[1]
        except DataUnavailable:
            pass
        except DataDamaged as error:
            logger.warning("%s", error)
    data_scripts.prepare(folder.name, folder.parent, from_dir=given.from_dir)
    return read_prepared(folder)[1]
