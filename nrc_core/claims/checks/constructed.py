"""Cases that are constructed, not trained: what they gave is recorded, as making them takes torch and seconds.

`python -m nrc_core.claims.checks` records them again; a test makes them anew and compares.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache, wraps
from pathlib import Path
from typing import Any

from nrc_core.claims.checks.observation import Check, Found, check
from nrc_core.files import project_folder
from nrc_core.results.store import RESULTS_VERSION

Rows = list[dict[str, Any]]  # `group`, `seed`, `value` and, where more than the limit decides, `holds`
MAKERS: dict[str, Callable[[], Rows]] = {}


def recorded_file() -> Path:
    """Where the cases are recorded, beside the published runs."""
    return project_folder() / "results" / "constructed.json"


def case(**rule: Any) -> Callable[[Callable[[], Rows]], Check]:
    """A function that makes the rows of a case becomes a check of the recorded ones, if there are any.

    As with runs in a store, those of another version of the results do not count.

    Args:
        rule: what `check` takes, but for `over`; a case needs no networks.
    """

    def registered(maker: Callable[[], Rows]) -> Check:
        name = maker.__name__
        MAKERS[name] = maker

        def rows() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
            recorded = _read(recorded_file()).get(name)
            for row in maker() if recorded is None else recorded:
                yield {"group": row["group"], "seed": row["seed"]}, row

        @check(over=rows, **rule)
        @wraps(maker)
        def found(row: dict[str, Any]) -> Found:
            return row["value"], row.get("holds", True)

        return found

    return registered


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
