"""Fixtures: the book at toy size, built once for all its tests, a browser, and arithmetic in double precision."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from playwright.sync_api import Browser, sync_playwright

from nrc_core.config.base import Configuration
from nrc_core.data.dataset import Dataset
from nrc_core.results.results import Results
from nrc_core.results.runs import run
from nrc_core.results.store import Store
from tests.chromium import CHROMIUM
from tests.fakes import prepare_images
from tests.fakes_images import prepare_classes
from tests.toy_book import TOY, snakemake

BUILDS_THE_BOOK = "test_book.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files: the file that builds the book is first; files that read the book come after a third of the rest.

    Building the book takes minutes. With several processes, one process builds it and the rest need not wait for it.
    """
    files = dict.fromkeys(item.path for item in items)
    reading = dict.fromkeys(item.path for item in items if "build" in getattr(item, "fixturenames", ()))
    builder = [path for path in reading if path.name == BUILDS_THE_BOOK]
    readers = [path for path in reading if path not in builder]
    others = [path for path in files if path not in reading]
    third = len(others) // 3
    ordered = [*builder, *others[:third], *readers, *others[third:]]
    place = {path: number for number, path in enumerate(ordered)}
    items.sort(key=lambda item: place[item.path])


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all processes of one test run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "toy book"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def environment(shared: Path) -> dict[str, str]:
    """Environment with its own data and store; SGEMM and CARLA are missing on purpose, CarRacing is noise."""
    return {"NRC_DATA_DIR": str(shared / "data"), "NRC_STORE": str(shared / "store"), "NRC_DATA_MIRROR": ""}


@pytest.fixture(scope="session")
def build(shared: Path, environment: dict[str, str]) -> Path:
    """The folder in which the book is built."""
    folder = shared / "build"
    with FileLock(shared / "lock"):
        if not folder.exists():
            prepare_images(shared / "data")
            prepare_classes(shared / "data", per_class=24, test_per_class=10)
            names = [str(number) for number in range(39)]
            prepare_classes(shared / "data", "digits_and_clothes", classes=names, size=(14, 14))
            command = [sys.executable, "-m", "nrc_core.cli", "data", "swimmer", "reacher", "hopper"]
            subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)
            result = snakemake(folder, TOY, environment=environment)
            if result.returncode:
                folder.rename(shared / "failed")
            assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return folder


@pytest.fixture(scope="session")
def site(build: Path) -> Path:
    """The pages of the book."""
    return build / "_build" / "html"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of one module's tests."""
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def trained(folder: Path, configs: list[Configuration], store: Store) -> Results:
    """The results of the module's fixture `configs`, on the data sets in its fixture `folder`."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("NRC_DATA_DIR", str(folder))
        return run(configs, store=store)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def double() -> Iterator[Callable[[Dataset], Dataset]]:
    """Make new networks in double precision; the value of the fixture is a function that converts a data set.

    This is for tests that compute the same network in two ways. In single precision the two networks drift apart, more
    on some processors: a sample on the other side of a ReLU changes a gradient much more than rounding does.
    """

    def doubled(data: Dataset) -> Dataset:
        tensors = {name: getattr(data, name) for name in ("x_train", "y_train", "x_test", "y_test")}
        return replace(data, **{name: one.double() for name, one in tensors.items() if one.is_floating_point()})

    torch.set_default_dtype(torch.float64)
    yield doubled
    torch.set_default_dtype(torch.float32)
