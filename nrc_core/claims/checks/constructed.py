"""Cases that are constructed, not trained; their results are recorded, because making them needs torch and seconds.

`python -m nrc_core.claims.checks` records them again; a test makes them again and compares.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache, wraps
from pathlib import Path
from typing import Any

from nrc_core.claims.checks.observation import Check, Found, check
from nrc_core.files import project_folder
from nrc_core.results.store import RESULTS_VERSION

Rows = list[dict[str, Any]]  # `group`, `seed`, `value` and, if the result depends on more than the limit, `holds`
MAKERS: dict[str, Callable[[], Rows]] = {}


def recorded_file() -> Path:
    """File in which the cases are recorded, beside the published runs."""
    return project_folder() / "results" / "constructed.json"


def case(**rule: Any) -> Callable[[Callable[[], Rows]], Check]:
    """Make a check from a function that makes the rows of a case.

    The check uses the recorded rows, if there are any. Rows of another version of the results do not count, like runs
    in a store.

    Args:
        rule: arguments of `check` except `over`; a case needs no networks.
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
