"""The page on machines, as Markdown and a figure: runs of other machines against references of the same seeds."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from nrc_core.claims.agreement import LIMIT
from nrc_core.claims.close_calls import CLOSE
from nrc_core.claims.rechecks import NEW_SEEDS
from nrc_core.claims.references import ELSEWHERE, References, differences, machine_share, runs_elsewhere
from nrc_core.results.phrases import markdown_table
from nrc_core.sections.canvas import COLLAPSE, COLOURS, NETWORK, NEUTRAL, Picture, canvas, picture

Entry = Mapping[str, Any]
# What the folders of `results/machines` are, in words.
NAMES = {
    "h100": "one NVIDIA H100",
    "avx2": "an Intel Xeon, AVX2",
    "plain": "an Intel Xeon, without vector instructions",
    "xeon": "an Intel Xeon, AVX-512",
    "epyc": "an AMD EPYC, AVX2",
}
IN_SIGHT = ("h100",)  # their runs were known when the limit was set
SHOWN = {"hopper": (NETWORK, "o"), "swimmer": (COLLAPSE, "D"), "cascading_collapse": (COLOURS["nrc1"], "s")}
NOTHING = "*No run has been made on another machine: `nrc references PAGE --machine NAME` makes some.*\n"


def page(
    references: References, machines: Mapping[str, References], entries: Sequence[Entry], simulated: str = ""
) -> str:
    """Finding, figure, and tables: by page and machine, rates of false alarms, close verdicts.

    Args:
        entries: of the ledger.
        simulated: a sentence on data that are made on the spot, see `data_made_here`.
    """
    every = reruns(references, machines)
    if not every["published"].any():
        return NOTHING
    parts = [
        _finding(every, machine_share(references, machines)),
        "```{image} generated/machines.svg\n:alt: " + figure(references, machines).alt + "\n:width: 100%\n```",
        "## Page by page\n\n" + _by_page(every, references),
        "## Does the re-check raise false alarms?\n\n" + _alarms(every),
        "## Which verdicts would move?\n\n" + _close(entries),
        *([f"## Are the data the same?\n\n{simulated}"] if simulated else []),
    ]
    return "\n\n".join(parts) + "\n"


def figure(references: References, machines: Mapping[str, References]) -> Picture:
    """The spread between machines over that between seeds: a row for each kind of quantity, a dot for each page."""
    spread = _spreads(differences(references, machines))
    order = list(spread.groupby("kind")["share"].median().sort_values().index)
    with canvas(1, 1, 0.35 * len(order) + 1.8, width=6.4) as (drawing, [[axis]]):
        for name, rows in spread.groupby("page", sort=False):
            places = [order.index(kind) for kind in rows["kind"]]
            colour, marker = SHOWN.get(str(name), (NEUTRAL, "."))
            label = str(name).replace("_", " ") if name in SHOWN else None
            axis.plot(rows["share"], places, marker, color=colour, label=label, linestyle="none", alpha=0.85)
        axis.plot([], [], ".", color=NEUTRAL, label="other pages")
        axis.axvline(1, color=NEUTRAL, linestyle="--")
        axis.text(1, len(order) - 0.3, " another seed", va="bottom", fontsize=9)
        axis.set_yticks(range(len(order)), order)
        axis.set_xlim(0, max(1.25, 1.1 * spread["share"].max()))
        axis.set_xlabel("between machines, over between seeds")
        drawing.legend(loc="outside lower center", ncols=2)
        below = int((spread["share"] < 1).sum())
        return picture(
            drawing,
            f"Differences between machines by kind of quantity: {below} of {len(spread)} dots lie below 1, where "
            "another machine moves a result as far as another seed.",
        )


def data_made_here(here: Mapping[str, str], published: Mapping[str, set[str]]) -> str:
    """Whether simulated data are the same as those of the published runs, to the bit.

    Args:
        here: the checksum of the table on this machine, by data set.
        published: the checksums of the tables that published runs were trained on, by data set.

    Example:
        >>> data_made_here({"hopper": "a"}, {"hopper": {"b"}})
        'Made here and different: hopper.'
    """
    both = [name for name in here if name in published]
    same = [name for name in both if published[name] == {here[name]}]
    other = [name for name in both if name not in same]
    alike = f"Made on this machine and the same to the bit as for the published runs: {', '.join(same)}."
    parts = [alike] if same else []
    parts += [f"Made here and different: {', '.join(other)}."] if other else []
    return " ".join(parts)


def reruns(references: References, machines: Mapping[str, References]) -> pd.DataFrame:
    """Every run on another machine, compared with the references as in `nrc check`.

    Returns:
        Columns `machine, page, setting, seed`, `published` (whether a reference has this seed), `number` (distance to
        the nearest reference), `nearest` (whether the nearest reference has the same seed) and `outside` (whether the
        number is above the limit).
    """
    rows = []
    for run, own, there in runs_elsewhere(references, machines):
        distances = there.distances(own)
        number, nearest = float(distances.min()), distances.idxmin() == run["seed"]
        published = run["seed"] in distances
        rows.append(run | {"published": published, "number": number, "nearest": nearest, "outside": number > LIMIT})
    return pd.DataFrame(rows, columns=[*ELSEWHERE, "published", "number", "nearest", "outside"])


def _spreads(found: pd.DataFrame) -> pd.DataFrame:
    squares = found.assign(square=found["z"].astype(float) ** 2)
    return (squares.groupby(["page", "kind"], sort=False)["square"].mean() ** 0.5).rename("share").reset_index()


def _finding(every: pd.DataFrame, share: float | None) -> str:
    known = every[every["published"]]
    assert share is not None
    answer = "A little" if share < 0.5 else "As much as on the seed" if share > 0.9 else "Somewhat"
    reruns_of, machines, same = len(known), known["machine"].nunique(), int(known["nearest"].sum())
    return (
        f"**{answer}.** The same seed on another machine moves a result by {share:.2f} of what another seed does (root "
        f"mean square over all compared quantities of {reruns_of} reruns, on {machines} machines or instruction sets). "
        f"In {same} of {reruns_of} reruns the nearest of all reference runs is that of the same seed: where training "
        "can end in different ways, as on Swimmer, the seed decides which, not the machine."
    )


def _by_page(every: pd.DataFrame, references: References) -> str:
    known = every[every["published"]]
    head = ["page", "machine", "reruns", "distance to the nearest reference (largest)", "same seed is nearest"]
    lines = [
        [
            str(name).replace("_", " "),
            NAMES.get(str(machine), str(machine)),
            len(rows),
            f"{rows['number'].median():.2f} ({rows['number'].max():.2f})",
            int(rows["nearest"].sum()),
        ]
        for (name, machine), rows in known.groupby(["page", "machine"])
    ]
    made = ", ".join(sorted({f"{row.device} (torch {row.torch})" for row in references.runs.itertuples()}))
    return (
        markdown_table(head, lines, right=3)
        + f"\n\n*A distance of 1 is that of two seeds. The references were made on: {made}.*"
    )


def _alarms(every: pd.DataFrame) -> str:
    runs = every.groupby(["machine", "page", "seed"])
    pages = runs.agg(published=("published", "all"), outside=("outside", "any"), number=("number", "max"))
    known, new = pages[pages["published"]], pages[~pages["published"]]
    together, alarms = _of_new_seeds(every[~every["published"]])
    seen = known.index.get_level_values("machine").isin(IN_SIGHT)
    lines: list[list[object]] = []
    for words, rows in (
        ("published seeds on a machine whose runs were known when the limit was set", known[seen]),
        ("published seeds on machines that came after it", known[~seen]),
    ):
        lines.append([words, len(rows), rows["outside"].sum(), rows["outside"].sum()])
    lines.append(["a seed that no reference has", len(new), new["outside"].sum(), "0, by the rule"])
    lines.append([f"{NEW_SEEDS} such seeds together, all choices of them", together, "", alarms])
    return (
        f"A page differs if a run of a published seed is farther than {LIMIT:g} from every reference, or if all "
        f"runs of {NEW_SEEDS} or more new seeds are.\n\n"
        + markdown_table(["what", "page-runs", "outside", "alarms"], lines, right=3)
        + "\n\nOne or two new seeds are never an alarm. Some trainings end differently from all references (on Swimmer "
        "the output may vary in one direction, or in two), and five references cannot show every way to end. The "
        "[page on faults](faults.md) says what the re-check does notice."
    )


def _of_new_seeds(new: pd.DataFrame) -> tuple[int, int]:
    """How many choices of `NEW_SEEDS` new seeds of a page there are, and how many of them raise an alarm.

    A choice raises an alarm if one setting has all of its seeds outside.
    """
    choices = alarms = 0
    for _, rows in new.groupby(["machine", "page"]):
        outside = rows.pivot_table(index="setting", columns="seed", values="outside", aggfunc="first")
        for seeds in combinations(outside.columns, NEW_SEEDS):
            choices += 1
            alarms += bool(outside[list(seeds)].eq(True).all(axis=1).any())
    return choices, alarms


def _close(entries: Sequence[Entry]) -> str:
    close = [entry for entry in entries if entry.get("close")]
    if not close:
        return "None: no verdict has a chance of " + f"{CLOSE:.0%} or more to change on another machine."
    rows = []
    for entry in close:
        link = f"<a class='claim' href='ledger.html#{entry['id']}'>{entry['id']}</a>"
        rows.append([f"{link} {entry['statement']}", entry["verdict"], f"{entry['change']:.0%}"])
    return (
        "On another machine, a network near a limit may fall on the other side of it. If every value moves by a random "
        f"(normal) amount, as large as machines differ, these verdicts change with a chance of {CLOSE:.0%} or more; "
        "the ledger calls them *close calls*.\n\n"
        + markdown_table(["claim", "verdict", "chance of another verdict"], rows, right=1)
    )
