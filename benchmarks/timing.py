"""Functions that all benchmarks share: the clock, the machine, and the file that the book's page on speed reads."""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from nrc_core.results.provenance import commit, device_name


def make_parser(
    text: str | None, name: str, *, repeats: int | None = None, device: bool = False
) -> argparse.ArgumentParser:
    """The options that benchmarks share.

    Args:
        text: the help, which is the docstring of the benchmark.
        name: name of the file in build/benchmarks that is the default of `--output`.
        repeats: the default of `--repeats`; None for a benchmark that measures once.
        device: whether there is an option `--device`.

    Example:
        >>> make_parser("help", "training", repeats=5).parse_args(["--repeats", "2"]).repeats
        2
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks") / f"{name}.json")
    if repeats is not None:
        parser.add_argument("--repeats", type=int, default=repeats)
    if device:
        parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    return parser


def seconds(call: Callable[[], object], repeats: int) -> list[float]:
    """Wall times in seconds of `repeats` calls, after one call to warm up.

    On a GPU the call must wait until its work is done (`torch.cuda.synchronize`).

    Example:
        >>> len(seconds(lambda: sum(range(10)), repeats=3))
        3
    """
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return times


def spread(times: Sequence[float]) -> dict[str, float]:
    """The number of times, and the smallest, the median and the largest time.

    Raises:
        ValueError: there are no times.

    Example:
        >>> spread([0.3, 0.1, 0.2])
        {'n': 3, 'least': 0.1, 'median': 0.2, 'most': 0.3}
    """
    if not times:
        raise ValueError("there are no times to take the median of: measure at least once")
    return {"n": len(times), "least": min(times), "median": statistics.median(times), "most": max(times)}


def machine(device: torch.device | str = "cpu") -> dict[str, Any]:
    """Processor in words, number of torch's threads, and versions.

    Example:
        >>> sorted(machine())
        ['device', 'python', 'threads', 'torch']
    """
    name = device_name(torch.device(device))
    return {
        "device": name.removesuffix(", one thread"),  # results use one thread, benchmarks may use more
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }


def write(
    output: Path, title: str, tables: Sequence[Mapping[str, Any]], device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Write tables as JSON with the machine, the date and the commit, print them, and return what was written.

    Args:
        output: the file; its folder is made.
        title: the section of the book's page.
        tables: each `{"caption": str, "rows": [flat dictionary, ...]}`.
        device: the device of the work.

    Raises:
        ValueError: a number that is not finite, which JSON does not have.

    Example:
        >>> made = write(tmp / "one.json", "One", [{"caption": "a caption", "rows": [{"n": 1}]}])  # doctest: +ELLIPSIS
        One
        ...
        >>> sorted(made)
        ['commit', 'date', 'machine', 'tables', 'title']
    """
    found = {
        "title": title,
        "machine": machine(device),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "tables": [{"caption": table["caption"], "rows": [dict(row) for row in table["rows"]]} for table in tables],
    }
    text = json.dumps(found, indent=2, allow_nan=False) + "\n"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text)
    print(title, json.dumps(found["machine"]), found["date"], found["commit"], sep="\n")
    for table in found["tables"]:
        print(f"\n{table['caption']}\n{pd.DataFrame(table['rows']).to_string(index=False)}")
    return found
