"""SGEMM GPU kernel performance (UCI 440): 14 kernel parameters -> 4 run times of the same product."""

import zipfile
from pathlib import Path

import pandas as pd

from data_scripts.download import obtain
from nrc_core.data.prepared import Manifest, write_prepared
from nrc_core.errors import DataDamaged

URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/00440/sgemm_product_dataset.zip"
CHECKSUM = "8d3ee0d82708df11b54debc6a4fbade77c604a047f019fa7940413032eb7b096"
MEMBER, MEMBER_BYTES = "sgemm_product.csv", 20_000_000  # the largest unpacked size of this member
ROWS, INPUTS, TARGETS = 241_600, 14, 4


def prepare(name: str, data_dir: Path, from_dir: Path | None) -> Manifest:
    """Make `data_dir/name` from the UCI archive; only the table in the archive is read.

    Raises:
        DataUnavailable: the archive is not in `from_dir`, or cannot be downloaded.
        DataDamaged: the archive is not the original, or its table has another shape or empty values.
    """
    archive = obtain(URL, CHECKSUM, data_dir / "downloads", from_dir)
    table = read_archive(archive)
    if table.shape != (ROWS, INPUTS + TARGETS) or table.isna().any(axis=None):
        raise DataDamaged(f"{archive} holds a table of shape {table.shape}, expected {(ROWS, INPUTS + TARGETS)}")
    columns = list(table.columns)
    manifest = Manifest(
        name=name,
        kind="real",
        source="UCI Machine Learning Repository 440, SGEMM GPU kernel performance (Nugteren and Codreanu, 2015)",
        licence="CC BY 4.0",
        identity=CHECKSUM,
        inputs=columns[:INPUTS],
        targets=columns[INPUTS:],
        rows=ROWS,
        facts={"url": URL},
    )
    return write_prepared(data_dir / name, table, manifest)


def read_archive(archive: Path) -> pd.DataFrame:
    """The table in the archive. Nothing is unpacked to disk."""
    try:
        with zipfile.ZipFile(archive) as files:
            if files.getinfo(MEMBER).file_size > MEMBER_BYTES:
                raise DataDamaged(f"{MEMBER} in {archive} unpacks to more than {MEMBER_BYTES} bytes: not the original")
            with files.open(MEMBER) as member:
                return pd.read_csv(member)
    except DataDamaged:
        raise
    except Exception as error:  # a parser may raise any error on bytes that it does not expect
        raise DataDamaged(f"{archive} is not the original archive ({error}): get it from {URL}") from None
