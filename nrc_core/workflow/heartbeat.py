"""A sign of life during long work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from nrc_core.training.progress import is_quiet, say

SECONDS = 30.0


@contextmanager
def heartbeat(label: str) -> Iterator[None]:
    """Print a line every `SECONDS` while the block runs, so that long work is not taken for hung."""
    started, stop = time.monotonic(), threading.Event()

    def beat() -> None:
        while not stop.wait(SECONDS) and not is_quiet():
            say(f"{label}: running for {time.monotonic() - started:.0f} s")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
