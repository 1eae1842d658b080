"""Use of all cores while torch has one thread, which makes results the same on every machine."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def on_all_cores(function: Callable[[Item], Outcome], items: Iterable[Item]) -> list[Outcome]:
    """Apply `function` to every item, as `map` does; if torch has one thread, process one item on each core at once.

    The function must compute with torch on the CPU: only then can other Python threads run at the same time. Each item
    is computed by one thread, so its numbers are the same as without the other items.

    Example:
        >>> on_all_cores(abs, [-1, 2])
        [1, 2]
    """
    listed = list(items)
    workers = min(len(listed), _cores())
    if workers < 2 or torch.get_num_threads() > 1:
        return [function(item) for item in listed]
    with ThreadPoolExecutor(workers, initializer=_as_here) as pool:
        return list(pool.map(function, listed))


def _as_here() -> None:
    """Set one thread and flush denormal numbers, as `reproducible_arithmetic` does; new threads do not inherit this."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _cores() -> int:
    """Number of cores this process may use, if the operating system reports it; else the number of all cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
