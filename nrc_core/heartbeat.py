"""A sign of life during long work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 30.0


@contextmanager
def heartbeat(label: str) -> Iterator[None]:
    """Print a line every `SECONDS` while the block runs, so that long work is not taken for hung."""
    started, stop = time.monotonic(), threading.Event()

    def beat() -> None:
        while not stop.wait(SECONDS):
            print(f"{label}: running for {time.monotonic() - started:.0f} s", flush=True)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
