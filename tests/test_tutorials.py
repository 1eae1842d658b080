"""The tutorials of the book: the blocks of code run in the order of the page and give the output on the page."""

import ast
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nrc_core.cli.main import main

ROOT = Path(__file__).parent.parent
PAGES = ("own_data", "own_network")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of every block of a page."""
    return BLOCK.findall((ROOT / "book" / f"{page}.md").read_text())


def value(code: str, names: dict[str, Any]) -> Any:
    """Run a block and return the value of its last line, if the line is an expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "block", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "block", "eval"), names)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs_to_the_output_that_is_shown(page, tmp_path, monkeypatch):
    monkeypatch.setenv("NRC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("NRC_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # a page adds a folder
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    torch.manual_seed(0)
    names: dict[str, Any] = {"__name__": "tutorial"}
    shown = None
    for language, text in blocks(page):
        if language == "python":
            shown = value(text, names)
        elif language == "text":
            assert str(shown) == text.rstrip("\n")
        else:
            for line in text.splitlines():
                command = shlex.split(line)
                assert command[0] == "nrc"
                own_place = ["--output", str(tmp_path / "page.ipynb")] if command[1] == "run" else []
                assert main(command[1:] + own_place) == 0, line


@pytest.mark.parametrize("page", PAGES)
def test_there_is_nothing_but_blocks_that_are_run(page):
    languages = [language for language, _ in blocks(page)]
    assert set(languages) <= {"python", "text", "sh"}
    assert languages.count("python") >= 5
    assert len(languages) * 2 == (ROOT / "book" / f"{page}.md").read_text().count("```")
