"""Files and folders: the project's own, those that appear whole or not at all, checksums, YAML, locks."""

from __future__ import annotations

import errno
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from nrc_core.errors import ConfigError

logger = logging.getLogger(__name__)
PATIENCE = 1.0  # seconds of waiting that are not worth a line
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where there is one, ten times as fast


def project_folder() -> Path:
    """The checkout this package is installed from, or the current folder when it is not a checkout."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


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


def read_yaml(path: Path, kind: type) -> Any:
    """The content of a YAML file.

    Raises:
        ConfigError: it cannot be read, or holds something else than a `kind` (dict or list).
    """
    try:
        content = yaml.load(path.read_text(), LOADER)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {path.name} ({type(error).__name__})") from None
    if not isinstance(content, kind):
        raise ConfigError(f"{path.name} must hold a {'mapping' if kind is dict else 'list'}")
    return content
