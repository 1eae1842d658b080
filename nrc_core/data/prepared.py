"""Prepared data sets on disk: a folder with one Parquet table and one manifest, which are checked when read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nrc_core.errors import DataDamaged, DataUnavailable
from nrc_core.files import atomic_folder, project_folder, sha256

if TYPE_CHECKING:
    import pandas

TABLE, MANIFEST = "table.parquet", "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a prepared data set is.

    Content keys contain `identity`. For real data it is the checksum of the original file. For simulated data it is
    the fingerprint of the recipe (environment, policy, seeds, versions), because their last bits may differ between
    processors. `sha256` is the checksum of the table itself, to detect damage. With `images` the only input column
    holds encoded pictures (JPEG or PNG bytes) instead of numbers. `facts` may hold `skipped`: for each reason, how many
    originals were left out.
    """

    name: str
    kind: str
    source: str
    licence: str
    identity: str
    inputs: list[str]
    targets: list[str]
    rows: int
    groups: str | None = None
    images: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""

    @property
    def provenance(self) -> dict[str, Any]:
        """What a run writes down about these data."""
        named = {name: getattr(self, name) for name in ("kind", "source", "licence", "identity")}
        return {**named, "table_sha256": self.sha256}


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where prepared data sets live: the argument, else NRC_DATA_DIR, else `data/` of the project."""
    return Path(data_dir or os.environ.get("NRC_DATA_DIR") or project_folder() / "data")


def write_prepared(folder: Path, table: pandas.DataFrame, manifest: Manifest) -> Manifest:
    """Write table and manifest in one step and return the manifest with the table's checksum."""
    with atomic_folder(folder) as partial:
        table.to_parquet(partial / TABLE, index=False)
        complete = Manifest(**{**asdict(manifest), "sha256": sha256(partial / TABLE)})
        (partial / MANIFEST).write_text(json.dumps(asdict(complete), indent=2) + "\n")
    return complete


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a prepared data set.

    Raises:
        DataUnavailable: there is no manifest.
        DataDamaged: the manifest cannot be read.
    """
    name = folder.name
    try:
        return Manifest(**json.loads((folder / MANIFEST).read_text()))
    except FileNotFoundError:
        # Pages show this message, so it names no path of a machine.
        raise DataUnavailable(f"data set {name!r} is not prepared on this machine: run `nrc data {name}`") from None
    except (ValueError, TypeError) as error:
        raise DataDamaged(
            f"{folder / MANIFEST} cannot be read ({error}): remove it and run `nrc data {name}`"
        ) from None


def read_prepared(folder: Path) -> tuple[pandas.DataFrame, Manifest]:
    """The table and manifest of a prepared data set; checksum and number of rows are checked.

    Raises:
        DataUnavailable: the data set is not there.
        DataDamaged: the table is missing, or is not the table that the manifest describes.
    """
    manifest = read_manifest(folder)
    path = folder / TABLE
    remedy = f"run `nrc data {manifest.name}` to make it again"
    if not path.is_file():
        raise DataDamaged(f"{path} is missing: {remedy}")
    if (found := sha256(path)) != manifest.sha256:
        raise DataDamaged(f"{path} has checksum {found[:12]}, its manifest says {manifest.sha256[:12]}: {remedy}")
    import pandas  # takes a second, which reading a manifest alone does not need

    table = pandas.read_parquet(path)
    if len(table) != manifest.rows:
        raise DataDamaged(f"{path} has {len(table)} rows, its manifest says {manifest.rows}: {remedy}")
    return table, manifest
