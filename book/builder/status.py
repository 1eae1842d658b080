"""The page that says how every run was made, how old it is, and whether its code has changed since."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import pandas as pd

from nrc_core.results.results import Results
from nrc_core.training.identity import source_checksum
from nrc_core.workflow.profiles import Profile


def page(
    profile: Profile, each: Mapping[str, Results | None], now: datetime | None = None, shown: Collection[str] = ()
) -> str:
    """Tables of the pages and of all runs of a profile, by the results of its pages.

    Args:
        each: by name of a page, its results; None for a page that trains nothing or was never run.
        now: when ages are counted to; the present unless given.
        shown: names of the pages that show the published runs, as their data are not on this machine.
    """
    now = now or datetime.now(UTC)
    runs = {name: _runs(results, now) for name, results in each.items() if results is not None}
    every = _every(runs)
    total = every["seconds"].sum() / 3600
    unchanged = int(every["unchanged"].sum())
    verb, whose = ("shows", "its") if len(shown) == 1 else ("show", "their")
    lent = f" {len(shown)} of the pages {verb} the published runs, as {whose} data are not on this machine."
    lines = [
        f"Profile *{profile.name}*, built on {now:%Y-%m-%d}: {len(every)} runs, {total:.1f} hours of computing, made "
        f"by {every['commit'].nunique()} commits. The code that decides their numbers is still the same for "
        f"{unchanged} of them. A test holds changes of it to the numbers of a run made by the first version."
        f"{lent if shown else ''}",
        "",
        "| page | runs | computing, hours | device | torch | made | age, days | code as now |",
        "|---|---|---|---|---|---|---|---|",
    ]
    titles = {one.name: one.title for one in profile.pages}
    for name, title in titles.items():
        if name not in runs:
            lines.append(f"| [{title}](pages/{name}.ipynb) | none | | | | | | |")
            continue
        table = runs[name]
        days = sorted(table["day"])
        lines.append(
            f"| [{title}](pages/{name}.ipynb){', published runs' if name in shown else ''} | {len(table)} "
            f"| {table['seconds'].sum() / 3600:.2f} "
            f"| {_each(table['device'])} | {_each(table['torch'])} "
            f"| {days[0] if days[0] == days[-1] else f'{days[0]} to {days[-1]}'} "
            f"| {table['age'].max()} | {table['unchanged'].sum()} of {len(table)} |"
        )
    lines += ["", f":::{{dropdown}} All {len(every)} runs", *_all(every), ":::"]
    return "\n".join(lines) + "\n"


def _runs(results: Results, now: datetime) -> pd.DataFrame:
    table = results.runs.drop_duplicates("key").copy()
    records = [results.provenance[key] for key in table["key"]]
    dates = [datetime.fromisoformat(record["date"]) for record in records]
    return table.assign(
        torch=[record["packages"]["torch"] for record in records],
        day=[f"{date:%Y-%m-%d}" for date in dates],
        age=[(now - date).days for date in dates],
        unchanged=[record["source_checksum"] == source_checksum() for record in records],
    )


def _every(runs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    names = ["key", "dataset", "seed", "device", "torch", "seconds", "day", "age", "commit", "unchanged"]
    tables = [table[names].assign(page=name) for name, table in runs.items()]
    every = pd.concat(tables) if tables else pd.DataFrame(columns=[*names, "page"])
    return every.drop_duplicates("key")  # several pages may show the same run


def _all(every: pd.DataFrame) -> list[str]:
    lines = [
        "| run | first shown on | data | seed | device | torch | seconds | made | code as now | commit |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in every.itertuples():
        lines.append(
            f"| `{row.key}` | [{row.page}](pages/{row.page}.ipynb) | {row.dataset} | {row.seed} | {row.device} "
            f"| {row.torch} | {row.seconds:.0f} | {row.day} | {'yes' if row.unchanged else 'no'} | `{row.commit}` |"
        )
    return lines


def _each(values: pd.Series) -> str:
    """Different values, without the number of threads, which is one for all, and how torch was built."""
    return ", ".join(dict.fromkeys(str(value).removesuffix(", one thread").partition("+")[0] for value in values))
