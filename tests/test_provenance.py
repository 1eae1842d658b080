"""What is said to have decided a result has to be what did."""

import ast

from nrc_core.provenance import SOURCES
from tests.scripts import ROOT

# They keep, find and describe results; none of them computes one.
OTHERS = {"atomic", "checkpoints", "errors", "locks", "prepared", "progress", "provenance", "records", "store"}


def modules_used(name: str) -> set[str]:
    """Of the core, by a module of it, inside functions too."""
    tree = ast.parse((ROOT / "nrc_core" / f"{name}.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    inside = {(one.module or "").removeprefix("nrc_core.") for one in imports}
    named = {alias.name for one in imports if one.module == "nrc_core" for alias in one.names}
    return {module for module in inside | named if (ROOT / "nrc_core" / f"{module}.py").is_file()}


def test_every_module_that_a_result_is_computed_with_is_in_its_fingerprint():
    found: set[str] = set()
    waiting = {"computing"}
    while waiting:
        found |= waiting
        waiting = set().union(*map(modules_used, waiting)) - found
    assert found - OTHERS == set(SOURCES)
