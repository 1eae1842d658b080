"""Profiles: the pages of a book and their parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nrc_core.config.base import Configuration
from nrc_core.errors import ConfigError, shown, suggestion
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.sections.parameters import experiment_parameters

# The entries that a profile may have, and the entries that a page of a profile may have.
PROFILE = ("name", "note", "store", "headline", "gpu", "pages")
PAGE = ("title", "notebook", "parameters", "gpu")


@dataclass(frozen=True)
class Page:
    """One page: a notebook run with parameters; `gpu` says whether Snakemake asks for a GPU for it."""

    name: str
    title: str
    notebook: str
    parameters: Mapping[str, Any]
    gpu: bool = False

    @property
    def experiment(self) -> str | None:
        """The experiment with the name of the notebook; None for a page that trains nothing."""
        return self.notebook if self.notebook in EXPERIMENTS else None

    @property
    def configs(self) -> Sequence[Configuration]:
        """The configurations of the page's networks; empty if the page trains nothing."""
        return () if self.experiment is None else EXPERIMENTS[self.experiment](**self.parameters)

    @property
    def datasets(self) -> list[str]:
        """The data sets of the page's networks; empty if the page trains nothing."""
        return list(dict.fromkeys(config.dataset for config in self.configs))


@dataclass(frozen=True)
class Profile:
    """A named set of pages.

    Attributes:
        store: folder of the results of the pages.
        headline: the page that is shown on the landing page.
    """

    name: str
    note: str
    store: str
    headline: str
    pages: tuple[Page, ...]


def read_profile(path: Path) -> Profile:
    """Read and check a profile file.

    Raises:
        ConfigError: the file cannot be read or lacks an entry, or a page has an entry or a parameter that is unknown or
            has the wrong type.
    """
    try:
        content = yaml.safe_load(path.read_text())
        gpu = content.get("gpu", False)
        pages = tuple(_page(name, entry, gpu) for name, entry in content["pages"].items())
        profile = Profile(content["name"], content["note"], content["store"], content["headline"], pages)
        _check_entries(str(path), content, PROFILE)
    except ConfigError:
        raise
    except OSError:
        raise ConfigError(f"no profile at {path}: check the path") from None
    except (yaml.YAMLError, RecursionError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not a profile ({type(error).__name__}: {error})".replace("\n", " ")) from None
    if profile.headline not in {page.name for page in pages}:
        raise ConfigError(f"{path}: headline must be one of its pages: got {shown(profile.headline)}")
    return profile


def _page(name: str, entry: Mapping[str, Any], gpu: Any) -> Page:
    """Make a page from its entry in a profile; `gpu` is the value of the profile for all its pages."""
    title, notebook, gpu = entry["title"], entry["notebook"], entry.get("gpu", gpu)
    _check_entries(f"page {name}", entry, PAGE)
    if not isinstance(gpu, bool):
        raise ConfigError(f"page {name}: gpu must be true or false: got {shown(gpu)}")
    parameters, experiment = dict(entry.get("parameters") or {}), EXPERIMENTS.get(notebook)
    if experiment is not None:
        parameters = experiment_parameters(experiment, parameters)
    return Page(name, title, notebook, parameters, gpu)


def _check_entries(owner: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise ConfigError(f"{owner} has no entry {name!r}: {suggestion(name, known, 'it takes')}")
