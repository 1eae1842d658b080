"""The page that says how every run was made, how old it is, and what the present code gives."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import pandas as pd

from book.builder.recheck import Check, recomputed
from nrc_core.results.phrases import counted, markdown_table
from nrc_core.results.results import Results
from nrc_core.workflow.profiles import Profile


def page(
    profile: Profile,
    each: Mapping[str, Results | None],
    check: Check,
    *,
    now: datetime | None = None,
    shown: Collection[str] = (),
) -> str:
    """Two tables of a profile: a row for each page, and a row for each run.

    Args:
        each: the results of each page, by its name; None for a page that trains nothing or was never run.
        check: what `nrc check --json` prints.
        now: the time up to which ages are counted; the present by default.
        shown: names of the pages that show the published runs, as their data are not on this machine.
    """
    now = now or datetime.now(UTC)
    runs = {name: _runs(results, now) for name, results in each.items() if results is not None}
    every = _every(runs)
    total = every["seconds"].sum() / 3600
    commits = every["commit"].nunique()
    verb, whose = ("shows", "its") if len(shown) == 1 else ("show", "their")
    lent = f" {len(shown)} of the pages {verb} the published runs, as {whose} data are not on this machine."
    lines = [
        f"Profile *{profile.name}*, built on {now:%Y-%m-%d}: {len(every)} runs, {total:.1f} hours of computing, made "
        f"by {counted(commits, 'commit')}.{lent if shown else ''}",
        "",
        f"{recomputed(check)} The tests train a small run again that the first version of the code made. It must "
        "give the same numbers to 0.2 percent; all processors that were tried keep this limit.",
        "",
    ]
    rows: list[list[object]] = []
    titles = {one.name: one.title for one in profile.pages}
    for name, title in titles.items():
        if name not in runs:
            rows.append([f"[{title}](pages/{name}.ipynb)", "none", *[""] * 5])
            continue
        table = runs[name]
        days = sorted(table["day"])
        rows.append(
            [
                f"[{title}](pages/{name}.ipynb){', published runs' if name in shown else ''}",
                len(table),
                f"{table['seconds'].sum() / 3600:.2f}",
                _each(table["device"]),
                _each(table["torch"]),
                days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}",
                table["age"].max(),
            ]
        )
    lines.append(markdown_table(["page", "runs", "computing, hours", "device", "torch", "made", "age, days"], rows))
    lines += ["", f":::{{dropdown}} All {len(every)} runs", _all(every), ":::"]
    return "\n".join(lines) + "\n"


def _runs(results: Results, now: datetime) -> pd.DataFrame:
    table = results.runs.drop_duplicates("key").copy()
    records = [results.provenance[key] for key in table["key"]]
    dates = [datetime.fromisoformat(record["date"]) for record in records]
    return table.assign(
        torch=[record["packages"]["torch"] for record in records],
        day=[f"{date:%Y-%m-%d}" for date in dates],
        age=[(now - date).days for date in dates],
    )


def _every(runs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    names = ["key", "dataset", "seed", "device", "torch", "seconds", "day", "age", "commit"]
    tables = [table[names].assign(page=name) for name, table in runs.items()]
    every = pd.concat(tables) if tables else pd.DataFrame(columns=[*names, "page"])
    return every.drop_duplicates("key")  # several pages may show the same run


def _all(every: pd.DataFrame) -> str:
    head = ["run", "first shown on", "data", "seed", "device", "torch", "seconds", "made", "commit"]
    rows = [
        [
            f"`{row.key}`",
            f"[{row.page}](pages/{row.page}.ipynb)",
            *(row.dataset, row.seed, row.device, row.torch, f"{row.seconds:.0f}", row.day, f"`{row.commit}`"),
        ]
        for row in every.itertuples()
    ]
    return markdown_table(head, rows)


def _each(values: pd.Series) -> str:
    """The different values. The number of threads, which is always one, and the build of torch are left out."""
    return ", ".join(dict.fromkeys(str(value).removesuffix(", one thread").partition("+")[0] for value in values))
