"""The page of differences between the paper's text, its released code and this project, with what they change."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from book.builder.measurements import MEASUREMENTS, Finding, NotMeasured
from nrc_core.errors import ConfigError, suggestion
from nrc_core.results.phrases import markdown_table
from nrc_core.workflow.profiles import Profile

SOURCE = Path(__file__).parent.parent / "discrepancies.yaml"
SIDES = {"paper": "Text", "code": "Code", "here": "Here"}
NEEDED = ("id", "group", "subject", *SIDES, "matters")
OPTIONAL = ("measured", "pages")
WRITTEN = {"ledger": "Which claims reproduce?", "speed": "Speed"}  # pages that are no notebooks


@dataclass(frozen=True)
class Difference:
    """An entry of `discrepancies.yaml`, where the fields are explained."""

    id: str
    group: str
    subject: str
    paper: str
    code: str
    here: str
    matters: str
    measured: str | None = None
    pages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Differences:
    """The whole file: the commit of the code, titles of the groups by name, and the entries."""

    commit: str
    groups: Mapping[str, str]
    entries: tuple[Difference, ...]


def read(path: Path = SOURCE) -> Differences:
    """The differences, checked.

    Raises:
        ConfigError: something is missing, unknown or there twice; the message names the entry.
    """
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or set(content) != {"commit", "groups", "entries"}:
        raise ConfigError(f"{path.name} must have `commit`, `groups` and `entries`, and nothing else")
    entries = tuple(_entry(given, content["groups"], number) for number, given in enumerate(content["entries"], 1))
    ids = [one.id for one in entries]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ConfigError(f"{path.name}: ids must differ, as they are the names of rows: {twice[0]!r} is there twice")
    return Differences(str(content["commit"]), content["groups"], entries)


def _entry(given: Any, groups: Mapping[str, str], number: int) -> Difference:
    name = repr(given["id"]) if isinstance(given, dict) and "id" in given else f"number {number}"
    if not isinstance(given, dict) or (lacking := [field for field in NEEDED if not given.get(field)]):
        raise ConfigError(f"difference {name} lacks {', '.join(lacking) if isinstance(given, dict) else 'all fields'}")
    for field in given:
        if field not in NEEDED + OPTIONAL:
            raise ConfigError(
                f"difference {name} has no field {field!r}: {suggestion(field, NEEDED + OPTIONAL, 'try')}"
            )
    if given["group"] not in groups:
        hint = suggestion(given["group"], list(groups), "groups are")
        raise ConfigError(f"difference {name}: unknown group {given['group']!r}: {hint}")
    if ("measured" in given) != bool(given.get("pages")):
        raise ConfigError(f"difference {name}: `measured` and `pages` go together: what is measured, and on what")
    if "measured" in given and given["measured"] not in MEASUREMENTS:
        hint = suggestion(given["measured"], list(MEASUREMENTS), "book/builder/measurements.py has")
        raise ConfigError(f"difference {name}: unknown measurement {given['measured']!r}: {hint}")
    return Difference(**given | {"pages": tuple(given.get("pages", ()))})


def page(profile: Profile, sources: Mapping[str, Any], differences: Differences) -> str:
    """The differences that change a verdict, then a table for each group.

    Args:
        sources: what each page is made of, by its name: the results of its networks (None if it has none). `ledger`
            has the entries of the ledger, and `speed` the files of the benchmarks by name.
    """
    titles = {one.name: one.title for one in profile.pages} | WRITTEN
    found = {
        one.id: {name: _measure(one.measured, name, titles, sources) for name in one.pages}
        for one in differences.entries
        if one.measured
    }
    parts = [_summary(differences, found, titles)]
    for group, title in differences.groups.items():
        rows = [_row(one, found.get(one.id, {}), titles) for one in differences.entries if one.group == group]
        parts.append(f"## {title}\n\n" + markdown_table(["text, code, and here", "what it changes"], rows))
    return "\n\n".join(parts) + "\n"


def _measure(measured: str, name: str, titles: Mapping[str, str], sources: Mapping[str, Any]) -> Finding | str:
    """What is found on a page, or the reason why nothing is."""
    if name not in titles:
        return f"this book has no page `{name}`"
    if sources.get(name) is None:
        return f"{_link(name, titles)} has no results"
    try:
        return MEASUREMENTS[measured](sources[name])
    except NotMeasured as reason:
        return f"{_link(name, titles)}: {reason}"


def _summary(
    differences: Differences, found: Mapping[str, Mapping[str, Finding | str]], titles: Mapping[str, str]
) -> str:
    """How many differences there are, how many are measured, and a table of those that change a verdict."""
    subjects = {one.id: one.subject for one in differences.entries}
    known = {name: [one for one in each.values() if isinstance(one, Finding)] for name, each in found.items()}
    known = {name: each for name, each in known.items() if each}
    judged = {name for name, each in known.items() if any(one.changed is not None for one in each)}
    changes = [
        (finding, name, page_name)
        for name, each in found.items()
        for page_name, finding in each.items()
        if isinstance(finding, Finding) and finding.changed
    ]
    changing = {name for _, name, _ in changes}
    lines = [
        f"The text, the code (commit `{differences.commit}`, read but not run) and this book differ in "
        f"{len(differences.entries)} respects; {len(known)} can be measured on what this book has computed. "
        f"{len(judged)} of these bear on a threshold, and {len(changing)} change a verdict"
        f"{':' if changes else '.'}"
    ]
    if changes:
        rows = [
            [
                f'<a href="#{name}">{subjects[name]}</a>',
                f"at {finding.changed} of {finding.of} {finding.things}, {_link(page_name, titles)}",
            ]
            for finding, name, page_name in sorted(changes, key=lambda one: -(one[0].changed or 0) / one[0].of)
        ]
        lines += ["", markdown_table(["difference", "another verdict"], rows)]
    return "\n".join(lines)


def _row(one: Difference, found: Mapping[str, Finding | str], titles: Mapping[str, str]) -> list[str]:
    sides = "".join(f"<br>*{word}:* {getattr(one, field)}" for field, word in SIDES.items())
    lines = [one.matters]
    for name, finding in found.items():
        if isinstance(finding, Finding):
            lines.append(f"**Measured**, {finding.words}{_verdicts(finding)} {_link(name, titles)}.")
        else:
            lines.append(f"*Not measured at this profile: {finding}.*")
    return [f'<span id="{one.id}"></span>**{one.subject}**{sides}', "<br>".join(lines)]


def _verdicts(finding: Finding) -> str:
    if finding.changed is None:
        return ""
    return f" Another verdict at {finding.changed} of {finding.of} {finding.things}."


def _link(name: str, titles: Mapping[str, str]) -> str:
    return f"[{titles[name]}]({f'{name}.md' if name in WRITTEN else f'pages/{name}.ipynb'})"
