"""What the ledger says beside the evidence of a claim: why it has its verdict, and under what else it holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from nrc_core.claims.ledger import NOT, PARTLY, UNJUDGED, UNSURE
from nrc_core.results.phrases import counted, plural
from nrc_core.results.thresholds import thresholds

Entry = Mapping[str, Any]
AGAINST = (NOT, PARTLY, UNSURE)  # verdicts that want a reason


def italic(text: str) -> str:
    """A text in italics; a star within it, as in k*, stays a star.

    Example:
        >>> print(italic("directions k*"))
        *directions k\\**
    """
    return f"*{text.replace('*', chr(92) + '*')}*"


def why(entry: Entry) -> str:
    """Why a claim has its verdict: sentences, the numbers behind them, and the runs.

    A verdict against a claim without a known cause says so. The text is empty for any other verdict without a reason.
    """
    known = [one for one in entry["why"] if one["enough"]]
    if not known and entry["verdict"] in AGAINST:
        return "*the cause was not found*"
    return "<br>".join(f"{one['text']}<br>{italic(one['numbers'])}<br>{_runs(one)}" for one in known)


def holds_under(entry: Entry) -> str:
    """The conditions under which the claim holds, then those under which it does not hold either.

    A condition counts only with enough seeds in every group.
    """
    known = [one for one in entry["holds_under"] if one["enough"]]
    lines = [_condition(one, "") for one in known if one["holds"]]
    return "<br>".join([*lines, *(_condition(one, "*also not:* ") for one in known if not one["holds"])])


def changes(entry: Entry) -> str:
    """What was changed of the way in which a claim is judged, and when.

    Example:
        >>> changes({"changed": [{"date": "2026-11-27", "what": "two claims instead of one"}]})
        '*Changed on 2026-11-27: two claims instead of one.*'
    """
    return "<br>".join(f"*Changed on {one['date']}: {one['what']}.*" for one in entry["changed"])


def of_many(entry: Entry, shares: Mapping[str, Mapping[str, Any]]) -> str:
    """In what share of the combinations of open choices a claim holds, and which choice matters most; else empty.

    Args:
        shares: by claim, as `results/multiverse/shares.json` has them.

    Example:
        >>> of_many({"id": "F8-2"}, {"F8-2": {"share": 0.25, "universes": 40, "matters_most": "bias"}})
        '<a href="multiverse.html">holds in 25%</a> of 40 combinations of open choices; most depends on bias'
    """
    if (known := shares.get(entry["id"])) is None:
        return ""
    choice = known["matters_most"]
    name = f"the threshold `{choice}`" if choice in thresholds() else choice
    most = f"; most depends on {name}" if choice else ""
    number = f"{known['universes']} combinations of open choices"
    return f'<a href="multiverse.html">holds in {known["share"]:.0%}</a> of {number}{most}'


def _condition(one: Mapping[str, Any], label: str) -> str:
    return f"{label}**{one['text']}** ({one['counts']})<br>{_runs(one)}"


def _runs(one: Mapping[str, Any]) -> str:
    """The keys of the runs, folded, and links to their pages."""
    keys: Sequence[str] = one["keys"]
    links = ", ".join(f"[{page.replace('_', ' ')}](pages/{page}.ipynb)" for page in one["pages"])
    if not keys:
        return links
    listed = " ".join(f"<code>{key}</code>" for key in keys)
    folded = f'<details class="keys"><summary>{counted(len(keys), "run")}</summary>{listed}</details>'
    return f"{links} {folded}" if links else folded


def sure(entries: Sequence[Entry]) -> str:
    """How sure the verdicts are: what the reproduced claims are about, what moves, and how many have enough seeds.

    Example:
        >>> one = {"verdict": "reproduced", "reduced": "", "about": "theorem", "moved": {}, "close": False, "groups": []}
        >>> sure([one])
        'Of the 1 reproduced, 0 are about trained networks, 1 about theorems and 0 about data. Of all 1 verdict, 0 move with a threshold, 0 may change on another machine, and 0 rest on 3 seeds or more in every group.'
    """  # noqa: E501
    good = [one["about"] for one in entries if one["verdict"] == "reproduced"]
    judged = [one for one in entries if one["verdict"] not in UNJUDGED]
    least = int(thresholds()["seeds_least"])
    seeds = sum(bool(one["groups"]) and min(group["seeds"] for group in one["groups"]) >= least for one in judged)
    moved, close = (sum(bool(one[name]) for one in judged) for name in ("moved", "close"))
    return (
        f"Of the {len(good)} reproduced, {good.count('networks')} are about trained networks, {good.count('theorem')} "
        f"about theorems and {good.count('data')} about data. Of all {len(judged)} {plural(len(judged), 'verdict')}, "
        f"{moved} move with a threshold, {close} may change on another machine, and {seeds} rest on {least} seeds "
        "or more in every group."
    )
