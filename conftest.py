"""Shared by all tests: nothing is read from or written to the user's own store and data."""

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import nrc_core

torch.set_num_threads(1)  # as many tests as there are cores run at a time


def local_copies() -> Path | None:
    """A folder of local copies of original data files, if NRC_DATA_MIRROR names one."""
    mirror = os.environ.get("NRC_DATA_MIRROR")
    return Path(mirror) if mirror and Path(mirror).is_dir() else None


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data shared by the tests of one session."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has its own store, and data of the session."""
    monkeypatch.setenv("NRC_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("NRC_DATA_DIR", str(data_dir))


@pytest.fixture(autouse=True)
def examples(doctest_namespace: dict, tmp_path: Path) -> None:
    """Names that the examples in docstrings use."""
    torch.manual_seed(0)
    public = {name: getattr(nrc_core, name) for name in nrc_core.__all__}
    doctest_namespace.update(public, math=math, np=np, pd=pd, torch=torch, nn=nn, tmp=tmp_path)
