"""`nrc data`: fetch or simulate data sets and verify them."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from nrc_core.cli.arguments import completing
from nrc_core.errors import NrcError

HELP = "fetch or simulate data sets and verify them"
logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    completing(parser.add_argument("names", nargs="+", metavar="NAME"), _names)
    parser.add_argument("--from-dir", type=Path, help="folder with local copies of the original files")
    parser.add_argument("--data-dir", type=Path, help="where prepared data go (default: NRC_DATA_DIR, or data)")
    parser.add_argument("--again", action="store_true", help="make them again even if they are there and whole")


def execute(given: argparse.Namespace) -> None:
    """Prepare and verify each data set; of several, one that fails does not keep the others."""
    from data_scripts import prepare
    from nrc_core.data.prepared import data_folder, read_prepared

    folder = data_folder(given.data_dir)
    failed: list[NrcError] = []
    for name in given.names:
        try:
            if given.again or given.from_dir or not _is_whole(folder / name):
                prepare(name, folder, from_dir=given.from_dir)
            table, manifest = read_prepared(folder / name)
        except NrcError as error:
            failed.append(error)
            if len(given.names) > 1:
                print(f"nrc: {error}", file=sys.stderr)
            continue
        inputs = "images" if manifest.images else f"{len(manifest.inputs)} inputs"
        print(
            f"{name}: {len(table)} rows, {inputs}, {len(manifest.targets)} targets, "
            f"{manifest.kind}, SHA-256 {manifest.sha256[:12]}, in {folder / name}"
        )
        for reason, count in manifest.facts.get("skipped", {}).items():
            print(f"{name}: {count} skipped, {reason}")
        if "lap_progress" in manifest.facts:
            print(f"{name}: {manifest.facts['lap_progress']:.1%} of {manifest.facts['episodes']} laps driven")
    if failed:
        raise failed[0] if len(given.names) == 1 else NrcError(f"{len(failed)} of {len(given.names)} data sets failed")


def _is_whole(folder: Path) -> bool:
    from nrc_core.data.prepared import read_prepared
    from nrc_core.errors import DataDamaged, DataUnavailable

    try:
        read_prepared(folder)
    except DataUnavailable:
        return False
    except DataDamaged as error:
        logger.warning("%s", error)
        return False
    return True


def _names() -> list[str]:
    from nrc_core.data.catalogue import BUILT_IN

    return [name for name in BUILT_IN if name != "synthetic"]
