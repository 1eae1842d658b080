"""Write environment.yml from pyproject.toml, or check that environment.yml and requirements.lock agree with it.

python .ci/sync_environment.py [--check]
"""

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent


def environment(python: str) -> str:
    """The text of environment.yml: python, pip, the lock and this project."""
    return (
        "# Made by .ci/sync_environment.py from pyproject.toml; do not edit.\n"
        "name: nrc\nchannels: [conda-forge]\ndependencies:\n"
        f"  - python={python}\n  - pip\n  - pip:\n      - -r requirements.lock\n      - -e .\n"
    )


def locked(text: str) -> dict[str, str]:
    """Versions in a lock file by name."""
    pins = (line.split(";")[0].strip().split("==") for line in text.splitlines() if "==" in line)
    return {_normal(name): version for name, version in pins}


def problems(project: dict, lock: str, written: str) -> list[str]:
    """One sentence for each disagreement."""
    table = project["project"]
    wanted = [*table["dependencies"], *(r for extra in table["optional-dependencies"].values() for r in extra)]
    pins = locked(lock)
    found = []
    for requirement in map(Requirement, wanted):
        version = pins.get(_normal(requirement.name))
        if version is None:
            found.append(f"{requirement.name} is in pyproject.toml but not in requirements.lock: run make lock")
        elif not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement} is not satisfied by the locked {version}: run make lock")
    if "://" in lock:
        found.append("requirements.lock names an address: make it with `make lock`")
    if "--hash" in lock:
        found.append("requirements.lock has hashes, which cannot be installed together with -e .")
    if written != environment(_python(project)):
        found.append("environment.yml is not what pyproject.toml says: run python .ci/sync_environment.py")
    return found


def _python(project: dict) -> str:
    least = re.match(r">=(\d+\.\d+)", project["project"]["requires-python"])
    assert least, "requires-python starts with the least version"
    return least.group(1)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.split("[")[0]).lower()


def main(arguments: list[str]) -> int:
    """Write the file, or check it and print what is wrong."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    path = ROOT / "environment.yml"
    if arguments != ["--check"]:
        path.write_text(environment(_python(project)))
        return 0
    found = problems(project, (ROOT / "requirements.lock").read_text(), path.read_text())
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
