"""Make a malformed file from a sound file: change its bytes, or one value of the tree that it contains."""

import copy
from collections.abc import Callable
from random import Random
from typing import Any

MAGIC = (
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    b"\x80\x04\x95",
    b"\x89HDF\r\n\x1a\n",
    b"PAR1",
    b"\x93NUMPY",
    b"MATLAB 5.0",
    b"\x00",
)
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 0.5, float("nan"), float("-inf"), "", "no\nsuch\x00word", "../../evil", "/etc/passwd",
    "a" * 5000, [], [None], [[1]], {}, {"a": {"b": 1}}, "=1+1", "\ud7ff\u202e",
)  # fmt: skip


def _truncate(random: Random, content: bytes) -> bytes:
    return content[: random.randrange(len(content))]


def _flip(random: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 3, 20))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _overwrite(random: Random, content: bytes) -> bytes:
    start = random.randrange(len(content))
    end = min(len(content), start + random.choice((1, 8, 64, 4096)))
    return content[:start] + random.randbytes(end - start) + content[end:]


def _blank(random: Random, content: bytes) -> bytes:
    start = random.randrange(len(content))
    end = random.randrange(start, len(content)) + 1
    return content[:start] + bytes(end - start) + content[end:]


def _cut_out(random: Random, content: bytes) -> bytes:
    start = random.randrange(len(content))
    return content[:start] + content[start + random.choice((1, 7, 100, 1000)) :]


def _twice(random: Random, content: bytes) -> bytes:
    start = random.randrange(len(content))
    end = start + random.choice((1, 7, 100, 1000))
    return content[:end] + content[start:]


def _append(random: Random, content: bytes) -> bytes:
    return content + random.randbytes(random.choice((1, 100, 5000)))


def _begin(random: Random, content: bytes) -> bytes:
    magic = random.choice(MAGIC)
    return magic + content[len(magic) :]


def _noise(random: Random, content: bytes) -> bytes:
    return random.choice((b"", b"\xff\xfe", random.randbytes(200), b"\n" * 50, b"{" * 5000, b"<html>not found</html>"))


BYTES: dict[str, Callable[[Random, bytes], bytes]] = {
    "cut off": _truncate,
    "bits flipped": _flip,
    "overwritten": _overwrite,
    "blanked": _blank,
    "cut out": _cut_out,
    "given twice": _twice,
    "appended": _append,
    "another start": _begin,
    "other content": _noise,
}


def mutate(random: Random, content: bytes) -> tuple[str, bytes]:
    """A malformed version of a file's bytes, with a word for the change.

    Example:
        >>> mutate(Random(1), b"0123456789")
        ('overwritten', b'012345678A')
    """
    while True:
        name = random.choice(list(BYTES))
        if (changed := BYTES[name](random, content)) != content:
            return name, changed


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every container of a tree with each of its keys or indices."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else []
    return [place for key in keys for place in ((tree, key), *_places(tree[key]))]


def replant(random: Random, tree: Any) -> tuple[str, Any]:
    """A copy of a tree of plain values in which one value is changed, removed, renamed or doubled.

    Example:
        >>> replant(Random(0), {"a": [1, 2]})
        ('0: gone', {'a': [2]})
    """
    tree = copy.deepcopy(tree)
    holder, key = random.choice(_places(tree))
    what = random.choice(("another value", "another value", "another value", "gone", "renamed", "wrapped"))
    if what == "another value":
        holder[key] = random.choice(ODD)
    elif what == "gone":
        del holder[key]
    elif what == "renamed" and isinstance(holder, dict):
        holder[f"{key}2"] = holder.pop(key)
    else:
        holder[key] = [holder[key], holder[key]]
    return f"{key}: {what}", tree
