"""The ledger of claims as Markdown: the page, the box on every result page, and the score on the landing page.

Works on the JSON that `nrc claims --json` prints for the published runs, and on that of `nrc check --json` for what
was trained on this machine.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from book.builder import reasons, recheck
from book.builder.badges import NOT_HERE, OUTCOMES, SHAPES, badge
from nrc_core.claims.groups import numbers
from nrc_core.claims.ledger import UNJUDGED, VERDICTS
from nrc_core.results.phrases import markdown_table, plural, span
from nrc_core.results.thresholds import read_thresholds

Entry = Mapping[str, Any]
CONTROLS = Path(__file__).with_name("ledger.html")
NOTHING: recheck.Check = {"pages": []}  # of a book in which nothing was trained
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
    "Theory": {
        "unconstrained_features": "Unconstrained features in regression (Andriopoulos et al.)",
        "collapse_or_low_rank": "Collapse against low rank (Súkeník, Lampert and Mondelli)",
        "collapse_persists": "Collapse despite low-rank bias (Garrod and Keating)",
        "ordinal_targets": "Ordinal targets (Ma et al., section 4)",
        "deeper_resnets": "Deeper residual networks (Súkeník, Lampert and Mondelli, 2025)",
        "shallow_flow": "Gradient flow on shallow ReLU networks (Min, Zhu and Vidal)",
        "geometric_complexity": "Geometric complexity and collapse (Munn, Dherin and Gonzalvo)",
        "unseen_classes": "Classes that training never saw (Galanti et al., as told by Agarwal et al., section 4.3)",
        "corrupted_labels": "Wrong labels, and margins over training (Agarwal et al., sections 3.2 and 4.2)",
    },
    "Survey": {"margins": "Margins and V_f (Agarwal et al., section 3)"},
}
RECHECKED = '<label>re-checked here <select name="here"><option value="">all</option>{}</select></label>'
STATED = {"all": "stated", "partly": "partly stated", "none": "not stated"}


def score(entries: Sequence[Entry]) -> str:
    """How many claims have each verdict; each number links to these claims in the ledger."""
    counts = {verdict: sum(entry["verdict"] == verdict for entry in entries) for verdict in VERDICTS}
    parts = [
        f'<a href="ledger.html?{urlencode({"verdict": verdict})}#claims">{badge(verdict)} {count}</a>'
        for verdict, count in counts.items()
        if count
    ]
    thin = sum(
        _fewest(entry) < entry["seeds"] for entry in entries if entry["groups"] and entry["verdict"] not in UNJUDGED
    )
    note = f" {thin} of the verdicts rest{'s' * (thin == 1)} on fewer networks than wanted." if thin else ""
    counted = f"On the published runs, of {len(entries)} claims of the papers: {', '.join(parts)}."
    return f"{counted}\n\n{reasons.sure(entries)}{note}\n"


def box(entries: Sequence[Entry], page: str, datasets: Sequence[str], *, rechecked: str = "", figures: str = "") -> str:
    """The box of a page: the claims that it bears on, their verdicts, and what the networks of its data sets say.

    Empty if there is nothing to say.

    Args:
        datasets: those of the published runs of the page.
        rechecked: whether the page agrees with the reference runs.
        figures: a sentence on the runs that the page draws.
    """
    here = [entry for entry in entries if page in (*entry["pages"], *entry["shown_on"])]
    if not here:
        return f":::{{admonition}} What was trained here\n:class: claims\n{rechecked}\n:::" if rechecked else ""
    counts = ", ".join(
        f"{badge(verdict)} {count}"
        for verdict in VERDICTS
        if (count := sum(entry["verdict"] == verdict for entry in here))
    )
    rows = []
    for entry in sorted(here, key=lambda entry: len(entry["pages"]) > 1):
        groups = [group for group in entry["groups"] if len(entry["pages"]) < 2 or _is_of(group, datasets)]
        found = _published(groups) + _groups(entry, groups) + _limit(entry)
        elsewhere = "" if len(entry["pages"]) < 2 else " *(several data sets)*"
        evidence = found if groups else entry["reason"] or "too little to say"
        rows.append(
            [badge(entry["verdict"], entry["reduced"]), f"**{_link(entry)}** {entry['statement']}{elsewhere}", evidence]
        )
    doubts = _doubts([entry for entry in here if len(entry["pages"]) == 1] or here, page)
    found = f"On the published runs: {counts}{doubts} {figures}".rstrip()
    table = markdown_table(["verdict", "claim", "published runs"], rows)
    parts = [*([rechecked] if rechecked else []), found, table]
    text = "\n\n".join(parts)
    return f":::{{admonition}} What is claimed, and what we found\n:class: claims\n{text}\n:::"


def _published(groups: Sequence[Mapping[str, Any]]) -> str:
    """That the numbers are of published runs, and how many networks each data set has.

    Example:
        >>> _published([{"networks": 5}]), _published([{"networks": 1}, {"networks": 5}])
        ('*published, 5 networks:*', '*published, 1 to 5 networks each:*')
    """
    sizes = sorted({group["networks"] for group in groups})
    if not sizes:
        return ""
    few, many = sizes[0], sizes[-1]
    number = f"{many}" if few == many else f"{few} to {many}"
    return f"*published, {number} {plural(many, 'network')}{' each' if len(groups) > 1 else ''}:*"


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


def page(
    entries: Sequence[Entry], check: recheck.Check = NOTHING, shares: Mapping[str, Mapping[str, Any]] | None = None
) -> str:
    """The ledger: its menus, a table for each section, then the thresholds and the verdicts that they change.

    Args:
        check: what was re-checked on this machine, as `nrc check --json` prints it.
        shares: in what share of the combinations of open choices a claim holds, see `reasons.of_many`.
    """
    parts = [f"```{{raw}} html\n{_controls(check)}```"]
    for paper, sections in PAPERS.items():
        for section, title in sections.items():
            chosen = [entry for entry in entries if entry["section"] == section]
            parts.append(f"## {title}\n\n{_table(chosen, paper, check, shares or {})}")
    parts.append("(thresholds)=\n## Thresholds, and what moves with them\n\n" + thresholds_table(entries))
    return "\n\n".join(parts) + "\n"


def thresholds_table(entries: Sequence[Entry]) -> str:
    """Every threshold with its reason, the values tried in its place, and the verdicts that would change."""
    rows = []
    for name, threshold in read_thresholds().items():
        effects = []
        for other in threshold.others:
            moved = [
                f"{_link(entry)} {entry['moved'][key]}"
                for entry in entries
                if (key := f"{name} = {other:g}") in entry["moved"]
            ]
            effects.append(f"{other:g}: {', '.join(moved) if moved else 'none'}")
        rows.append([f"`{name}`", f"{threshold.value:g}", threshold.reason, "; ".join(effects)])
    return markdown_table(["threshold", "value", "reason", "other values and the verdicts they change"], rows)


def _controls(check: recheck.Check) -> str:
    """The menus of the ledger. They work only where scripts run, so a script shows them."""
    options = {
        "PAPERS": _options({paper: paper for paper in PAPERS}),
        "SECTIONS": "".join(
            f'<optgroup label="{paper}">{_options(sections)}</optgroup>' for paper, sections in PAPERS.items()
        ),
        "VERDICTS": _options(_with_shapes(VERDICTS)),
        "RECHECKED": RECHECKED.format(_options(_with_shapes((*OUTCOMES[:2], NOT_HERE)))) if check["pages"] else "",
    }
    text = CONTROLS.read_text()
    for name, choices in options.items():
        text = text.replace(name, choices)
    return text


def _with_shapes(words: Sequence[str]) -> dict[str, str]:
    return {word: f"{SHAPES[word]} {word}" for word in words}


def _options(words: Mapping[str, str]) -> str:
    return "".join(f'<option value="{value}">{text}</option>' for value, text in words.items())


def _table(entries: Sequence[Entry], paper: str, check: recheck.Check, shares: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for entry in entries:
        here, reason = recheck.of_claim(check, entry["pages"]) if check["pages"] else ("", "")
        where = f"*{entry['source']}; hyper-parameters {STATED[entry['stated']]}*"
        mark = f'<span id="{entry["id"]}" {_data(entry, paper, here)}></span>'
        claim = [f"{mark}**{entry['id']}** {entry['statement']}", where, entry["note"], reasons.changes(entry)]
        verdict = [badge(entry["verdict"], entry["reduced"]), reasons.of_many(entry, shares)]
        verdict += [f"re-checked here: {badge(here)}"] if here else []
        cells = ["<br>".join(filter(None, lines)) for lines in (claim, verdict)]
        rows.append([*cells, _found(entry, reason), reasons.why(entry), reasons.holds_under(entry)])
    return markdown_table(["claim", "verdict", "evidence", "why", "holds under"], rows)


def _data(entry: Entry, paper: str, here: str) -> str:
    """The attributes by which the filter finds a claim."""
    data = f'data-paper="{paper}" data-section="{entry["section"]}" data-verdict="{entry["verdict"]}"'
    return f'{data} data-here="{here}"' if here else data


def _link(entry: Entry) -> str:
    return f"<a class='claim' href='LEDGER#{entry['id']}'>{entry['id']}</a>"


def _found(entry: Entry, not_here: str) -> str:
    """The numbers, their limit, their doubts, what changes the verdict, why it is not re-checked, and the pages."""
    lines = _judged(entry) if entry["groups"] else [entry["reason"]]
    lines += [f"**not re-checked here**: {recheck.safe(not_here)}"] if not_here else []
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
    if entry.get("close"):
        chance = f"{entry['change']:.0%} for another verdict"
        lines.append(f'<a href="machines.html">**close call**</a>: on another machine, a chance of {chance}')
    return lines


def _fewest(entry: Entry) -> int:
    """Networks of the data set that has the fewest."""
    return min(group["networks"] for group in entry["groups"])


def _groups(entry: Entry, groups: Sequence[Mapping[str, Any]]) -> str:
    """A line for each data set. The style sheet makes the lines, and keeps the text right of its picture."""
    return "".join(f'<span class="group">{_group(entry, group, len(groups) > 1)}</span>' for group in groups)


def _group(entry: Entry, group: Mapping[str, Any], named: bool) -> str:
    """One data set: a picture, in how many networks the claim holds, the interval of that share, the numbers."""
    label = f"{group['name']} " if named else ""
    if entry["seeds"] == 1:
        held = "holds" if group["held"] == group["networks"] else "fails"
        return f"{_spread(entry, group)} {label}**{held}**: {_values(entry, group)}"
    low, high = group["interval"]
    share = f"**{group['held']} of {group['networks']}** ({100 * low:.0f} to {100 * high:.0f} %)"
    return f"{_spread(entry, group)} {label}{share}: {_values(entry, group)}"


def _values(entry: Entry, group: Mapping[str, Any]) -> str:
    """The values of a group beside the limit; if they are the worst of several sites, the share that holds follows."""
    text = numbers(group["values"], entry["limit"])
    if not (shares := [one for one in group.get("shares", []) if one is not None]):
        return text
    return f"{text}; holds at {span(shares, '{:.0%}'.format)} of these sites"


def _limit(entry: Entry) -> str:
    if not entry["groups"]:
        return ""
    return reasons.italic(f"{entry['quantity']}, {'at least' if entry['at_least'] else 'at most'} {entry['limit']:.4g}")


def _spread(entry: Entry, group: Mapping[str, Any], width: int = 80, height: int = 12) -> str:
    """A drawing of the values. The upright line is the limit; the claim holds to the right of it."""
    known = [value for value in group["values"] if value is not None]
    places = [width / 2 * (1 + _margin(value, entry["limit"], entry["at_least"])) for value in known]
    circles = "".join(f'<circle cx="{x:.1f}" cy="{height / 2}" r="3"/>' for x in places)
    return (
        f'<svg class="spread" role="img" aria-label="values around the limit" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><line x1="{width / 2}" x2="{width / 2}" y1="0" y2="{height}"/>{circles}</svg>'
    )


def _margin(value: float, limit: float, at_least: bool) -> float:
    """Where a value lies, from -1 (fails by far) to 1 (holds by far): by its ratio to a positive limit."""
    if limit > 0 and value > 0:
        distance = math.log(value / limit) / math.log(10)
    else:
        distance = math.copysign(0.5, value - limit) if value != limit else 0.0
    return max(-0.95, min(0.95, distance if at_least else -distance))
