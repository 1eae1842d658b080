"""The pages on speed and faults as Markdown: a section for each file that was written, whatever its tables hold."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nrc_core.errors import DataDamaged
from nrc_core.results.phrases import counted

Value = str | int | float | bool | None
NOTHING = "*Nothing has been run: there is no file of it.*\n"


def page(folder: Path) -> str:
    """A section for each JSON file of a folder, in order of their names; a sentence if there is none.

    Raises:
        DataDamaged: a file that is not what `benchmarks/timing.py` writes.

    Example:
        >>> page(Path("no such folder"))
        '*Nothing has been run: there is no file of it.*\\n'
    """
    return "\n".join(section(read(path)) for path in sorted(folder.glob("*.json"))) or NOTHING


def read(path: Path) -> dict[str, Any]:
    """What a benchmark wrote, checked as far as a section needs it.

    Raises:
        DataDamaged: no JSON, or something that a section needs is not there or of another kind.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        wrong = _wrong(found)
    except ValueError as error:  # neither JSON nor text
        wrong = str(error)
    if wrong:
        raise DataDamaged(f"{path} is not what a benchmark writes ({wrong}): run the benchmark again, or delete it")
    return found


def _wrong(found: Any) -> str:
    """Why no section can be made of this; empty if one can."""
    kinds = {"title": str, "machine": dict, "date": str, "commit": str | None, "tables": list}
    if not isinstance(found, dict):
        return "not a dictionary"
    if lacking := [name for name, kind in kinds.items() if not isinstance(found.get(name, ...), kind)]:
        return f"lacks {', '.join(lacking)}"
    if lacking := [name for name in ("device", "threads", "torch", "python") if name not in found["machine"]]:
        return f"its machine lacks {', '.join(lacking)}"
    for number, table in enumerate(found["tables"], start=1):
        if not isinstance(table, dict) or not isinstance(table.get("caption"), str) or not table.get("rows"):
            return f"table {number} lacks its caption or rows"
        rows = table["rows"]
        if not isinstance(rows, list) or not all(isinstance(row, dict) and row for row in rows):
            return f"the rows of table {number} are not dictionaries"
        if not all(isinstance(value, Value) for row in rows for value in row.values()):
            return f"the rows of table {number} are not flat"
    return ""


def section(found: Mapping[str, Any]) -> str:
    """Title, what it was run on and when, then every table under its caption."""
    machine = found["machine"]
    threads = counted(machine["threads"], "thread")
    commit = "outside a checkout" if found["commit"] is None else f"commit `{found['commit'].removesuffix('+')}`"
    changed = ", files changed since" if (found["commit"] or "").endswith("+") else ""
    made = (
        f"*{machine['device']}, {threads}, torch {machine['torch']}, Python {machine['python']}; "
        f"{found['date'][:10]}, {commit}{changed}.*"
    )
    tables = [f"{table['caption']}\n\n{markdown(table['rows'])}" for table in found["tables"]]
    return "\n\n".join([f"## {found['title']}", made, *tables]) + "\n"


def markdown(rows: Sequence[Mapping[str, Value]]) -> str:
    """A table with the columns that any row has, in order of appearance; numbers stand on the right.

    Example:
        >>> print(markdown([{"rows": 8000, "time, s": 0.01234}]))
        | rows | time, s |
        |---:|---:|
        | 8,000 | 0.0123 |
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    words = {name for row in rows for name, value in row.items() if isinstance(value, str)}
    lines = [[_safe(name) for name in columns], *([cell(row.get(name)) for name in columns] for row in rows)]
    head, *body = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([head, f"|{'|'.join('---' if name in words else '---:' for name in columns)}|", *body])


def cell(value: Value) -> str:
    """A value in words: whole numbers in full, others to three digits.

    Example:
        >>> [cell(value) for value in (193280, 3241.7, 0.012345, 4e-16, True, None, "moments")]
        ['193,280', '3,242', '0.0123', '4e-16', 'yes', '', 'moments']
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else _safe(value)


def _safe(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")
