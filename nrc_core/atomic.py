"""Folders that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_folder(final: Path) -> Iterator[Path]:
    """A temporary folder beside `final` that becomes `final`, replacing it, if the block succeeds.

    A reader never sees a folder that is not complete; after an error or a kill the old one stands.
    Of several writers at once the last one wins.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{final.name}.partial-", dir=final.parent))
    try:
        yield partial
        partial.chmod(0o755)
        while not _take_place(partial, final):
            _move_away(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _take_place(partial: Path, final: Path) -> bool:
    """Rename, unless something stands there already."""
    try:
        partial.replace(final)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _move_away(final: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=f".{final.name}.old-", dir=final.parent))
    try:
        final.replace(old)
    except FileNotFoundError:
        pass  # another writer was faster
    finally:
        shutil.rmtree(old)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
