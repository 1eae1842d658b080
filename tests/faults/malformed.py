"""Malformed inputs of every kind that the project reads; each is made from a sound input."""

import gzip
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml

from nrc_core.files import project_folder
from nrc_core.workflow.notebooks import check_parameters, parameters_of
from tests.faults.guard import Case, command
from tests.faults.hostile import BAD_MEMBERS, CELLS, DOCUMENTS, FRAMES, hostile_npz
from tests.faults.mutations import ODD, mutate, replant
from tests.faults.sources import SOURCES
from tests.faults.stored import checkpoint, result
from tests.originals import tar

PROJECT = project_folder()
EPOCH = ("targets=y0,y1", "epochs=1", "width=4", "measurements=1")


def archive(random: Random, folder: Path, patch: pytest.MonkeyPatch) -> Case:
    """An original file of a data script, accepted as the known file, so that its checksum gives no protection."""
    name = random.choice(list(SOURCES))
    source = SOURCES[name](name, folder, patch)
    path = random.choice(source.files)
    content = path.read_bytes()
    packed = path.suffix == ".gz"
    if packed and ".tar" in path.name and random.random() < 0.2:
        what = "other members"
        tar(path, random.sample(BAD_MEMBERS, 3))
    elif packed and random.random() < 0.5:
        what, unpacked = mutate(random, gzip.decompress(content))
        what = f"{what} before it was packed"
        path.write_bytes(gzip.compress(unpacked, 1))
    else:
        what, changed = mutate(random, content)
        path.write_bytes(changed)
    with suppress(EOFError, zlib.error, gzip.BadGzipFile):
        source.known()
    return Case(
        f"{name}, {path.name}: {what}",
        lambda: command("data", source.script, "--from-dir", source.folder, "--data-dir", folder / "data"),
    )


def table(random: Random, folder: Path, patch: pytest.MonkeyPatch) -> Case:
    """A table of the user's own, on which a network is to be trained."""
    draw = np.random.default_rng(random.getrandbits(32))
    frame = pd.DataFrame(draw.standard_normal((30, 5)), columns=["a", "b", "c", "y0", "y1"])
    suffix = random.choice((".csv", ".csv.gz", ".npz", ".parquet"))
    path = folder / f"table{suffix}"
    if suffix != ".csv.gz" and random.random() < 0.4:
        what = _another_table(random, frame, path)
    else:
        _write(frame, path)
        what, content = mutate(random, path.read_bytes())
        path.write_bytes(content)
    return Case(
        f"{suffix}: {what}", lambda: command("compute", "deep_nrc_mlp", f"dataset={path}", *EPOCH, "--store", folder)
    )


def _write(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix in (".csv", ".gz"):
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        np.savez(path, **{name: frame[name].to_numpy() for name in frame})


def _another_table(random: Random, frame: pd.DataFrame, path: Path) -> str:
    """Write a table that can be parsed but does not consist of numbers."""
    if path.suffix == ".npz":
        return hostile_npz(random, path)
    if path.suffix == ".parquet":
        name = random.choice(list(FRAMES))
        FRAMES[name](frame).to_parquet(path)
        return name
    lines = frame.to_csv(index=False).splitlines()
    place, cell = random.randrange(len(lines)), random.choice(CELLS)
    cells = lines[place].split(",")
    cells[random.randrange(len(cells))] = cell
    lines[place] = ",".join(cells)
    path.write_text("\n".join(lines), errors="surrogatepass")
    return f"{cell[:20]!r} in line {place}"


def parameters(random: Random, folder: Path, patch: pytest.MonkeyPatch) -> Case:
    """A parameter file, or a parameter on the command line."""
    if random.random() < 0.4:
        notebook = random.choice(sorted((PROJECT / "notebooks").glob("*.ipynb")))
        name = random.choice(list(parameters_of(notebook)))
        value = _word(random.choice(ODD))
        return Case(f"{notebook.stem} {name}={value[:40]!r}", lambda: check_parameters(notebook, {name: value}))
    path = folder / "profile.yml"
    sound = (PROJECT / "tests" / "toy.yml").read_text()
    way = random.random()
    if way < 0.2:
        what = random.choice(list(DOCUMENTS))
        path.write_text(DOCUMENTS[what])
    elif way < 0.7:
        what, tree = replant(random, yaml.safe_load(sound))
        path.write_text(yaml.safe_dump(tree))
    else:
        what, content = mutate(random, sound.encode())
        path.write_bytes(content)
    return Case(f"profile: {what}", lambda: command("claims", "--profile", path, "--store", folder / "store"))


def _word(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def notebook(random: Random, folder: Path, patch: pytest.MonkeyPatch) -> Case:
    """A notebook that is to be run, up to where its kernel would start."""
    sound = random.choice(sorted((PROJECT / "notebooks").glob("*.ipynb")))
    path = folder / sound.name
    if random.random() < 0.6:
        what, tree = replant(random, json.loads(sound.read_text()))
        path.write_text(json.dumps(tree))
    else:
        what, content = mutate(random, sound.read_bytes())
        path.write_bytes(content)
    return Case(f"{sound.name}: {what}", lambda: _checked(path))


def _checked(path: Path) -> None:
    check_parameters(path, {})
    nbformat.read(path, as_version=4)


KINDS: dict[str, Callable[[Random, Path, pytest.MonkeyPatch], Case]] = {
    "archives": archive,
    "tables": table,
    "parameters": parameters,
    "notebooks": notebook,
    "results": result,
    "checkpoints": checkpoint,
}
