"""Build a profile: one build at a time in a folder, and whatever stopped the last one, this one goes on from it.

Ends by saying which pages of what was trained here agree with the reference runs.

python -m book.builder.build PROFILE.yml CORES [name=value of the Snakefile ...]
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

LOCK = Path(".snakemake") / "build.lock"


def command(profile: str, cores: str, *settings: str) -> list[str]:
    """What Snakemake is called with; its own lock would outlive a build that was killed, ours ends with it."""
    return [
        sys.executable, "-m", "snakemake", "--cores", cores, "--keep-going", "--show-failed-logs", "--quiet", "rules",
        "--rerun-incomplete", "--nolock", "--config", f"profile={profile}", *settings,
    ]  # fmt: skip


def main(arguments: list[str]) -> int:
    """Snakemake's exit code, or 1 if another build is at work in this folder."""
    profile, cores, *settings = arguments
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another build is at work in this folder: wait until it has ended, or stop it", file=sys.stderr)
            return 1
        # Snakemake inherits the lock, and holds it should only this process be killed.
        code = subprocess.call(command(profile, cores, *settings), pass_fds=(lock.fileno(),))
    if code == 0:  # the book is built, whatever the re-check says
        from book.builder import recheck  # with pandas, which only a book that is built needs

        recheck.main([profile, *settings])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
