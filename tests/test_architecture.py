"""The rooms of the core: who may import whom, and how deep a reader must go."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import grimp
import pytest

from tests.scripts import ROOT

MOST_ENTRIES = 14
LONGEST_CHAIN = 11


@pytest.fixture(scope="module")
def core() -> grimp.ImportGraph:
    return grimp.build_graph("nrc_core", exclude_type_checking_imports=True, cache_dir=None)


def longest_chain(graph: grimp.ImportGraph) -> list[str]:
    @cache
    def below(module: str) -> tuple[str, ...]:
        chains = [below(one) for one in sorted(graph.find_modules_directly_imported_by(module))]
        return (module, *max(chains, key=len, default=()))

    return list(max(map(below, sorted(graph.modules)), key=len))


def test_every_room_imports_from_those_below_it_only():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout


def test_the_core_has_few_entries():
    entries = [path.name for path in (ROOT / "nrc_core").iterdir() if path.suffix != ".pyi"]
    entries = [name for name in entries if name not in ("py.typed", "__pycache__")]
    print(f"{len(entries)} entries")
    assert len(entries) <= MOST_ENTRIES


def test_no_chain_of_imports_is_long(core):
    """Imports within functions count, those for type checkers only do not."""
    chain = longest_chain(core)
    print(f"{len(chain) - 1} imports: {' > '.join(chain)}")
    assert len(chain) - 1 <= LONGEST_CHAIN


def test_a_longer_chain_would_be_seen():
    graph = grimp.ImportGraph()
    for first, second in (("a", "b"), ("b", "c"), ("a", "c"), ("d", "a")):
        graph.add_import(importer=first, imported=second)
    assert longest_chain(graph) == ["d", "a", "b", "c"]
