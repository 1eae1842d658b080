"""The packages of the core: which may import which, and how long chains of imports are."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import grimp
import pytest

import nrc_core

ROOT = Path(__file__).parent.parent

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


def test_no_section_imports_another_and_nothing_shared_knows_one(core):
    folders = [path.parent.name for path in (ROOT / "nrc_core" / "sections").glob("*/__init__.py")]
    assert len(folders) >= 14
    inside = {
        module: name
        for name in folders
        for module in core.find_descendants(f"nrc_core.sections.{name}") | {f"nrc_core.sections.{name}"}
    }
    room = core.find_descendants("nrc_core.sections")
    wrong = [
        (module, one)
        for module in room
        for one in core.find_modules_directly_imported_by(module)
        if one in inside and inside[one] != inside.get(module)
    ]
    assert wrong == []


def test_the_core_has_few_entries():
    entries = [path.name for path in (ROOT / "nrc_core").iterdir() if path.suffix != ".pyi"]
    entries = [name for name in entries if name not in ("py.typed", "__pycache__")]
    print(f"{len(entries)} entries")
    assert len(entries) <= MOST_ENTRIES


def test_no_chain_of_imports_is_long(core):
    """Imports within functions count; imports for type checkers only do not count."""
    chain = longest_chain(core)
    print(f"{len(chain) - 1} imports: {' > '.join(chain)}")
    assert len(chain) - 1 <= LONGEST_CHAIN


def test_a_longer_chain_would_be_seen():
    graph = grimp.ImportGraph()
    for first, second in (("a", "b"), ("b", "c"), ("a", "c"), ("d", "a")):
        graph.add_import(importer=first, imported=second)
    assert longest_chain(graph) == ["d", "a", "b", "c"]


def test_every_public_name_is_there():
    assert [name for name in nrc_core.__all__ if not hasattr(nrc_core, name)] == []
    with pytest.raises(AttributeError, match="attribute nrc5"):
        nrc_core.nrc5  # noqa: B018
