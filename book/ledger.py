"""The ledger of claims as Markdown: the page, the box on every result page, and the score on the landing page.

Works on the JSON that `nrc claims --json` prints.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from nrc_core.claims import VERDICTS
from nrc_core.thresholds import read_thresholds

Entry = Mapping[str, Any]
CONTROLS = Path(__file__).with_name("ledger.html")
# Verdicts by shape and word together; the colour comes from the style sheet.
SHAPES = dict(zip(VERDICTS, ("●", "▲", "✕", "◇", "○"), strict=True))
PAPERS = {
    "Deep NRC": {
        "deep_nrc": "Deep NRC, the four conditions (sections 3 and 4.2)",
        "low_rank": "Deep NRC, low-rank targets (section 4.3)",
        "weight_decay": "Deep NRC, weight decay (sections 4.4 and 4.5)",
        "dynamics": "Deep NRC, training dynamics (figure 5)",
        "proposition_1": "Deep NRC, theory (section 3 and Appendix C)",
    },
    "Limitations": {
        "test_vs_train": "Train against test (Hui et al., sections 2 and 3)",
        "train_size": "Size of the training set (Hui et al., section 3.3)",
        "transfer": "Transfer (Hui et al., section 4)",
        "cascading": "Cascading collapse (Hui et al., section 5)",
    },
}
STATED = {"all": "stated", "partly": "partly stated", "none": "not stated"}


def score(entries: Sequence[Entry]) -> str:
    """How many claims have each verdict, each number a link to these claims in the ledger."""
    counts = {verdict: sum(entry["verdict"] == verdict for entry in entries) for verdict in VERDICTS}
    parts = [
        f'<a href="ledger.html?{urlencode({"verdict": verdict})}#claims">{badge(verdict)} {count}</a>'
        for verdict, count in counts.items()
        if count
    ]
    thin = sum(
        _fewest(entry) < entry["seeds"] for entry in entries if entry["groups"] and entry["verdict"] in VERDICTS[:3]
    )
    note = f" {thin} of the verdicts rest{'s' * (thin == 1)} on fewer networks than wanted." if thin else ""
    return f"Of {len(entries)} claims of the two papers: " + ", ".join(parts) + f".{note}\n"


def box(entries: Sequence[Entry], page: str, datasets: Sequence[str]) -> str:
    """What a page bears on: verdicts, claims, and what the networks of its data sets say. Empty if nothing."""
    here = [entry for entry in entries if page in (*entry["pages"], *entry["shown_on"])]
    if not here:
        return ""
    counts = ", ".join(
        f"{badge(verdict)} {count}"
        for verdict in VERDICTS
        if (count := sum(entry["verdict"] == verdict for entry in here))
    )
    rows = ["| verdict | claim | on this page |", "|---|---|---|"]
    for entry in sorted(here, key=lambda entry: len(entry["pages"]) > 1):
        groups = [group for group in entry["groups"] if len(entry["pages"]) < 2 or _is_of(group, datasets)]
        found = _groups(entry, groups) + _limit(entry)
        elsewhere = "" if len(entry["pages"]) < 2 else " *(several data sets)*"
        rows.append(
            f"| {badge(entry['verdict'])} | **{_link(entry)}** {entry['statement']}{elsewhere} | "
            f"{found if groups else entry['reason'] or 'too little to say'} |"
        )
    doubts = _doubts([entry for entry in here if len(entry["pages"]) == 1] or here, page)
    table = "\n".join(rows)
    return f":::{{admonition}} What is claimed, and what we found\n:class: claims\n{counts}{doubts}\n\n{table}\n:::"


def _is_of(group: Mapping[str, Any], datasets: Sequence[str]) -> bool:
    return group["name"].split(",")[0] in datasets


def _doubts(entries: Sequence[Entry], page: str) -> str:
    """Too few or too small networks, said once for a page."""
    judged = [entry for entry in entries if entry["groups"] and entry["seeds"] > 1]
    fewest = min((group["networks"] for entry in judged for group in entry["groups"]), default=0)
    wanted = max((entry["seeds"] for entry in judged), default=0)
    doubts = [f"only {fewest} of the {wanted} networks wanted"] if fewest < wanted else []
    doubts += dict.fromkeys(entry["weaker"][page] for entry in entries if page in entry["weaker"])
    return f". **How sure:** {', '.join(doubts)}." if doubts else "."


def page(entries: Sequence[Entry]) -> str:
    """The ledger: what filters it, a table a section, then the thresholds and which verdicts they move."""
    parts = [f"```{{raw}} html\n{_controls()}```"]
    for paper, sections in PAPERS.items():
        for section, title in sections.items():
            chosen = [entry for entry in entries if entry["section"] == section]
            parts.append(f"## {title}\n\n{_table(chosen, paper)}")
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


def _controls() -> str:
    """The menus of the ledger; they do something only where scripts run, which show them."""
    options = {
        "PAPERS": _options({paper: paper for paper in PAPERS}),
        "SECTIONS": "".join(
            f'<optgroup label="{paper}">{_options(sections)}</optgroup>' for paper, sections in PAPERS.items()
        ),
        "VERDICTS": _options({verdict: f"{SHAPES[verdict]} {verdict}" for verdict in VERDICTS}),
    }
    text = CONTROLS.read_text()
    for name, choices in options.items():
        text = text.replace(name, choices)
    return text


def _options(words: Mapping[str, str]) -> str:
    return "".join(f'<option value="{value}">{text}</option>' for value, text in words.items())


def _table(entries: Sequence[Entry], paper: str) -> str:
    rows = ["| claim | verdict | evidence |", "|---|---|---|"]
    for entry in entries:
        where = f"*{entry['source']}; hyper-parameters {STATED[entry['stated']]}*"
        note = f"<br>{entry['note']}" if entry["note"] else ""
        mark = f'<span id="{entry["id"]}" {_data(entry, paper)}></span>'
        rows.append(
            f"| {mark}**{entry['id']}** {entry['statement']}<br>{where}{note} "
            f"| {badge(entry['verdict'])} | {_found(entry)} |"
        )
    return "\n".join(rows)


def _data(entry: Entry, paper: str) -> str:
    """What the claim can be found by."""
    return f'data-paper="{paper}" data-section="{entry["section"]}" data-verdict="{entry["verdict"]}"'


def _link(entry: Entry) -> str:
    return f"<a class='claim' href='LEDGER#{entry['id']}'>{entry['id']}</a>"


def _found(entry: Entry) -> str:
    """The numbers, their limit, how sure they are, what moves them, and where they are from."""
    lines = _judged(entry) if entry["groups"] else [entry["reason"]]
    if pages := (*entry["pages"], *entry["shown_on"]):
        lines.append(", ".join(f"[{page.replace('_', ' ')}](pages/{page}.ipynb)" for page in pages))
    return "<br>".join(lines)


def _judged(entry: Entry) -> list[str]:
    lines = [_groups(entry, entry["groups"]) + _limit(entry)]
    fewest = _fewest(entry)
    doubts = [f"only {fewest} of {entry['seeds']} networks"] if fewest < entry["seeds"] else []
    doubts += [entry["reason"]] if entry["reason"] else []
    lines += [f"**doubt**: {', '.join(doubts)}"] if doubts else []
    if entry["moved"]:
        lines.append("**moves**: " + ", ".join(f"{now} at {what}" for what, now in entry["moved"].items()))
    return lines


def _fewest(entry: Entry) -> int:
    """Networks of the data set that has the fewest."""
    return min(group["networks"] for group in entry["groups"])


def _groups(entry: Entry, groups: Sequence[Mapping[str, Any]]) -> str:
    """A line a data set, by the style sheet; its text stays to the right of its picture."""
    return "".join(f'<span class="group">{_group(entry, group, len(groups) > 1)}</span>' for group in groups)


def _group(entry: Entry, group: Mapping[str, Any], named: bool) -> str:
    """One data set: a picture, in how many networks the claim holds, the interval of that share, the numbers."""
    label = f"{group['name']} " if named else ""
    if entry["seeds"] == 1:
        held = "holds" if group["held"] == group["networks"] else "fails"
        return f"{_spread(entry, group)} {label}**{held}**: {numbers(group['values'])}"
    low, high = group["interval"]
    share = f"**{group['held']} of {group['networks']}** ({100 * low:.0f} to {100 * high:.0f} %)"
    return f"{_spread(entry, group)} {label}{share}: {numbers(group['values'])}"


def _limit(entry: Entry) -> str:
    if not entry["groups"]:
        return ""
    return f"*{entry['quantity']}, {'at least' if entry['at_least'] else 'at most'} {entry['limit']:.3g}*"


def numbers(values: Sequence[float | None], digits: int = 2) -> str:
    """The median and the range of some numbers; None stands for one that does not exist.

    Example:
        >>> numbers([1.0, 3.0, 2.0]), numbers([0.5]), numbers([None])
        ('2 (1 to 3)', '0.5', 'none')
    """
    known = [value for value in values if value is not None]
    if not known:
        return "none"
    low, middle, high = (f"{value:.{digits}g}" for value in (min(known), median(known), max(known)))
    return middle if low == high else f"{middle} ({low} to {high})"


def _spread(entry: Entry, group: Mapping[str, Any], width: int = 80, height: int = 12) -> str:
    """The values around the limit, which is the upright line; to the right of it the claim holds."""
    known = [value for value in group["values"] if value is not None]
    places = [width / 2 * (1 + _margin(value, entry["limit"], entry["at_least"])) for value in known]
    circles = "".join(f'<circle cx="{x:.1f}" cy="{height / 2}" r="3"/>' for x in places)
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
