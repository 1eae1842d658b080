"""Prepared data that are damaged on disk."""

from pathlib import Path

import pytest

from nrc_core.cli.main import main


def check_made_again(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Check that the command that made a data set reports its damaged table and makes the same bytes again."""
    table = folder / "table.parquet"
    whole = table.read_bytes()
    table.write_bytes(whole[:-1])
    assert main(["data", folder.name, "--data-dir", str(folder.parent)]) == 0
    assert table.read_bytes() == whole
    assert "its manifest says" in caplog.text
