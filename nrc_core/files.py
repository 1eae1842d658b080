"""Files and folders: the project's folder, folders written completely or not at all, checksums, YAML and locks."""

import errno
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from filelock import FileLock, Timeout

from nrc_core.errors import ConfigError

logger = logging.getLogger(__name__)
PATIENCE = 1.0  # seconds to wait for a lock before a message says so
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the loader in C is ten times as fast


def project_folder() -> Path:
    """The checkout this package is installed from, or the current folder when it is not a checkout."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


@contextmanager
def atomic_folder(final: Path) -> Iterator[Path]:
    """Give a temporary folder beside `final`, which replaces `final` if the block succeeds.

    A reader never sees an incomplete folder. After an error, or if the process is killed, the old folder is
    still there. If several processes write at once, the last one wins.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{final.name}.partial-", dir=final.parent, ignore_cleanup_errors=True) as name:
        partial = Path(name)
        yield partial
        partial.chmod(0o755)
        while True:
            try:
                partial.replace(final)
                break
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            # The old folder must be moved away. If it no longer exists, another process has moved it.
            with TemporaryDirectory(prefix=f".{final.name}.old-", dir=final.parent) as old, suppress(FileNotFoundError):
                final.replace(old)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: Path, holder: str) -> Iterator[None]:
    """Hold the lock of a file while the block runs. If the process is killed, the lock is free again.

    Args:
        path: path of the lock file; its folder is made.
        holder: description of the process that may hold the lock, for the message.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        held = lock.acquire(timeout=PATIENCE)
    except Timeout:
        logger.warning("waiting for %s (Ctrl-C ends the waiting only)", holder)
        held = lock.acquire()
    with held:
        yield


def read_yaml(path: Path, kind: type) -> Any:
    """Content of a YAML file.

    Raises:
        ConfigError: the file cannot be read, or its content is not of the type `kind` (dict or list).
    """
    try:
        content = yaml.load(path.read_text(), LOADER)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {path.name} ({type(error).__name__})") from None
    if not isinstance(content, kind):
        raise ConfigError(f"{path.name} must hold a {'mapping' if kind is dict else 'list'}")
    return content
