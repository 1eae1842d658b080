"""The command line `nrc`: run a notebook, prepare data, compute without one, judge the claims, check a rerun."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nrc_core.errors import ConfigError, NrcError

if TYPE_CHECKING:
    from nrc_core.profiles import Profile

MOST_SEEDS = 100  # more would take days


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors that a user can mend are one line and a non-zero exit."""
    parser = _parser()
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        given.function(given)
    except NrcError as error:
        print(f"nrc: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"nrc: cannot read or write ({error.strerror or error}){where}: free or choose a place", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nrc: interrupted; finished runs are in the store", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nrc", description="Companion to Deep Neural Regression Collapse")
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="execute a notebook with parameters")
    run.add_argument("notebook", type=Path)
    run.add_argument("parameters", nargs="*", metavar="name=value")
    run.add_argument("--output", type=Path, help="where the executed notebook goes (default: build/runs/NAME.ipynb)")
    run.add_argument("--store", type=Path, help="folder of results (default: NRC_STORE, or build/store)")
    run.add_argument("--timeout", type=int, help="seconds a cell may take (default: no limit)")
    run.set_defaults(function=_run)

    data = commands.add_parser("data", help="fetch or simulate data sets and verify them")
    data.add_argument("names", nargs="+", metavar="NAME")
    data.add_argument("--from-dir", type=Path, help="folder with local copies of the original files")
    data.add_argument("--data-dir", type=Path, help="where prepared data go (default: NRC_DATA_DIR, or data)")
    data.add_argument("--again", action="store_true", help="make them again even if they are there and whole")
    data.set_defaults(function=_data)

    compute = commands.add_parser("compute", help="fill the store without a notebook, for nodes that have torch only")
    compute.add_argument("experiment", help="name of an experiment, or `all` with --profile")
    compute.add_argument("parameters", nargs="*", metavar="name=value")
    compute.add_argument("--profile", type=Path, help="compute the pages of this profile that use the experiment")
    compute.add_argument("--store", type=Path, help="folder of results (default: NRC_STORE, or build/store)")
    compute.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    compute.set_defaults(function=_compute)

    claims = commands.add_parser("claims", help="judge every claim of the papers on the store; trains nothing")
    claims.add_argument("--json", action="store_true", help="everything behind the verdicts, as JSON")
    claims.add_argument("--profile", type=Path, help="pages whose networks are the evidence (default: paper)")
    claims.add_argument("--store", type=Path, help="folder of results (default: NRC_STORE, or the profile's)")
    claims.add_argument("--record", type=Path, help="write the verdicts to this file")
    claims.add_argument("--against", type=Path, help="fail if a claim reproduced in this file no longer is")
    claims.set_defaults(function=_claims)

    check = commands.add_parser("check", help="do the runs of a store agree with the reference runs? Trains nothing")
    check.add_argument("pages", nargs="*", metavar="PAGE", help="pages of the profile (default: all)")
    check.add_argument("--profile", type=Path, help="whose pages were run (default: quick)")
    check.add_argument("--store", type=Path, help="folder of results (default: NRC_STORE, or the profile's)")
    check.add_argument("--references", type=Path, help="folder of the references (default: results/references)")
    check.add_argument("--json", action="store_true", help="everything behind the outcomes, as JSON")
    check.set_defaults(function=_check)

    references = commands.add_parser("references", help="make the reference runs of pages that are missing")
    references.add_argument("pages", nargs="*", metavar="PAGE", help="pages of the profile (default: all)")
    references.add_argument("--profile", type=Path, help="whose pages (default: quick)")
    references.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... of each page (default: 5)")
    references.add_argument("--store", type=Path, help="where runs are kept (default: build/references)")
    references.add_argument("--references", type=Path, help="folder of the references (default: results/references)")
    references.add_argument(
        "--machine", metavar="NAME", help="train here whatever is published, for results/machines/NAME"
    )
    references.set_defaults(function=_references)
    return parser


def _pairs(parameters: list[str]) -> dict[str, str]:
    pairs = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"parameters are given as name=value: got {text!r}")
        if name in pairs:
            raise ConfigError(f"parameter {name!r} is given twice")
        pairs[name] = value
    return pairs


def _run(given: argparse.Namespace) -> None:
    from nrc_core.notebooks import run_notebook
    from nrc_core.prepared import project_folder

    if given.store:
        os.environ["NRC_STORE"] = str(given.store.resolve())
    output = given.output or project_folder() / "build" / "runs" / given.notebook.name
    run_notebook(given.notebook, output, _pairs(given.parameters), timeout=given.timeout)
    print(f"executed notebook: {output}")


def _data(given: argparse.Namespace) -> None:
    from data_scripts import prepare
    from nrc_core.prepared import data_folder, read_prepared

    folder = data_folder(given.data_dir)
    failed: list[NrcError] = []
    for name in given.names:
        try:
            if given.again or given.from_dir or not _is_whole(folder / name):
                prepare(name, folder, from_dir=given.from_dir)
            table, manifest = read_prepared(folder / name)
        except NrcError as error:
            failed.append(error)
            if len(given.names) > 1:
                print(f"nrc: {error}", file=sys.stderr)
            continue
        inputs = "images" if manifest.images else f"{len(manifest.inputs)} inputs"
        print(
            f"{name}: {len(table)} rows, {inputs}, {len(manifest.targets)} targets, "
            f"{manifest.kind}, SHA-256 {manifest.sha256[:12]}, in {folder / name}"
        )
        for reason, count in manifest.facts.get("skipped", {}).items():
            print(f"{name}: {count} skipped, {reason}")
        if "lap_progress" in manifest.facts:
            print(f"{name}: {manifest.facts['lap_progress']:.1%} of {manifest.facts['episodes']} laps driven")
    if failed:
        raise failed[0] if len(given.names) == 1 else NrcError(f"{len(failed)} of {len(given.names)} data sets failed")


def _is_whole(folder: Path) -> bool:
    from nrc_core.errors import DataDamaged, DataUnavailable
    from nrc_core.prepared import read_prepared

    try:
        read_prepared(folder)
    except DataUnavailable:
        return False
    except DataDamaged as error:
        logging.getLogger(__name__).warning("%s", error)
        return False
    return True


def _compute(given: argparse.Namespace) -> None:
    from nrc_core.errors import DataUnavailable
    from nrc_core.heartbeat import heartbeat
    from nrc_core.runs import check_obtainable, run
    from nrc_core.store import Store

    store, wanted, lacking = Store(given.store), [], []
    for experiment, parameters in _planned(given):
        configs = experiment(**parameters)
        try:
            check_obtainable(configs, store=store)
        except DataUnavailable as error:  # the other pages of a profile can do without
            lacking.append(error)
        else:
            wanted += configs
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
    from nrc_core.experiments import EXPERIMENTS
    from nrc_core.parameters import experiment_parameters
    from nrc_core.profiles import read_profile

    if given.experiment != "all" and given.experiment not in EXPERIMENTS:
        raise ConfigError(f"no experiment {given.experiment!r}: there is {', '.join(EXPERIMENTS)}")
    if given.profile is None:
        if given.experiment == "all":
            raise ConfigError("`all` experiments need a profile: add --profile book/profiles/paper.yml")
        experiment = EXPERIMENTS[given.experiment]
        return [(experiment, experiment_parameters(experiment, _pairs(given.parameters)))]
    if given.parameters:
        raise ConfigError("parameters and --profile exclude each other: the profile has its own")
    wanted = EXPERIMENTS if given.experiment == "all" else {given.experiment: EXPERIMENTS[given.experiment]}
    pages = [page for page in read_profile(given.profile).pages if page.experiment in wanted]
    return [(EXPERIMENTS[page.notebook], dict(page.parameters)) for page in pages]


def _claims(given: argparse.Namespace) -> None:
    from nrc_core.claims import judge, regressions, score
    from nrc_core.machines import machine_share, read_machines
    from nrc_core.prepared import project_folder
    from nrc_core.references import References
    from nrc_core.store import Store

    profile = _profile(given, "paper")
    folder = given.store or os.environ.get("NRC_STORE") or project_folder() / profile.store
    expected = _read_verdicts(given.against) if given.against else {}
    judged = judge(profile, Store(folder), machine_share(References.read(), read_machines()))
    if given.json:
        print(json.dumps([one.as_dict() for one in judged], indent=1))
    else:
        for one in judged:
            held = ", ".join(f"{group.name} {group.held} of {group.networks}" for group in one.groups)
            print(f"{one.claim.id:6} {one.verdict:15} {held or one.reason}")
        print("; ".join(f"{count} {verdict}" for verdict, count in score(judged).items()))
    if given.record:
        verdicts = {one.claim.id: one.verdict for one in judged}
        given.record.write_text(json.dumps(verdicts, indent=1) + "\n")
    if lost := regressions(judged, expected):
        raise NrcError(
            f"{len(lost)} claims no longer hold ({'; '.join(lost)}): mend the code, or record it as found "
            "(on another processor a close call of few networks can fall the other way)"
        )


def _read_verdicts(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        raise ConfigError(f"no recorded verdicts at {path}: make them with `nrc claims --record {path}`") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must map claims to verdicts: make it with `nrc claims --record {path}`")
    return content


def _profile(given: argparse.Namespace, name: str) -> Profile:
    from nrc_core.prepared import project_folder
    from nrc_core.profiles import read_profile

    return read_profile(given.profile or project_folder() / "book" / "profiles" / f"{name}.yml")


def _check(given: argparse.Namespace) -> None:
    from nrc_core.agreement import LIMIT
    from nrc_core.prepared import project_folder
    from nrc_core.rechecks import DIFFERS, check, summary
    from nrc_core.references import References, trained_pages
    from nrc_core.store import Store

    profile = _profile(given, "quick")
    store = Store(given.store or os.environ.get("NRC_STORE") or project_folder() / profile.store)
    checked = check(trained_pages(profile, given.pages), store, References.read(given.references))
    if given.json:
        pages = [one.as_dict() for one in checked]
        print(json.dumps({"profile": profile.name, "limit": LIMIT, "pages": pages}, indent=1))
    else:
        print(summary(checked))
    if differing := [one.page for one in checked if one.outcome == DIFFERS]:
        raise NrcError(
            f"{len(differing)} of {len(checked)} pages differ from their references ({', '.join(differing)}): see what "
            "changed the numbers, and mend it, or make new references with `nrc references`"
        )


def _references(given: argparse.Namespace) -> None:
    from nrc_core.heartbeat import heartbeat
    from nrc_core.prepared import project_folder
    from nrc_core.references import default_folder, make, trained_pages
    from nrc_core.store import Store

    if not 1 <= given.seeds <= MOST_SEEDS:
        raise ConfigError(f"--seeds must be from 1 to {MOST_SEEDS}: got {given.seeds}")
    project = project_folder()
    pages = trained_pages(_profile(given, "quick"), given.pages)
    if given.machine is not None and not given.machine.isidentifier():
        raise ConfigError(f"--machine must be a word of letters, digits and _: got {given.machine!r}")
    published = Store(project / "results") if given.machine is None else None
    store = Store(given.store or project / "build" / (f"machine_{given.machine}" if given.machine else "references"))
    folder = given.references or default_folder(given.machine)
    with heartbeat("nrc references"):
        lacking = make(pages, range(given.seeds), folder, store, published)
    for line in lacking:
        print(line)
    print(f"references of {len(pages) - len(lacking)} of {len(pages)} pages are there")


if __name__ == "__main__":
    sys.exit(main())
