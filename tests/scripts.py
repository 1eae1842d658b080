"""Modules of the folders that are no packages: what builds the book, and the benchmarks."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent


def script(path: str) -> ModuleType:
    """The module at a path of the project, as `book/ledger.py`, which may import its neighbours."""
    specification = importlib.util.spec_from_file_location(path, ROOT / path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path] = module  # where a dataclass looks for its annotations
    sys.path.insert(0, str((ROOT / path).parent))
    try:
        specification.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module
