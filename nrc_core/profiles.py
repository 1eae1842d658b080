"""Profiles: which pages a book has and with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nrc_core.errors import ConfigError
from nrc_core.experiments import EXPERIMENTS
from nrc_core.parameters import experiment_parameters


@dataclass(frozen=True)
class Page:
    """One page: a notebook run with parameters. `experiment` is None for a page that trains nothing."""

    name: str
    title: str
    notebook: str
    parameters: Mapping[str, Any]

    @property
    def experiment(self) -> str | None:
        """The experiment named like the notebook, if there is one."""
        return self.notebook if self.notebook in EXPERIMENTS else None

    @property
    def datasets(self) -> list[str]:
        """The data sets that the page names."""
        several = [name for names in ("datasets", "regression_datasets") for name in self.parameters.get(names, [])]
        return [*several, *([name] if (name := self.parameters.get("dataset")) else [])]


@dataclass(frozen=True)
class Profile:
    """A named set of pages; `store` is where their results are, `headline` the page shown on the landing page."""

    name: str
    note: str
    store: str
    headline: str
    pages: tuple[Page, ...]


def read_profile(path: Path) -> Profile:
    """Read and check a profile file.

    Raises:
        ConfigError: it cannot be read, lacks an entry, or a page has a parameter that is unknown or
            of the wrong type.
    """
    try:
        content = yaml.safe_load(path.read_text())
        pages = tuple(
            Page(name, entry["title"], entry["notebook"], _parameters(entry))
            for name, entry in content["pages"].items()
        )
        profile = Profile(content["name"], content["note"], content["store"], content["headline"], pages)
    except OSError:
        raise ConfigError(f"no profile at {path}: check the path") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not a profile ({type(error).__name__}: {error})".replace("\n", " ")) from None
    if profile.headline not in {page.name for page in pages}:
        raise ConfigError(f"{path}: headline must be one of its pages: got {profile.headline!r}")
    return profile


def _parameters(entry: Mapping[str, Any]) -> dict[str, Any]:
    parameters = dict(entry.get("parameters") or {})
    experiment = EXPERIMENTS.get(entry["notebook"])
    return parameters if experiment is None else experiment_parameters(experiment, parameters)
