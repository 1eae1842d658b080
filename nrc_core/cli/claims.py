"""`nrc claims`: judge the claims of the papers on the runs of a store, or show some claims in full."""

import argparse
import gc
import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from nrc_core.claims.comparisons import Compared
from nrc_core.claims.ledger import Judged, judge, regressions, score
from nrc_core.claims.references import References, machine_share, read_machines
from nrc_core.cli.given import profile_of, store_of
from nrc_core.errors import ConfigError, NrcError
from nrc_core.results.thresholds import read_thresholds

WIDTH = 100  # number of characters in a line of text
INDENT = " " * 4
MOST_VALUES = 12  # largest number of values of a group that are printed
MOST_KEYS = 3  # largest number of run keys that are printed


def execute(given: argparse.Namespace) -> None:
    """Judge the claims and print the verdicts; raise an error if a claim is no longer reproduced."""
    if given.claims and (given.record or given.against):
        raise ConfigError("--record and --against take the verdicts of all claims: leave the names out")
    gc.disable()  # collecting garbage takes a tenth of the time, and a process this short needs none
    try:
        _judge(given)
    finally:
        gc.enable()


def _judge(given: argparse.Namespace) -> None:
    profile = profile_of(given, "paper")
    expected = _read_verdicts(given.against) if given.against else {}
    full = bool(given.json or given.claims)  # only these outputs show which other thresholds would change a verdict
    share = machine_share(References.read(), read_machines()) if full else None
    judged = judge(profile, store_of(given, profile), share, names=given.claims, moved=full)
    if given.json:
        print(json.dumps([one.as_dict() for one in judged], indent=1))
    elif given.claims:
        print("\n\n".join("\n".join(_in_full(one)) for one in judged))
    else:
        widest = max(len(one.decision.in_words) for one in judged)
        for one in judged:
            held = ", ".join(f"{group.name} {group.held} of {group.networks}" for group in one.groups)
            print(f"{one.claim.id:6} {one.decision.in_words:{widest}} {one.claim.statement} [{held or one.reason}]")
        print("; ".join(f"{count} {verdict}" for verdict, count in score(judged).items()))
    if given.record:
        verdicts = {one.claim.id: one.decision.in_words for one in judged}
        given.record.write_text(json.dumps(verdicts, indent=1) + "\n")
    if lost := regressions(judged, expected):
        raise NrcError(
            f"{len(lost)} claims no longer hold ({'; '.join(lost)}): mend the code, or record the new verdicts "
            "(on another processor, a close call of few networks can have another verdict)"
        )


def _in_full(one: Judged) -> Iterator[str]:
    """Yield the lines about a claim and all the evidence for its verdict."""
    claim, seen = one.claim, one.observation
    yield f"{claim.id}: {one.decision.in_words}"
    yield from textwrap.wrap(claim.statement, WIDTH)
    yield f"source: {claim.source}; {claim.seeds} seeds wanted, configuration {claim.configuration}"
    if one.reason:
        yield from textwrap.wrap(f"reason: {one.reason}", WIDTH)
    if seen is not None:
        side = "at least" if seen.at_least else "at most"
        yield from textwrap.wrap(f"measured: {seen.quantity}; the limit is {side} {seen.limit:.4g}", WIDTH)
    for group in one.groups:
        low, high = group.interval
        shown = ", ".join(f"{value:.4g}" for value in group.values[:MOST_VALUES])
        more = f", and {len(group.values) - MOST_VALUES} more" if len(group.values) > MOST_VALUES else ""
        yield f"  {group.name}: holds in {group.held} of {group.networks} (95 % interval {low:.0%} to {high:.0%})"
        yield from textwrap.wrap(f"values {shown}{more}", WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    for name in claim.thresholds:
        known = read_thresholds()[name]
        text = f"threshold {name} = {known.value:g}: {known.reason}"
        yield from textwrap.wrap(text, WIDTH, subsequent_indent=INDENT)
    for compared in one.why:
        yield from _compared("why", compared)
    for compared in one.holds_under:
        yield from _compared("holds under" if compared.holds else "does not hold under", compared)
    for later in claim.changed:
        yield from textwrap.wrap(f"changed on {later.date}: {later.what}", WIDTH, subsequent_indent=INDENT)
    if claim.queue is not None:
        text = f"place {claim.queue.order}, {claim.queue.core_hours:g} core-hours: {claim.queue.what}"
        yield from textwrap.wrap(f"queue: {text}", WIDTH, subsequent_indent=INDENT)
    for change, verdict in one.moved.items():
        yield f"hangs on: with {change} it would be {verdict}"
    if seen is not None and not one.moved and one.groups:
        yield "hangs on: none of the other values of its thresholds would change the verdict"
    for page, why in one.weaker.items():
        left_out = one.groups and page not in one.decision.used
        yield f"left out: {page}, {why}" if left_out else f"page {page}: {why}"
    if one.change is not None:
        close = ", a close call" if one.close else ""
        yield f"doubt: on another machine the verdict would change with a chance of {one.change:.1%}{close}"
    if claim.note:
        yield from textwrap.wrap(f"note: {claim.note}", WIDTH)
    if claim.shown_on or claim.pages:
        yield f"pages: {', '.join(dict.fromkeys([*claim.pages, *claim.shown_on]))}"
    if one.keys:
        yield _runs(one.keys)


def _compared(label: str, one: Compared) -> Iterator[str]:
    """Yield a sentence on a claim, the numbers behind it, and the runs that they are of."""
    few = "" if one.enough else " (too few seeds: the ledger does not show it)"
    yield from textwrap.wrap(f"{label}: {one.comparison.text}{few}", WIDTH, subsequent_indent=INDENT)
    yield from textwrap.wrap(one.numbers, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    yield f"{INDENT}{_runs(one.keys)}; pages: {', '.join(one.comparison.pages) or 'none'}"


def _runs(keys: Sequence[str]) -> str:
    more = ", ..." if len(keys) > MOST_KEYS else ""
    return f"runs: {len(keys)}, in the store ({', '.join(keys[:MOST_KEYS])}{more})"


def _read_verdicts(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        raise ConfigError(f"no recorded verdicts at {path}: make them with `nrc claims --record {path}`") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must map claims to verdicts: make it with `nrc claims --record {path}`")
    return content
