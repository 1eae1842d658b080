"""Locks between processes: who has to wait says so, and for whom."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

logger = logging.getLogger(__name__)
PATIENCE = 1.0  # seconds of waiting that are not worth a line


@contextmanager
def locked(path: Path, holder: str) -> Iterator[None]:
    """Hold the lock of a file while the block runs; a killed process holds none.

    Args:
        path: of the lock; its folder is made.
        holder: in words, who has the lock if it is not free.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        logger.warning("waiting for %s (Ctrl-C ends the waiting only)", holder)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
