"""Get files from their original source: interrupted downloads are continued, and checksums are compared."""

import http.client
import logging
import time
import urllib.error
import urllib.request
from pathlib import Path

from nrc_core.errors import DataDamaged, DataUnavailable
from nrc_core.files import sha256

logger = logging.getLogger(__name__)
CHUNK, LOG_EVERY_SECONDS, TIMEOUT_SECONDS = 1 << 20, 15.0, 30.0


def obtain(url: str, checksum: str, downloads: Path, from_dir: Path | None) -> Path:
    """The path of a file with the right checksum: in `from_dir` if it is given, else downloaded into `downloads`.

    An interrupted download leaves a `.part` file that the next call continues.

    Raises:
        DataUnavailable: the file is not in `from_dir`, or cannot be downloaded.
        DataDamaged: the SHA-256 of the file is not `checksum`; a wrong download is removed.
    """
    name = url.rsplit("/", 1)[-1]
    if from_dir is not None:
        path = from_dir / name
        if not path.is_file():
            raise DataUnavailable(f"{path} is not there: put {name} from {url} into {from_dir}")
        _check(path, checksum, f"get a fresh copy from {url}")
        return path
    path = downloads / name
    if not path.is_file():
        _download(url, path)
    try:
        _check(path, checksum, "run the command again to download it afresh")
    except DataDamaged:
        path.unlink()
        raise
    return path


def _check(path: Path, checksum: str, remedy: str) -> None:
    found = sha256(path)
    if found != checksum:
        size = path.stat().st_size
        raise DataDamaged(
            f"{path} ({size} bytes) has SHA-256 {found[:12]}..., expected {checksum[:12]}...: it is truncated or "
            f"altered, {remedy}"
        )


def _download(url: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
            done, logged = have if resumed else 0, time.monotonic()
            expected = done + int(response.headers.get("Content-Length") or 0)
            with part.open("ab" if resumed else "wb") as file:
                while chunk := response.read(CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    if time.monotonic() - logged > LOG_EVERY_SECONDS:
                        logged = time.monotonic()
                        logger.info("%s: %.1f MB so far", path.name, done / 1e6)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise DataUnavailable(f"{url} answers {error.code} {error.reason}: {_remedy(path)}") from None
        done = expected = have  # the partial file is already complete
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DataUnavailable(f"cannot download {url} ({reason}): {_remedy(path)}") from None
    if done < expected:
        raise DataUnavailable(f"{url} broke off after {done} of {expected} bytes: run the command again to go on")
    part.replace(path)


def _remedy(path: Path) -> str:
    return (
        f"try again later, or put {path.name} into a folder and pass it with --from-dir, "
        "or set NRC_DATA_MIRROR to a folder of local copies"
    )
