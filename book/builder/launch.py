"""Buttons that open a page's notebook on a machine of Binder or Colab, with the values of the quick profile.

The buttons appear once `pyproject.toml` says where the repository is; no other file says it:

    [project.urls]
    Repository = "https://github.com/OWNER/NAME"
"""

import re
import tomllib
from pathlib import Path
from urllib.parse import quote

from nrc_core.data.catalogue import SIMULATED
from nrc_core.errors import ConfigError
from nrc_core.workflow.profiles import Page, read_profile

ROOT = Path(__file__).resolve().parents[2]
BRANCH = "main"  # Binder finds the default branch by itself, Colab wants its name
MADE_THERE = ("synthetic", *SIMULATED)
BY_HAND = ("utkface", "carla2d")  # no machine but the reader's own has these data


def repository(project: Path = ROOT / "pyproject.toml") -> str | None:
    """OWNER/NAME on GitHub; None while it is not set.

    Raises:
        ConfigError: the address is not one of a repository on GitHub.
    """
    address = tomllib.loads(project.read_text())["project"].get("urls", {}).get("Repository")
    if address is None:
        return None
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(\.git)?/?", address)
    if found is None:
        raise ConfigError(f"Repository in {project.name} must be https://github.com/OWNER/NAME: got {address!r}")
    return found[1]


def binder(repository: str, path: str) -> str:
    """The address that opens a file of the repository in Binder's JupyterLab."""
    return f"https://mybinder.org/v2/gh/{repository}/HEAD?labpath={quote(path, safe='')}"


def colab(repository: str, path: str) -> str:
    """The address that opens a notebook of the repository in Colab."""
    return f"https://colab.research.google.com/github/{repository}/blob/{BRANCH}/{quote(path)}"


def launch(page: Page, repository: str | None) -> str:
    """Both buttons and what to type there, as Markdown; empty without a repository or a way to get the data."""
    quick = {one.name: one for one in read_profile(ROOT / "book" / "profiles" / "quick.yml").pages}.get(page.name)
    if repository is None or quick is None:
        return ""
    datasets = quick.datasets
    if set(datasets) & set(BY_HAND):
        return ""
    path = f"notebooks/{quick.notebook}.ipynb"
    values = [f"!nrc data {name}" for name in datasets if name not in MADE_THERE]
    values += [f"{name} = {value!r}" for name, value in quick.parameters.items()]
    setup = [
        f"!git clone --quiet --depth 1 https://github.com/{repository}",
        f"%cd {repository.partition('/')[2]}",
        "%pip install --quiet -e .[data] seaborn",
    ]
    parts = [_button("Open in Binder", binder(repository, path)), _button("Open in Colab", colab(repository, path))]
    if values:
        parts += ["Below the cell of parameters, add one with the values of the quick profile:", _block(values)]
    parts += ["In Colab, run a cell with this before all others:", _block(setup)]
    parts.append("Binder's first start makes the whole environment and takes long; its machines are small.")
    return "\n\n".join(parts)


def _button(text: str, address: str) -> str:
    return f":::{{button-link}} {address}\n:color: secondary\n:outline:\n{text}\n:::"


def _block(lines: list[str]) -> str:
    return "```text\n" + "\n".join(lines) + "\n```"
