"""UTKFace: photographs of faces, 200 x 200 -> age in years.

The aligned and cropped faces are for non-commercial research. They must be downloaded by hand from
https://susanqq.github.io/UTKFace/. The file names are `age_gender_race_date.jpg.chip.jpg`; in the original archive
three names lack a field.
"""

import gzip
import tarfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath

import pandas as pd

from data_scripts.images import Bounded, fault
from nrc_core.data.prepared import Manifest, write_prepared
from nrc_core.errors import DataDamaged, DataUnavailable
from nrc_core.files import sha256

PAGE, ARCHIVE = "https://susanqq.github.io/UTKFace/", "UTKFace.tar.gz"
CHECKSUM, ROWS = "0131b7e5fc6c65c7867e72efee103ea95a721ca127ca0710b81ae26398b56e5a", 23_704
SIZE, FIELDS, OLDEST = (200, 200), 4, 150
# The original has 23,707 faces of at most 12 kB, 140 MB unpacked. An archive above these limits is not the original.
MEMBERS, MEMBER_BYTES, UNPACKED_BYTES = 100_000, 2_000_000, 1_000_000_000


def prepare(name: str, data_dir: Path, from_dir: Path | None) -> Manifest:
    """Make `data_dir/name` from the archive in `from_dir`; the bytes of the faces stay as they are.

    Raises:
        DataUnavailable: there is no local copy of the archive.
        DataDamaged: the archive is truncated, not a tar.gz, or contains no usable face.
    """
    if from_dir is None or not (from_dir / ARCHIVE).is_file():
        where = "UTKFace is not downloaded automatically" if from_dir is None else f"{from_dir / ARCHIVE} is not there"
        raise DataUnavailable(
            f"{where}: get {ARCHIVE} (aligned and cropped faces, for non-commercial research only) from {PAGE} and "
            "pass its folder with --from-dir, or put it into a folder utkface in NRC_DATA_MIRROR"
        )
    archive = from_dir / ARCHIVE
    identity = sha256(archive)
    table, skipped = read_archive(archive)
    known = identity == CHECKSUM
    if known and len(table) != ROWS:
        raise DataDamaged(
            f"{archive} is the known archive, of {ROWS} usable faces, but {len(table)} were read (skipped: "
            f"{dict(skipped)}): install the locked version of Pillow"
        )
    manifest = Manifest(
        name=name,
        kind="real" if known else "your own archive",
        source=f"UTKFace, aligned and cropped faces (Zhang, Song and Qi, 2017), {PAGE}"
        + ("" if known else "; this archive differs from that of the published results"),
        licence="non-commercial research only; the faces are never republished",
        identity=identity,
        inputs=["image"],
        targets=["age"],
        rows=len(table),
        images=True,
        facts={"archive": ARCHIVE, "skipped": dict(skipped)},
    )
    return write_prepared(data_dir / name, table, manifest)


def read_archive(archive: Path) -> tuple[pd.DataFrame, Counter[str]]:
    """The faces and ages in the order of the names, and the number of members that were left out, by reason.

    The archive is read once from start to end. Nothing is unpacked to disk.
    """
    faces: dict[str, bytes] = {}
    skipped: Counter[str] = Counter()
    try:
        with gzip.open(archive) as unpacked:
            most = f"{archive} unpacks to more than {UNPACKED_BYTES} bytes: get it again from {PAGE}"
            stream = Bounded(unpacked, UNPACKED_BYTES, most)
            with tarfile.open(fileobj=stream, mode="r|") as members:  # type: ignore[call-overload]
                for count, member in enumerate(members, 1):
                    if count > MEMBERS:
                        raise DataDamaged(f"{archive} has more than {MEMBERS} members: not the original, get {PAGE}")
                    reason = "name given twice" if member.name in faces else _refusal(member)
                    if reason is None and not member.isdir():
                        file = members.extractfile(member)
                        content = file.read() if file else b""
                        reason = fault(content, "JPEG", SIZE)
                        if reason is None:
                            faces[member.name] = content
                    if reason:
                        skipped[reason] += 1
            while stream.read(1 << 20):  # the checksum is at the end, and shows whether the archive is truncated
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError, ValueError) as error:
        raise DataDamaged(f"{archive} is truncated or no tar.gz ({error}): get it again from {PAGE}") from None
    if not faces:
        reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.items()) or "it is empty"
        raise DataDamaged(f"{archive} holds no usable face ({reasons}): get it again from {PAGE}")
    names = sorted(faces)
    ages = [float(PurePosixPath(name).name.split("_")[0]) for name in names]
    return pd.DataFrame({"image": [faces[name] for name in names], "age": ages}), skipped


def _refusal(member: tarfile.TarInfo) -> str | None:
    """The reason why a member is left out before it is read, or None if it is a folder or may be a face."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        return "unsafe member name"
    if member.isdir():
        return None
    if not member.isfile():
        return "link or device"
    if not path.name.endswith(".jpg"):
        return "not named .jpg"
    if member.size > MEMBER_BYTES:
        return f"larger than {MEMBER_BYTES} bytes"
    fields = path.name.removesuffix(".jpg").split("_")
    if len(fields) < FIELDS or "" in fields:
        return "name lacks a field"
    age = fields[0]
    if not (age.isascii() and age.isdigit() and len(age) <= len(str(OLDEST)) and int(age) <= OLDEST):
        return f"age not a whole number from 0 to {OLDEST}"
    return None
