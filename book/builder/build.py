"""Build a profile. A folder has one build at a time; a new build goes on from where the last one stopped.

At its end it says which of the pages that were trained here agree with the reference runs.

python -m book.builder.build PROFILE.yml CORES [name=value of the Snakefile ...]
"""

import fcntl
import subprocess
import sys
from pathlib import Path

LOCK = Path(".snakemake") / "build.lock"


def command(profile: str, cores: str, *settings: str) -> list[str]:
    """The command that calls Snakemake. Its lock would outlive a build that was killed; ours ends with the build."""
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
        # Snakemake inherits the lock, and still holds it if only this process is killed.
        code = subprocess.call(command(profile, cores, *settings), pass_fds=(lock.fileno(),))
    if code == 0:  # the book is built, whatever the re-check says
        from book.builder import recheck  # imports pandas, which is needed only once the book is built

        recheck.main([profile, *settings])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
