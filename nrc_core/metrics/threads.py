"""The cores that are left when arithmetic is held to one thread, so that results are the same on every machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def on_all_cores(function: Callable[[Item], Outcome], items: Iterable[Item]) -> list[Outcome]:
    """`function` of every item, as `map`; where torch has one thread, of as many at once as there are cores.

    For work on the CPU that torch does, which lets other threads of Python go on. Each item is the work of one
    thread, so its numbers are those it has alone.

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
    """What `reproducible_arithmetic` sets, which new threads do not take over: one thread, denormals flushed."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _cores() -> int:
    """That this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
