"""The recorded list of files that affect a result must be correct."""

import ast
from pathlib import Path

from nrc_core.training.checkpoints import SOURCES

ROOT = Path(__file__).parent.parent

# These modules store, find and describe results; none of them computes a result.
OTHERS = {"errors.py", "files.py", "results"}
CORE = ROOT / "nrc_core"


def modules_used(path: Path) -> set[Path]:
    """Modules of the core that a module uses, also inside functions."""
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    names = {one.module for one in imports} | {f"{one.module}.{name.name}" for one in imports for name in one.names}
    files = {ROOT / f"{str(name).replace('.', '/')}.py" for name in names if str(name).startswith("nrc_core.")}
    return {file for file in files if file.is_file()}


def test_every_module_that_a_result_is_computed_with_is_in_its_fingerprint():
    found: set[Path] = set()
    waiting = {CORE / "training" / "computing.py"}
    while waiting:
        found |= waiting
        waiting = set().union(*map(modules_used, waiting)) - found
    assert {path.relative_to(CORE).parts[0] for path in found} - OTHERS == set(SOURCES)
