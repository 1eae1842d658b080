"""Build a book in tests."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOY = ROOT / "tests" / "toy.yml"


def snakemake(build: Path, profile: Path, *more: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Build a profile in its own folder."""
    command = [
        sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "rules", "--show-failed-logs", "--nolock", *more,
        "--config", f"profile={profile}", f"build={build}", f"html={build}",
    ]  # fmt: skip
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PATH": path} | environment, capture_output=True, text=True, timeout=1800
    )
