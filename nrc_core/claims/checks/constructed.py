"""Cases that are constructed, not trained: what they gave is recorded, as making them takes torch and seconds.

`python -m nrc_core.claims.checks` records them again; a test makes them anew and compares.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from nrc_core.files import project_folder
from nrc_core.results.store import RESULTS_VERSION

Row = dict[str, Any]
Rows = list[Row]  # `group`, `seed`, `value` and, where more than the limit decides, `holds`
MAKERS: dict[str, Callable[[], Rows]] = {}


def recorded_file() -> Path:
    """Where the cases are recorded, beside the published runs."""
    return project_folder() / "results" / "constructed.json"


def case(maker: Callable[[], Rows]) -> Callable[[], Rows]:
    """A function that makes the rows of a case becomes one that takes the recorded ones, if there are any.

    As with runs in a store, those of another version of the results do not count.
    """
    name = maker.__name__.strip("_")
    MAKERS[name] = maker

    def rows() -> Rows:
        recorded = _read(recorded_file()).get(name)
        return maker() if recorded is None else [dict(row) for row in recorded]

    return rows


def each(rows: Callable[[], Rows]) -> Callable[..., Iterator[tuple[Row, Row]]]:
    """What a check of constructed cases is over; it needs no networks."""

    def over(_: Any) -> Iterator[tuple[Row, Row]]:
        for row in rows():
            yield {"group": row["group"], "seed": row["seed"]}, row

    return over


@cache
def _read(path: Path) -> dict[str, Rows]:
    try:
        content = json.loads(path.read_text())
        return content["cases"] if content["results_version"] == RESULTS_VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def record(path: Path) -> None:
    """Make all cases and write them to a file."""
    content = {"results_version": RESULTS_VERSION, "cases": {name: maker() for name, maker in sorted(MAKERS.items())}}
    path.write_text(json.dumps(content, indent=1) + "\n")
