"""The re-check: what was trained on this machine is compared with the reference runs.

It is shown on the landing page, on a page of its own and in the box of every page. It works on the JSON that
`nrc check --json` prints. As a program it prints the outcome of a build:

    python -m book.builder.recheck PROFILE.yml [name=value of the Snakefile ...]
"""

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from book.builder.badges import AGREES, DIFFERS, NOT_COMPARED, NOT_HERE, OUTCOMES, badge
from nrc_core.errors import DataDamaged, NrcError
from nrc_core.results.phrases import markdown_table
from nrc_core.workflow.profiles import read_profile

Check = Mapping[str, Any]
Entry = Mapping[str, Any]
NO_DATA = "its data are not here"
NOTHING_TRAINED = (
    "This book shows the published runs themselves. Nothing was trained on this machine, so nothing is re-checked."
)
OTHER_DATA = "the data here are another version than those of the reference runs"
# The order on the page: first what a reader may have to look into.
SECTIONS = {DIFFERS: "Differs", NOT_COMPARED: "Not compared", AGREES: "Agrees"}


def read(path: Path) -> dict[str, Any]:
    """What `nrc check --json` printed, checked as far as the book needs it.

    Raises:
        DataDamaged: there is no such file, it is no JSON, or an entry is missing or of another kind.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        wrong = _wrong(found)
    except (OSError, ValueError) as error:  # not there, neither JSON nor text
        wrong = str(error)
    if wrong:
        raise DataDamaged(f"{path} must hold what `nrc check --json` prints, got {wrong}: delete it and build again")
    return found


def _wrong(found: Any) -> str:
    """What is missing to make the book; empty if nothing is."""
    if not isinstance(found, dict) or not isinstance(found.get("pages"), list):
        return "no list `pages`"
    for number, entry in enumerate(found["pages"], start=1):
        if not isinstance(entry, dict) or not isinstance(entry.get("page"), str):
            return f"no name of page {number}"
        if entry.get("outcome") not in OUTCOMES:
            return f"outcome {entry.get('outcome')!r} of page {entry['page']}, which is none of {', '.join(OUTCOMES)}"
        wanted: dict[str, Any] = {"reason": str, "worst": list}
        wanted |= dict.fromkeys(("runs", "references", "quantities"), int)
        wanted |= dict.fromkeys(("number", "limit"), int | float | None)
        if lacking := [name for name, kind in wanted.items() if not isinstance(entry.get(name, ...), kind)]:
            return f"no {lacking[0]} of page {entry['page']}"
        for one in entry["worst"]:
            if lacking := [name for name in ("quantity", "run", "value", "low", "high") if name not in one]:
                return f"no {lacking[0]} in `worst` of page {entry['page']}"
    return ""


def without_data(check: Check, names: Collection[str]) -> dict[str, Any]:
    """The same, with the pages of these names not compared: their data are not on this machine."""
    pages = [
        entry | {"outcome": NOT_COMPARED, "reason": NO_DATA} if entry["page"] in names else entry
        for entry in check["pages"]
    ]
    return {**check, "pages": pages}


def counts(check: Check) -> dict[str, int]:
    """How many pages have each outcome."""
    return {outcome: sum(entry["outcome"] == outcome for entry in check["pages"]) for outcome in OUTCOMES}


def score(check: Check) -> str:
    """The line of the landing page; each number links to the details."""
    if not check["pages"]:
        return f"{NOTHING_TRAINED}\n"
    parts = [
        f'<a href="recheck.html#{outcome.replace(" ", "-")}">{badge(outcome)} {count}</a>'
        for outcome, count in counts(check).items()
        if count
    ]
    return f"Re-checked on this machine, of {_pages(len(check['pages']))}: {', '.join(parts)}.\n"


def recomputed(check: Check) -> str:
    """How many pages the present code has computed again, and how many of them agree."""
    found = counts(check)
    compared = found[AGREES] + found[DIFFERS]
    if not compared:
        return "This build trained nothing that could be compared: the quick profile trains every page again."
    return (
        f"This build trained {_pages(compared)} again with the present code; {found[AGREES]} of them "
        f"{'agrees' if found[AGREES] == 1 else 'agree'} with the reference runs ([details](recheck.md))."
    )


def page(check: Check, titles: Mapping[str, str]) -> str:
    """A table for each outcome, a row for each page.

    Args:
        titles: of the pages, by name.
    """
    if not check["pages"]:
        return f"{NOTHING_TRAINED}\n"
    parts = [score(check)]
    for outcome, title in SECTIONS.items():
        rows = []
        for entry in check["pages"]:
            if entry["outcome"] == outcome:
                link = f"[{titles.get(entry['page'], entry['page'])}](pages/{entry['page']}.ipynb)"
                rows.append([link, badge(outcome), "<br>".join(_details(entry))])
        if rows:
            parts.append(f"## {title}\n\n" + markdown_table(["page", "re-checked here", "numbers"], rows))
    return "\n\n".join(parts) + "\n"


def _details(entry: Entry) -> list[str]:
    if entry["outcome"] == NOT_COMPARED:
        return [safe(entry["reason"])]
    made = (
        f"{_count(entry['runs'], 'run')} against {_count(entry['references'], 'reference run')}, "
        f"{_count(entry['quantities'], 'quantity', 'quantities')}"
    )
    parts = [part for part in (_numbers(entry), made if entry["runs"] else "") if part]
    others = [OTHER_DATA] if entry.get("other_data") else []
    worst = _worst(entry) if entry["outcome"] == DIFFERS else []
    return ["; ".join(parts), *map(safe, [*worst, *others])]


def _numbers(entry: Entry) -> str:
    """The number and its limit, or why there are none."""
    known = [f"{name} {entry[name]:.3g}" for name in ("number", "limit") if entry[name] is not None]
    return ", ".join([*([safe(entry["reason"])] if entry["reason"] else []), *known])


def _worst(entry: Entry) -> list[str]:
    """The quantities that are furthest off, each with its value and the interval of a further seed."""
    return [
        f"{one['quantity']} ({one['run']}): {_number(one['value'])}, expected {_number(one['low'])} to "
        f"{_number(one['high'])}"
        for one in entry["worst"]
    ]


def line(check: Check, name: str) -> str:
    """The line in the box of a page; empty for a page that trains nothing, which is not re-checked."""
    entry = next((entry for entry in check["pages"] if entry["page"] == name), None)
    if entry is None:
        return ""
    start = f"**<a href='../recheck.html'>Re-checked here</a>:** {badge(entry['outcome'])}"
    if entry["outcome"] == NOT_COMPARED:
        return f"{start}: {entry['reason']}."
    start += f" ({_numbers(entry)})."
    shown = entry["outcome"] == DIFFERS and entry["worst"]
    return f"{start} Furthest off: {'; '.join(_worst(entry))}." if shown else start


def of_claim(check: Check, names: Sequence[str]) -> tuple[str, str]:
    """The outcome of a claim, from the outcomes of its pages, and the reason if there is none.

    It differs if any page differs, and agrees if a page agrees and none differs.

    Example:
        >>> of_claim({"pages": [{"page": "hopper", "outcome": "not compared", "reason": "its data are not here"}]},
        ...          ["hopper"])
        ('not here', 'its data are not here')
    """
    entries = [entry for entry in check["pages"] if entry["page"] in names]
    outcomes = {entry["outcome"] for entry in entries}
    for outcome in (DIFFERS, AGREES):
        if outcome in outcomes:
            return outcome, ""
    return NOT_HERE, "; ".join(dict.fromkeys(entry["reason"] for entry in entries)) or "no networks are trained for it"


def summary(check: Check) -> list[str]:
    """What a build prints at its end: a line for each page that does not agree, then the counts."""
    if not check["pages"]:
        return ["re-checked here: nothing, as this book shows the published runs and trains none"]
    lines = []
    for entry in check["pages"]:
        if entry["outcome"] == DIFFERS:
            why = "; ".join([_numbers(entry), *_worst(entry)])
            lines.append(f"{entry['page']}: differs from the reference runs, {why}")
        elif entry["outcome"] == NOT_COMPARED:
            lines.append(f"{entry['page']}: {NOT_COMPARED}, {entry['reason']}")
    found = counts(check)
    agree = f"{found[AGREES]} of {_pages(len(check['pages']))} agree with the reference runs"
    differ = f"{found[DIFFERS]} differ{'s' if found[DIFFERS] == 1 else ''}"
    return [*lines, f"re-checked here: {agree}, {differ}, {found[NOT_COMPARED]} not compared"]


def _pages(count: int) -> str:
    return _count(count, "page")


def _count(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or f'{one}s'}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def safe(text: str) -> str:
    """A text that can stand in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def main(arguments: list[str]) -> int:
    """Print the summary of a build; an error is one line."""
    profile, *settings = arguments
    given = dict(setting.split("=", 1) for setting in settings)
    try:
        folder = Path(given.get("build") or Path("build") / read_profile(Path(profile)).name)
        print("\n".join(summary(read(folder / "check.json"))))
    except NrcError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
