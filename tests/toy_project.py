"""A folder that Snakemake uses as the project, with three pages, its own store and notes of its jobs."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import yaml

from nrc_core.results.store import Store
from tests.faults.stored import tables_of

ROOT = Path(__file__).parent.parent
# The pages that the book's own texts refer to, which want a GPU here, and one that wants none and trains for seconds.
GPU = ("four_conditions", "paper_or_code")
PLAIN = "swimmer"
PAGES = (*GPU, PLAIN)
LONGER = {"width": 64, "epochs": 150}
# What jobs take for `python`: it notes what they were given and what they say, and waits while they are held.
PYTHON = """\
#!/usr/bin/env bash
set -o pipefail
[ "$2" = book.builder.pages ] || exec {python} "$@"
note="{notes}/$4.${{SLURM_JOB_ID-0}}"
echo "GPU ${{CUDA_VISIBLE_DEVICES-none}}, partition ${{SLURM_JOB_PARTITION-none}}" >> "$note"
while [ -e "{notes}/hold-$4" ]; do sleep 0.1; done
{python} "$@" 2>&1 | tee -a "$note"
"""


class ToyProject:
    """A new project for every test; `folder` must be empty."""

    def __init__(self, folder: Path, data: Path):
        self.folder, self.data, self.profile = folder, data, folder / "toy.yml"
        self.heads: list[subprocess.Popen] = []
        for name in ("Snakefile", "benchmarks", "book", "notebooks", "nrc_core", "pyproject.toml", "results"):
            (folder / name).symlink_to(ROOT / name)
        for name in ("notes", "programs"):
            (folder / name).mkdir()
        program = folder / "programs" / "python"
        program.write_text(PYTHON.format(python=sys.executable, notes=folder / "notes"))
        program.chmod(0o755)
        profile = yaml.safe_load((ROOT / "tests" / "toy.yml").read_text())
        pages = {name: profile["pages"][name] | {"gpu": True} for name in GPU}
        pages[PLAIN] = profile["pages"][PLAIN] | {"parameters": profile["pages"][PLAIN]["parameters"] | LONGER}
        self.profile.write_text(yaml.safe_dump(profile | {"headline": PLAIN, "pages": pages}))

    def start(self, *options: str) -> subprocess.Popen:
        """Start Snakemake in its own process group."""
        settings = ["--config", f"profile={self.profile}", "build=build", "html=html"]
        paths = [str(self.folder / "programs"), str(Path(sys.executable).parent), os.environ["PATH"]]
        own = {"PATH": ":".join(paths), "NRC_DATA_DIR": str(self.data), "NRC_STORE": str(self.folder / "store")}
        with (self.folder / "snakemake.log").open("ab") as log:
            head = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *options, *settings],
                cwd=self.folder, env=os.environ | own, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.heads.append(head)
        return head

    def kill(self) -> None:
        """Kill every Snakemake that is still at work, and what it started itself; jobs of Slurm go on."""
        for head in self.heads:
            if head.poll() is None:
                os.killpg(head.pid, signal.SIGKILL)
                head.wait()

    def snakemake(self, *options: str) -> int:
        """Run Snakemake to its end and return its exit code."""
        return self.start(*options).wait(600)

    @property
    def log(self) -> str:
        """The end of Snakemake's output."""
        return (self.folder / "snakemake.log").read_text()[-4000:]

    @property
    def executed(self) -> set[str]:
        """The pages that exist."""
        return {name for name in PAGES if (self.folder / "build" / "pages" / f"{name}.ipynb").is_file()}

    def notes(self, page: str) -> list[str]:
        """The notes of all jobs of a page that have started."""
        return [path.read_text() for path in (self.folder / "notes").glob(f"{page}.*")]

    def trained(self, page: str) -> int:
        """Number of trainings, of one network or of several together, that jobs of a page ran to the last epoch."""
        return sum(len(re.findall(r"epoch (\d+) of \1,", note)) for note in self.notes(page))

    @contextmanager
    def held(self, *pages: str) -> Iterator[None]:
        """Make jobs of the given pages wait at their start while the block runs."""
        holds = [self.folder / "notes" / f"hold-{page}" for page in pages]
        for hold in holds:
            hold.touch()
        try:
            yield
        finally:
            for hold in holds:
                hold.unlink()

    def tables(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Every table of the store, by content key and name."""
        return tables_of(Store(self.folder / "store"))
