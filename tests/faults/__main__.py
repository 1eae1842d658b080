"""Count the effects of faults, and write the numbers into the file that the book's page on faults reads.

python -m tests.faults malformed|kills|two|disk|planted [--n N]

The kills are compared with `build/store` as `make book` leaves it. Planted faults need the book's data, and keep their
runs in `build/planted`, so that an interrupted count can go on.
"""

import argparse
import logging
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pytest

from benchmarks.timing import write
from nrc_core.claims.agreement import LIMIT
from nrc_core.claims.references import References, trained_pages
from nrc_core.files import project_folder
from nrc_core.workflow.profiles import read_profile
from tests.faults.disk import fill, small_disk
from tests.faults.guard import ACCEPTED, BROKEN, REFUSED, Watch, attempt
from tests.faults.kills import Build, different_tables, killed, leftovers
from tests.faults.malformed import KINDS
from tests.faults.planted import planted
from tests.faults.prepared import prepare_all

PROJECT = project_folder()
OUTPUT = PROJECT / "benchmarks" / "faults"
TOY, QUICK = PROJECT / "tests" / "toy.yml", PROJECT / "book" / "profiles" / "quick.yml"
LONGEST = 30.0  # longest time from the start of a build to its kill, in seconds
SIZES = [200, 600, 1500, 4000, 200_000]  # kilobytes
Row = dict[str, Any]


def malformed(folder: Path, n: int) -> tuple[list[Row], bool]:
    """Number of inputs of every kind that were refused, were accepted, or did harm."""
    watch, rows = Watch(), []
    for kind, make in KINDS.items():
        ends: Counter[str] = Counter()
        deeds = 0
        for number in range(n):
            own = folder / f"{kind} {number}"
            own.mkdir()
            with pytest.MonkeyPatch.context() as patch:
                outcome = attempt(watch, kind, make(Random(f"{kind} {number}"), own, patch), own)
            ends[outcome.end] += 1
            deeds += bool(outcome.deeds)
            if not outcome.is_sound:
                print(outcome)
        named = {"refused in one line": REFUSED, "accepted": ACCEPTED, "broke down": BROKEN}
        rows.append(
            {"inputs": kind, "n": n, **{words: ends[end] for words, end in named.items()}, "forbidden deeds": deeds}
        )
    return rows, all(row["broke down"] == row["forbidden deeds"] == 0 for row in rows)


def kills(folder: Path, n: int) -> tuple[list[Row], bool]:
    """Kill the quick build many times, and compare its tables with `build/store`, which was built without kills."""
    reference, often = PROJECT / "build" / "store", Build(QUICK, folder / "killed")
    moments = killed(often, n, LONGEST)
    different, orphans = different_tables(often.store, reference), leftovers()
    row = {
        "kills": len(moments),
        "seconds to a kill, least": round(min(moments), 1),
        "median": round(median(moments), 1),
        "most": round(max(moments), 1),
        "tables": len(list(reference.glob("[0-9a-f]*/*.parquet"))),
        "different": len(different),
        "orphans left": len(orphans),
    }
    print(*different, *orphans, sep="\n")
    return [row], len(moments) == n and not different and not orphans


def two(folder: Path, n: int) -> tuple[list[Row], bool]:
    """Start two builds in one folder, `n` times."""
    reference = Build(TOY, folder / "alone")
    _expect(reference)
    codes: Counter[int] = Counter()
    different = 0
    for number in range(n):
        build = Build(TOY, folder / f"two {number}")
        codes.update(process.wait(3600) for process in [build.start(), build.start()])
        different += len(different_tables(build.store, reference.store)) + (not build.page.is_file())
    row = {"pairs": n, "ended well": codes[0], "refused": codes[1], "tables or pages different": different}
    return [row], codes == {0: n, 1: n} and different == 0


def disk(folder: Path, n: int) -> tuple[list[Row], bool]:
    """Build on a disk that becomes full several times and grows each time."""
    reference = Build(TOY, folder / "alone")
    _expect(reference)
    with small_disk(folder / "disk", SIZES[0]) as small:
        if small is None:
            sys.exit("needs the right to mount a small file system")
        found = fill(Build(TOY, small.folder / "build"), small, SIZES, reference.store)
    print(*found.lost, *found.different, sep="\n")
    row = {
        "kB on the disk": ", ".join(map(str, SIZES)),
        "builds that failed": found.failures,
        "runs stored at the last of them": found.complete,
        "of them lost": len(found.lost),
        "tables different in the end": len(found.different),
    }
    return [row], found.failures > 0 and found.complete > 0 and not found.lost and not found.different


def plant(folder: Path, n: int) -> tuple[list[Row], bool]:
    """Plant faults in training, data and metrics, and count the pages whose re-check finds them."""
    del folder, n
    pages = trained_pages(read_profile(QUICK))
    return planted(pages, References.read(), PROJECT / "build" / "planted"), True


def _expect(build: Build) -> None:
    if build.finish():
        sys.exit(f"a build without faults failed:\n{(build.folder / 'build.log').read_text()[-3000:]}")


# For each part: its function, its title, the contents of its table, and the default number of repetitions.
PARTS: dict[str, tuple[Callable[[Path, int], tuple[list[Row], bool]], str, str, int]] = {
    "malformed": (malformed, "Malformed inputs", "What became of them", 500),
    "kills": (kills, "Killed builds", "The quick book, killed at random moments and resumed after each", 50),
    "two": (two, "Two builds at once", "Pairs of builds of the test book, started in one folder", 5),
    "disk": (disk, "A full disk", "The test book on a disk that is too small, and grows after each failure", 1),
    "planted": (
        plant,
        "Planted faults",
        "Each page was run with one fault at a time; the number is its distance to the nearest reference run, and it "
        f"differs beyond {LIMIT:g}",
        1,
    ),
}


def main() -> None:
    """Run one part; the exit code is 1 if it did harm."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--n", type=int)
    given = parser.parse_args()
    act, title, caption, n = PARTS[given.part]
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        if given.part not in ("kills", "planted"):  # these two need the book's own data
            prepare_all(folder / "data")
            os.environ["NRC_DATA_DIR"] = str(folder / "data")
        rows, sound = act(folder, given.n or n)
    write(OUTPUT / f"{given.part}.json", title, [{"caption": caption, "rows": rows}])
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    main()
