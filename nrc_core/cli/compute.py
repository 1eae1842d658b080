"""`nrc compute`: fill the store without a notebook, for nodes on which only torch is installed."""

import argparse
import logging
from collections.abc import Sequence

from nrc_core.cli.given import pairs
from nrc_core.config.base import Configuration
from nrc_core.errors import ConfigError, DataUnavailable
from nrc_core.results.estimates import announcement, has_gpu
from nrc_core.results.runs import check_obtainable, run
from nrc_core.results.store import Store
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.sections.parameters import experiment_parameters
from nrc_core.training.progress import heartbeat
from nrc_core.workflow.profiles import read_profile

logger = logging.getLogger(__name__)


def execute(given: argparse.Namespace) -> None:
    """Train the runs that the store lacks; a missing data set does not stop the other pages of a profile."""
    if given.device:
        from nrc_core.training.computing import chosen_device  # imports torch, which takes seconds

        chosen_device(given.device)
    store = Store(given.store)
    wanted: list[Configuration] = []
    untrained: list[Configuration] = []
    unavailable: list[str] = []
    for configs in _planned(given):
        try:
            untrained += check_obtainable(configs, store=store)
        except DataUnavailable as error:  # the other pages of a profile do not need these data
            unavailable.append(str(error))
        else:
            wanted += configs
    if untrained:
        store.check_writable()
        gpu = given.device.startswith("cuda") if given.device else has_gpu()
        logger.info("%s", announcement(untrained, store.folder, gpu=gpu))
    if wanted:
        with heartbeat("nrc compute"):
            results = run(wanted, store=store, device=given.device)
        for row in results.runs.drop_duplicates("key").itertuples():
            state = "was there" if row.cached else f"{row.seconds:.0f} s on {row.device}"
            print(f"{row.dataset}, seed {row.seed}: {row.key}, {state}")
        for name, reason in results.failures.items():
            print(f"{name}: no result, {reason}")
    if unavailable:
        raise DataUnavailable("; ".join(dict.fromkeys(unavailable)))


def _planned(given: argparse.Namespace) -> list[Sequence[Configuration]]:
    """The runs of an experiment with parameters from the command line, or the runs of each page of a profile."""
    name = given.experiment
    if name != "all" and name not in EXPERIMENTS:
        raise ConfigError(f"no experiment {name!r}: there is {', '.join(EXPERIMENTS)}")
    if given.profile is None:
        if name == "all":
            raise ConfigError("`all` experiments need a profile: add --profile book/profiles/paper.yml")
        experiment = EXPERIMENTS[name]
        return [experiment(**experiment_parameters(experiment, pairs(given.parameters)))]
    if given.parameters:
        raise ConfigError("parameters and --profile exclude each other: the profile has its own")
    pages = read_profile(given.profile).pages
    return [page.configs for page in pages if page.experiment is not None and name in ("all", page.experiment)]
