"""`nrc compute`: fill the store without a notebook, for nodes that have torch only."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from nrc_core.cli.arguments import add_pairs, add_store, completing, pairs
from nrc_core.errors import ConfigError

HELP = "fill the store without a notebook, for nodes that have torch only"
logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    experiment = parser.add_argument("experiment", help="name of an experiment, or `all` with --profile")
    completing(experiment, _experiments)
    add_pairs(parser)
    parser.add_argument("--profile", type=Path, help="compute the pages of this profile that use the experiment")
    add_store(parser, "NRC_STORE, or build/store")
    parser.add_argument("--device", help="cpu, cuda or cuda:NUMBER (default: a GPU where there is one)")


def execute(given: argparse.Namespace) -> None:
    """Train what the store lacks; data sets that are not there do not keep the other pages of a profile."""
    from nrc_core.errors import DataUnavailable
    from nrc_core.results.estimates import announcement
    from nrc_core.results.runs import check_obtainable, run
    from nrc_core.results.store import Store
    from nrc_core.workflow.heartbeat import heartbeat

    if given.device:
        from nrc_core.training.computing import chosen_device

        chosen_device(given.device)
    store, wanted, lacking = Store(given.store), [], []
    untrained: list[Any] = []
    for experiment, parameters in _planned(given):
        configs = experiment(**parameters)
        try:
            untrained += check_obtainable(configs, store=store)
        except DataUnavailable as error:  # the other pages of a profile can do without
            lacking.append(error)
        else:
            wanted += configs
    if untrained:
        store.check_writable()
        logger.info("%s", announcement(untrained, store.folder, gpu=_on_gpu(given.device)))
    if wanted:
        with heartbeat("nrc compute"):
            results = run(wanted, store=store, device=given.device)
        for row in results.runs.drop_duplicates("key").itertuples():
            state = "was there" if row.cached else f"{row.seconds:.0f} s on {row.device}"
            print(f"{row.dataset}, seed {row.seed}: {row.key}, {state}")
        for name, reason in results.failures.items():
            print(f"{name}: no result, {reason}")
    if lacking:
        raise DataUnavailable("; ".join(dict.fromkeys(map(str, lacking))))


def _planned(given: argparse.Namespace) -> list[tuple[Any, dict[str, Any]]]:
    from nrc_core.sections.experiments import EXPERIMENTS
    from nrc_core.sections.parameters import experiment_parameters
    from nrc_core.workflow.profiles import read_profile

    if given.experiment != "all" and given.experiment not in EXPERIMENTS:
        raise ConfigError(f"no experiment {given.experiment!r}: there is {', '.join(EXPERIMENTS)}")
    if given.profile is None:
        if given.experiment == "all":
            raise ConfigError("`all` experiments need a profile: add --profile book/profiles/paper.yml")
        experiment = EXPERIMENTS[given.experiment]
        return [(experiment, experiment_parameters(experiment, pairs(given.parameters)))]
    if given.parameters:
        raise ConfigError("parameters and --profile exclude each other: the profile has its own")
    wanted = EXPERIMENTS if given.experiment == "all" else {given.experiment: EXPERIMENTS[given.experiment]}
    pages = [page for page in read_profile(given.profile).pages if page.experiment in wanted]
    return [(EXPERIMENTS[page.notebook], dict(page.parameters)) for page in pages]


def _on_gpu(device: str | None) -> bool:
    from nrc_core.results.estimates import has_gpu

    return device.startswith("cuda") if device else has_gpu()


def _experiments() -> list[str]:
    from nrc_core.sections.experiments import EXPERIMENTS

    return [*EXPERIMENTS, "all"]
