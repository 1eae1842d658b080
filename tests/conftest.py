"""The book at toy size, built once for all tests of it, whichever process runs them, and a browser to read it in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, sync_playwright

from tests.chromium import CHROMIUM
from tests.fakes import prepare_images
from tests.fakes_images import prepare_classes
from tests.toy_book import TOY, snakemake


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all processes of a run of the tests share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "toy book"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def environment(shared: Path) -> dict[str, str]:
    """Own data and store; SGEMM and CARLA are deliberately not there, CarRacing is noise."""
    return {"NRC_DATA_DIR": str(shared / "data"), "NRC_STORE": str(shared / "store"), "NRC_DATA_MIRROR": ""}


@pytest.fixture(scope="session")
def build(shared: Path, environment: dict[str, str]) -> Path:
    """The folder that it is built in."""
    folder = shared / "build"
    with FileLock(shared / "lock"):
        if not folder.exists():
            prepare_images(shared / "data")
            prepare_classes(shared / "data", per_class=24, test_per_class=10)
            command = [sys.executable, "-m", "nrc_core.cli", "data", "swimmer", "reacher", "hopper"]
            subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)
            result = snakemake(folder, TOY, environment=environment)
            if result.returncode:
                folder.rename(shared / "failed")
            assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return folder


@pytest.fixture(scope="session")
def site(build: Path) -> Path:
    """Its pages."""
    return build / "_build" / "html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
