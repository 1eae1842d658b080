"""Write the values of every claim on the published runs, one line of JSON per claim: `python -m tests.recorded_claims`.

Write them again when results, claims or checks change on purpose, and check the difference before the commit.
"""

import json
from pathlib import Path
from typing import Any

from nrc_core import Store
from nrc_core.claims.ledger import Judged, judge
from nrc_core.workflow.profiles import read_profile

ROOT = Path(__file__).parent.parent
FILE = ROOT / "tests" / "recorded_claims.jsonl"
FIELDS = ("id", "check", "verdict", "reduced", "reason", "quantity", "limit", "at_least", "groups", "weaker")


def judged() -> list[Judged]:
    """All claims on the published runs."""
    return judge(read_profile(ROOT / "book" / "profiles" / "paper.yml"), Store(ROOT / "results"), moved=False)


def measured(one: Judged) -> dict[str, Any]:
    """The numbers of a claim, without its text."""
    found = one.as_dict()
    groups = [{name: value for name, value in group.items() if name != "interval"} for group in found["groups"]]
    return {name: found[name] for name in FIELDS} | {"groups": groups}


def read() -> list[dict[str, Any]]:
    """The recorded values."""
    return [json.loads(line) for line in FILE.read_text().splitlines()]


if __name__ == "__main__":
    FILE.write_text("".join(f"{json.dumps(measured(one))}\n" for one in judged()))
