"""The ledger of claims as Markdown: the page, the box on every result page, and the score on the landing page.

Works on the JSON that `nrc claims --json` prints.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from nrc_core.claims import VERDICTS
from nrc_core.thresholds import read_thresholds

Entry = Mapping[str, Any]
# Verdicts by shape and word together; the colour comes from the style sheet.
SHAPES = dict(zip(VERDICTS, ("●", "▲", "✕", "◇", "○"), strict=True))
SECTIONS = {
    "deep_nrc": "Deep NRC (sections 3 and 4.2)",
    "low_rank": "Low-rank targets (section 4.3)",
    "weight_decay": "Weight decay (sections 4.4 and 4.5)",
    "dynamics": "Training dynamics (figure 5)",
    "proposition_1": "Theory (section 3 and Appendix C)",
}
STATED = {"all": "stated", "partly": "partly stated", "none": "not stated"}


def score(entries: Sequence[Entry], link: str = "ledger") -> str:
    """How many claims have each verdict, each number a link into the ledger."""
    counts = {verdict: sum(entry["verdict"] == verdict for entry in entries) for verdict in VERDICTS}
    parts = [f"{badge(verdict)} [{count}]({link})" for verdict, count in counts.items() if count]
    return f"Of {len(entries)} claims of the paper: " + ", ".join(parts) + ".\n"


def box(entries: Sequence[Entry], page: str) -> str:
    """The claims a page bears on: what was claimed, what is found, how sure that is. Empty if there are none."""
    here = [entry for entry in entries if page in entry["pages"]]
    if not here:
        return ""
    own = [entry for entry in here if len(entry["pages"]) == 1] + [entry for entry in here if len(entry["pages"]) > 1]
    counts = ", ".join(
        f"{badge(verdict)} {count}"
        for verdict in VERDICTS
        if (count := sum(entry["verdict"] == verdict for entry in here))
    )
    return f":::{{admonition}} The claims and what became of them\n:class: claims\n{counts}\n\n{_table(own)}\n:::"


def page(entries: Sequence[Entry]) -> str:
    """The ledger: a table a section, then the thresholds and which verdicts they move."""
    parts = []
    for section, title in SECTIONS.items():
        chosen = [entry for entry in entries if entry["section"] == section]
        parts.append(f"## {title}\n\n{_table(chosen, sources=True)}")
    parts.append("(thresholds)=\n## Thresholds, and what moves with them\n\n" + thresholds_table(entries))
    return "\n\n".join(parts) + "\n"


def badge(verdict: str) -> str:
    """A verdict by colour, shape and word."""
    return f'<span class="verdict {verdict.replace(" ", "-")}">{SHAPES[verdict]} {verdict}</span>'


def thresholds_table(entries: Sequence[Entry]) -> str:
    """Every threshold with its reason, the values tried in its place, and the verdicts that would change."""
    rows = ["| threshold | value | reason | other values and the verdicts they change |", "|---|---|---|---|"]
    for name, threshold in read_thresholds().items():
        effects = []
        for other in threshold.others:
            moved = [
                f"{_link(entry)} {entry['moved'][key]}"
                for entry in entries
                if (key := f"{name} = {other:g}") in entry["moved"]
            ]
            effects.append(f"{other:g}: {', '.join(moved) if moved else 'none'}")
        rows.append(f"| `{name}` | {threshold.value:g} | {threshold.reason} | {'; '.join(effects)} |")
    return "\n".join(rows)


def _table(entries: Sequence[Entry], *, sources: bool = False) -> str:
    rows = ["| claim | verdict | found | how sure |", "|---|---|---|---|"]
    for entry in entries:
        anchor = f'<span id="{entry["id"]}"></span>' if sources else ""
        where = f"<br>*{entry['source']}; hyper-parameters {STATED[entry['stated']]}*" if sources else ""
        note = f"<br>*{entry['note']}*" if entry["note"] else ""
        name = f"{anchor}**{entry['id']}**" if sources else f"**{_link(entry)}**"
        evidence = f"<br>{_evidence(entry)}" if sources and entry["verdict"] in VERDICTS[:3] else ""
        rows.append(
            f"| {name} {entry['statement']}{where}{note} | {badge(entry['verdict'])} | {_found(entry)}{evidence} "
            f"| {_sure(entry)} |"
        )
    return "\n".join(rows)


def _link(entry: Entry) -> str:
    return f"<a class='claim' href='LEDGER#{entry['id']}'>{entry['id']}</a>"


def _evidence(entry: Entry) -> str:
    links = ", ".join(f"[{page.replace('_', ' ')}](pages/{page}.ipynb)" for page in entry["pages"])
    return f"evidence: {links}" if links else ""


def _found(entry: Entry) -> str:
    if not entry["groups"]:
        return entry["reason"]
    lines = [_spread(entry)]
    for group in entry["groups"]:
        label = f"{group['name']}: " if len(entry["groups"]) > 1 else ""
        lines.append(f"{label}{numbers(group['values'])}")
    sign = "at least" if entry["at_least"] else "at most"
    lines.append(f"*{entry['quantity']}; {sign} {entry['limit']:.3g}*")
    return "<br>".join(lines)


def numbers(values: Sequence[float | None]) -> str:
    """The median and the range of some numbers; None stands for one that does not exist.

    Example:
        >>> numbers([1.0, 3.0, 2.0]), numbers([0.5]), numbers([None])
        ('2 (1 to 3)', '0.5', 'none')
    """
    known = [value for value in values if value is not None]
    if not known:
        return "none"
    low, middle, high = (f"{value:.2g}" for value in (min(known), median(known), max(known)))
    return middle if low == high else f"{middle} ({low} to {high})"


def _sure(entry: Entry) -> str:
    lines = []
    for group in entry["groups"]:
        label = f"{group['name']}: " if len(entry["groups"]) > 1 else ""
        networks = group["networks"]
        if entry["seeds"] == 1:
            lines.append(f"{label}{'holds' if group['held'] == networks else 'fails'}")
            continue
        low, high = group["interval"]
        lines.append(f"{label}{group['held']} of {networks} networks (95 %: {low:.0%} to {high:.0%})")
    if entry["groups"] and (fewest := min(group["networks"] for group in entry["groups"])) < entry["seeds"]:
        lines.append(f"**few networks**: {fewest}, {entry['seeds']} wanted")
    if entry["smaller"]:
        lines.append(f"**smaller than the paper's**: {', '.join(entry['smaller'])}")
    if entry["groups"] and entry["reason"]:
        lines.append(f"*{entry['reason']}*")
    if entry["moved"]:
        lines.append("moves: " + ", ".join(f"{now} at {what}" for what, now in entry["moved"].items()))
    return "<br>".join(lines)


def _spread(entry: Entry, width: int = 120, height: int = 14) -> str:
    """The values around the limit, which is the upright line; to the right of it the claim holds."""
    dots = []
    for group in entry["groups"]:
        for value in group["values"]:
            if value is not None:
                dots.append(width / 2 * (1 + _margin(value, entry["limit"], entry["at_least"])))
    circles = "".join(f'<circle cx="{x:.1f}" cy="{height / 2}" r="3"/>' for x in dots)
    return (
        f'<svg class="spread" role="img" aria-label="values around the limit" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><line x1="{width / 2}" x2="{width / 2}" y1="0" y2="{height}"/>{circles}</svg>'
    )


def _margin(value: float, limit: float, at_least: bool) -> float:
    """Where a value lies, from -1 (fails by far) to 1 (holds by far): by its ratio to the limit where that exists."""
    if limit > 0 and value > 0:
        distance = math.log(value / limit) / math.log(10)
    else:
        distance = math.copysign(0.5, value - limit) if value != limit else 0.0
    return max(-0.95, min(0.95, distance if at_least else -distance))
