"""Inputs that are made to do harm, or that are well-formed but not of the requested kind."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd

BAD_MEMBERS: list[tuple] = [
    ("../evil", b"evil"),
    ("/tmp/evil", b"evil"),
    ("a/../../evil", b"evil"),
    ("link", "/etc/passwd", tarfile.SYMTYPE),
    ("hard", "../evil", tarfile.LNKTYPE),
    ("pipe", "", tarfile.FIFOTYPE),
    ("device", "", tarfile.CHRTYPE),
    ("n" * 300, b"long"),
    ("\udcff", b"no name"),
    ("UTKFace/999999_0_0_1.jpg", b"\xff\xd8\xff"),
    ("cifar-10-batches-bin/data_batch_1.bin", "/dev/zero", tarfile.SYMTYPE),
    ("stl10_binary/train_X.bin", bytes(5)),
]
CELLS = (
    "", "nan", "inf", "-1e999", "1e308", "9" * 400, "text", '"', "'", "a,b,c", "\x00", "1;2", "2026-01-01", "=1+1",
    "0x10", "١٢", "1_000", "True", "\udcff", "NULL", "1\r2", "(1+2j)", "[1]", "../../evil",
)  # fmt: skip


class Harmful:
    """An object that runs a command when it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.system, ("echo unpickled",)


def pickled() -> bytes:
    """A pickle that must not be loaded."""
    return pickle.dumps({"identity": Harmful()})


def _array(header: str, content: bytes = b"") -> bytes:
    """An NPY file with a given header."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def _saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)  # written for a reader that must refuse it; never loaded here
    return buffer.getvalue()


_COLUMN = _saved(np.arange(30.0))
ARRAYS: dict[str, dict[str, bytes]] = {
    "a pickled array": {"y0": _saved(np.array([Harmful()] * 30, dtype=object))},
    "a pickle for an array": {"y0": pickled()},
    "an array of terabytes": {"y0": _array("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }")},
    "a negative shape": {"y0": _array("{'descr': '<f8', 'fortran_order': False, 'shape': (-30,), }", bytes(240))},
    "a header that is a program": {"y0": _array("__import__('os').system('echo run')")},
    "a header without end": {"y0": _array("[" * 90)},
    "text": {"y0": _saved(np.array(["a"] * 30))},
    "complex numbers": {"y0": _saved(np.arange(30) * 1j)},
    "dates": {"y0": _saved(np.array(["2026-01-01"] * 30, "datetime64[D]"))},
    "a single number": {"y0": _saved(np.array(1.0))},
    "a cube": {"y0": _saved(np.zeros((30, 2, 2)))},
    "no rows": {"a": _saved(np.zeros(0)), "y0": _saved(np.zeros(0)), "y1": _saved(np.zeros(0))},
    "other lengths": {"y0": _saved(np.arange(7.0))},
    "structured": {"y0": _saved(np.zeros(30, [("u", "f8"), ("v", "f8")]))},
    "a member that leads outside": {"../../evil": _COLUMN},
    "an array of no columns": {"b": _saved(np.zeros((30, 0)))},
    "half a float": {"y0": _saved(np.arange(30, dtype=np.float16))},
    "the largest whole number": {"y0": _saved(np.full(30, 2**64 - 1, np.uint64))},
}


def hostile_npz(random: Random, path: Path) -> str:
    """Write columns a, y0, y1 and replace one of them; return a description of the replacement."""
    name = random.choice(list(ARRAYS))
    members = {"a": _COLUMN, "y0": _COLUMN, "y1": _COLUMN} | ARRAYS[name]
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(f"{member}.npy", content)
    return name


FRAMES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "text": lambda frame: frame.assign(y0=[f"{value:.2f}" for value in frame["y0"]]),
    "lists": lambda frame: frame.assign(y0=[[value] for value in frame["y0"]]),
    "records": lambda frame: frame.assign(y0=[{"value": value} for value in frame["y0"]]),
    "dates": lambda frame: frame.assign(y0=pd.date_range("2026-01-01", periods=len(frame))),
    "durations": lambda frame: frame.assign(a=pd.to_timedelta(range(len(frame)), unit="s")),
    "categories": lambda frame: frame.assign(a=pd.Categorical(["u", "v"] * (len(frame) // 2))),
    "numbers as categories": lambda frame: frame.assign(a=pd.Categorical([1, 2] * (len(frame) // 2))),
    "bytes": lambda frame: frame.assign(a=[b"\x00"] * len(frame)),
    "nothing but None": lambda frame: frame.assign(a=None),
    "whole numbers with a gap": lambda frame: frame.assign(a=pd.array([1, None] * (len(frame) // 2), dtype="Int64")),
    "truth values with a gap": lambda frame: frame.assign(
        a=pd.array([True, None] * (len(frame) // 2), dtype="boolean")
    ),
    "no rows": lambda frame: frame.iloc[:0],
    "one row": lambda frame: frame.iloc[:1],
    "two rows": lambda frame: frame.iloc[:2],
    "targets only": lambda frame: frame[["y0", "y1"]],
    "constant": lambda frame: frame * 0,
    "huge": lambda frame: frame * 1e300,
    "tiny": lambda frame: frame * 1e-300,
    "infinite": lambda frame: frame.assign(b=np.inf),
    "numbered columns": lambda frame: frame.rename(columns=dict(zip(frame, map(str, range(5)), strict=True))),
    "an index of several levels": lambda frame: frame.set_index(["a", "b"]),
    "columns with odd names": lambda frame: frame.rename(columns={"a": "", "b": "y\n0", "c": "../evil"}),
}
DOCUMENTS = {
    "a command in a tag": "pages: !!python/object/apply:os.system ['echo run']\n",
    "an object in a tag": "!!python/object/new:os.system [echo run]\n",
    "names of names of names": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True))
    + "name: toy\nnote: x\nstore: x\nheadline: h\n"
    + "pages: {h: {title: h, notebook: deep_nrc_mlp, parameters: {seeds: *i}}}\n",
    "itself": "&a [*a]\n",
    "nested without end": "[" * 5000,
    "nested pages": "pages: " + "{a: " * 3000 + "1" + "}" * 3000,
    "two documents": "name: a\n---\nname: b\n",
    "a list": "- a\n- b\n",
    "a word": "profile\n",
    "nothing": "",
    "tabs": "\tname: toy\n",
    "a zero byte": "name: \x00\n",
    "a name twice": "name: a\nname: b\npages: {}\n",
}
