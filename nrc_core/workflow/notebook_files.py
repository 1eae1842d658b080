"""The notebooks of the project: their paths and names, questions and findings. Executes nothing."""

import json
import re
from pathlib import Path
from typing import Any

from nrc_core.errors import ConfigError, suggestion
from nrc_core.files import project_folder

# The block that begins with the word "Question", and the list after it.
QUESTION = re.compile(r"^\*\*Question\.\*\*(.*?)(?:\n(\n\* .*?))?(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
FINDINGS = ("The verdict", "What we found")  # headings above the findings of a notebook


def folder() -> Path:
    """Folder of the project's notebooks."""
    return project_folder() / "notebooks"


def all_notebooks() -> dict[str, Path]:
    """The project's notebooks by name; empty outside a checkout."""
    return {path.stem: path for path in sorted(folder().glob("*.ipynb"))}


def find_notebook(given: str) -> Path:
    """Find a notebook by its path, or one of the project's notebooks by its name.

    Raises:
        ConfigError: there is no such notebook; the message suggests a similar name.
    """
    path = Path(given)
    if path.is_file():
        return path
    known = all_notebooks()
    name = path.stem if path.suffix == ".ipynb" else path.name
    if name in known and (path.parent == Path() or path.parent.name == "notebooks"):
        return known[name]
    if not known:
        raise ConfigError(f"no notebook at {given}: check the path (the project's own are in its checkout, not here)")
    raise ConfigError(f"no notebook at {given}: {suggestion(name, list(known), 'there is')}")


def opening(path: Path) -> tuple[str, str]:
    """Title and question of a notebook, from its first cell; empty if there is none.

    Raises:
        ConfigError: the file is not a notebook.
    """
    try:
        content = json.loads(path.read_text())
        text = "".join(content["cells"][0]["source"]) if content["cells"] else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError(f"{path} is not a notebook: check the path") from None
    title, question = re.search(r"^# (.*)", text, re.MULTILINE), QUESTION.search(text)
    return title[1].strip() if title else "", "".join(question.groups("")).strip() if question else ""


def findings(cells: list[dict[str, Any]]) -> list[str]:
    """Lines of output that an executed notebook has under its heading of `FINDINGS`, without Markdown's emphasis."""
    heading, lines = "", []
    for cell in cells:
        if cell["cell_type"] == "markdown":
            for line in cell["source"].splitlines():
                heading = line.lstrip("# ").strip() if line.startswith("#") else heading
        elif heading in FINDINGS:
            for output in cell.get("outputs", []):
                text = output.get("data", {}).get("text/markdown", "")
                lines += [line.replace("**", "") for line in text.splitlines() if line.strip()]
    return lines
