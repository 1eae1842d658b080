"""The results of a page as evidence: whether they are of the paper's size and data, and if not, what they lack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nrc_core.claims import reduced
from nrc_core.data.catalogue import STAND_IN
from nrc_core.results.results import Results
from nrc_core.sections.departures import shortfalls


@dataclass(frozen=True)
class PageResults:
    """The results of a page that are in the store.

    Attributes:
        results: None if the store has no run of the page.
        missing: number of runs that the store lacks.
        weaker: how the networks fall short of the paper's, see `weakness`; empty if they do not.
        stand_in: whether their data are a stand-in for the paper's, so that they never give a verdict.
        experiment: the experiment of the page.
        datasets: the data sets of all runs of the page, also of those that the store lacks.
    """

    results: Results | None
    missing: int = 0
    weaker: str = ""
    stand_in: bool = False
    experiment: str = ""
    datasets: tuple[str, ...] = ()

    def lacking(self, arguments: Mapping[str, Any], limits: Mapping[str, float]) -> str:
        """What weaker networks lack to give a verdict on a claim with these arguments; empty if they lack nothing."""
        if self.stand_in or self.results is None:
            return self.weaker
        found = reduced.lacking(self.results, self.experiment, arguments, limits)
        return f"{self.weaker} ({', '.join(found)})" if found else ""


def weakness(results: Results, experiment: str) -> str:
    """How the networks of a page fall short of the paper's, in size or in data; empty if they do not."""
    smaller, stand_in = bool(shortfalls(results.runs, experiment)), on_stand_in(results)
    if not (smaller or stand_in):
        return ""
    networks = "networks smaller than the paper's" if smaller else "networks"
    return f"{networks} on a stand-in for its data" if stand_in else networks


def on_stand_in(results: Results) -> bool:
    """Whether any network was trained on a stand-in for the paper's data."""
    return any(record["data"]["kind"] == STAND_IN for record in results.provenance.values())
