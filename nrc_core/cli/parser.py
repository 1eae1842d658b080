"""The commands of `nrc`, their arguments and their help. Imports nothing that is slow."""

import argparse
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

MOST_SEEDS = 100  # largest number of seeds of references; more seeds would take days
KINDS = ("notebooks", "data", "experiments", "store")  # kinds of lists
DEFAULT_STORE = "NRC_STORE, or build/store"
PROFILE_STORE = "NRC_STORE, or the profile's"


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="nrc", description="Companion to Deep Neural Regression Collapse")
    parser.add_argument("--version", action="version", version=f"nrc {_version()}")
    _add_volume(parser)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        _add_volume(command)
        return command

    command = add("list", "the notebooks, data sets and experiments there are, and what is in the store")
    command.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)} (default: all)")
    _add_store(command, DEFAULT_STORE)

    command = add("show", "what a notebook asks, which parameters it takes, and how long it took")
    _add_notebook(command)
    _add_store(command, DEFAULT_STORE)

    command = add("run", "execute a notebook with parameters")
    _add_notebook(command)
    _add_parameters(command)
    text = "where the executed notebook goes (default: build/runs/NAME.ipynb)"
    command.add_argument("--output", type=Path, help=text)
    command.add_argument("--html", action="store_true", help="leave a page beside it, to open in a browser")
    _add_store(command, DEFAULT_STORE)
    command.add_argument("--timeout", type=int, help="seconds a cell may take (default: no limit)")

    command = add("compare", "two stored runs: what they differ in, and their quantities at the end side by side")
    for which in ("first", "second"):
        command.add_argument(which, metavar="RUN", help="key of a run, or how it begins (`nrc list store`)")
    _add_store(command, f"{DEFAULT_STORE}; the published runs are looked at too")

    command = add("data", "fetch or simulate data sets and verify them")
    command.add_argument("names", nargs="+", metavar="NAME")
    command.add_argument("--from-dir", type=Path, help="folder with local copies of the original files")
    command.add_argument("--data-dir", type=Path, help="where prepared data go (default: NRC_DATA_DIR, or data)")
    command.add_argument("--again", action="store_true", help="make them again even if they are there and whole")

    command = add("compute", "fill the store without a notebook, for nodes that have torch only")
    command.add_argument("experiment", help="name of an experiment, or `all` with --profile")
    _add_parameters(command)
    command.add_argument("--profile", type=Path, help="compute the pages of this profile that use the experiment")
    _add_store(command, DEFAULT_STORE)
    command.add_argument("--device", help="cpu, cuda or cuda:NUMBER (default: a GPU where there is one)")

    command = add("claims", "judge the claims of the papers on the store, or show some in full; trains nothing")
    command.add_argument("claims", nargs="*", metavar="CLAIM", help="shown in full (default: all, a line each)")
    command.add_argument("--json", action="store_true", help="everything behind the verdicts, as JSON")
    command.add_argument("--profile", type=Path, help="pages whose networks are the evidence (default: paper)")
    _add_store(command, PROFILE_STORE)
    command.add_argument("--record", type=Path, help="write the verdicts to this file")
    command.add_argument("--against", type=Path, help="fail if a claim reproduced in this file no longer is")

    command = add("check", "do the runs of a store agree with the reference runs? Trains nothing")
    _add_pages(command, "whose pages were run")
    _add_store(command, PROFILE_STORE)
    _add_references(command)
    command.add_argument("--json", action="store_true", help="everything behind the outcomes, as JSON")

    command = add("references", "make the reference runs of pages that are missing")
    _add_pages(command, "whose pages")
    command.add_argument("--seeds", type=_seeds, default=5, help="seeds 0, 1, ... of each page (default: 5)")
    command.add_argument("--store", type=Path, help="where runs are kept (default: build/references)")
    _add_references(command)
    text = "train here even what is published, for results/machines/NAME"
    command.add_argument("--machine", type=_machine, metavar="NAME", help=text)

    command = add("multiverse", "train the networks that the table of the multiverse lacks, and write the table")
    text = "train at most N networks, 0 to take only those that a store has (default: all, which takes hours)"
    command.add_argument("--most", type=_count, metavar="N", help=text)
    command.add_argument("--store", type=Path, help="where new runs are kept (default: build/multiverse)")
    return parser


def _seeds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MOST_SEEDS}: got {text}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 0: got {text!r}")
    return int(text)


def _machine(text: str) -> str:
    if not text.isidentifier():
        raise argparse.ArgumentTypeError(f"must be a word of letters, digits and _: got {text!r}")
    return text


def _version() -> str:
    try:
        return version("nrc-core")
    except PackageNotFoundError:
        return "of a checkout that is not installed"


def _add_volume(parser: argparse.ArgumentParser) -> None:
    """Add `-q` and `-v`, which may stand before the name of a command or after it.

    They have no default, because the default of the command would replace an option that stands before the name.
    """
    volume = parser.add_mutually_exclusive_group()
    flag: dict[str, Any] = {"action": "store_true", "default": argparse.SUPPRESS}
    volume.add_argument("-q", "--quiet", **flag, help="results, warnings and errors only")
    volume.add_argument("-v", "--verbose", **flag, help="what is looked up and loaded, and where an error comes from")


def _add_store(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--store", type=Path, help=f"folder of results (default: {default})")


def _add_notebook(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", help="path of a notebook, or name of one of the project's (`nrc list`)")


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    text = 'lists are name=a,b or "name=[a, b]"'
    parser.add_argument("parameters", nargs="*", default=[], metavar="name=value", help=text)


def _add_pages(parser: argparse.ArgumentParser, which: str) -> None:
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="pages of the profile (default: all)")
    parser.add_argument("--profile", type=Path, help=f"{which} (default: quick)")


def _add_references(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--references", type=Path, help="folder of the references (default: results/references)")
