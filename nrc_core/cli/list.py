"""`nrc list`: the notebooks, data sets and experiments there are, and what is in the store."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from nrc_core.cli.arguments import add_store, completing, store_folder
from nrc_core.errors import ConfigError, suggestion

HELP = "the notebooks, data sets and experiments there are, and what is in the store"
STORE = "store"  # if it is asked for by name, run by run
KINDS = ("notebooks", "data", "experiments", STORE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    kinds = parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)} (default: all)")
    completing(kinds, lambda: KINDS)
    add_store(parser, "NRC_STORE, or build/store")


def execute(given: argparse.Namespace) -> None:
    """Print what is asked for, a line each."""
    for kind in given.kinds:
        if kind not in KINDS:
            raise ConfigError(f"there is no list of {kind!r}: {suggestion(kind, KINDS, 'there is')}")
    parts = {"notebooks": _notebooks, "data": _data, "experiments": _experiments, "store": _store}
    for number, kind in enumerate(given.kinds or KINDS):
        if number:
            print()
        for line in parts[kind](given):
            print(line)


def _notebooks(_: argparse.Namespace) -> Iterator[str]:
    from nrc_core.workflow.notebook_files import all_notebooks, folder, opening

    found = all_notebooks()
    yield f"Notebooks in {folder()} (`nrc show NAME` says more)" if found else f"No notebooks: {folder()} is not there"
    for name, path in found.items():
        try:
            title = opening(path)[0]
        except ConfigError:
            title = "cannot be read"
        yield f"  {name:31} {title}"


def _data(_: argparse.Namespace) -> Iterator[str]:
    from nrc_core.data.catalogue import BUILT_IN
    from nrc_core.data.prepared import data_folder, read_manifest
    from nrc_core.errors import DataDamaged, DataUnavailable

    yield f"Data sets (prepared ones are in {data_folder()}); the path of a table of your own works too"
    for name in BUILT_IN:
        state = "made on the spot"
        if name != "synthetic":
            try:
                manifest = read_manifest(data_folder() / name)
                state = f"prepared, {manifest.rows} rows, {manifest.kind}"
            except DataUnavailable:
                state = f"not prepared: `nrc data {name}`"
            except DataDamaged:
                state = f"damaged: `nrc data {name} --again`"
        yield f"  {name:31} {state}"


def _experiments(_: argparse.Namespace) -> Iterator[str]:
    from nrc_core.sections.experiments import EXPERIMENTS

    yield "Experiments (`nrc compute NAME` runs one without its notebook)"
    for name, function in EXPERIMENTS.items():
        yield f"  {name:31} {(function.__doc__ or '').splitlines()[0]}"


def _store(given: argparse.Namespace) -> Iterator[str]:
    from nrc_core.results.records import all_keys, read_records

    folder = store_folder(given)
    keys = all_keys(folder)
    yield f"Store {folder}: {len(keys)} run{'' if len(keys) == 1 else 's'} (`nrc compare KEY KEY` compares two)"
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    whole = 0
    for record in read_records(folder):
        config, whole = record["config"], whole + 1
        network = config.get("pretraining", config).get("architecture", "mlp")  # older records leave out the only one
        kind = (config["dataset"], f"{config.get('task', 'regression')}, {network}")
        groups.setdefault(kind, []).append(record)
    for (dataset, network), records in sorted(groups.items()):
        newest = max(records, key=_date)
        diverged = Counter("failure" in record for record in records)[True]
        failed = f", {diverged} diverged" if diverged else ""
        runs = f"{len(records)} run{'' if len(records) == 1 else 's'}{failed}"
        yield f"  {dataset:16} {network:24} {runs:22} newest {newest['key']} of {_date(newest)[:10]}"
        yield from _runs(records) if STORE in given.kinds else ()
    if whole < len(keys):
        yield f"  {len(keys) - whole} more cannot be read; what wants them computes them again"


def _runs(records: list[dict[str, Any]]) -> Iterator[str]:
    """A line a run, oldest first: key, date, and what it differs in from others of its kind."""
    flat = [_flat(record["config"]) for record in records]
    names = dict.fromkeys(name for one in flat for name in one)
    varied = [name for name in names if len({json.dumps(one.get(name)) for one in flat}) > 1]
    for record, config in sorted(zip(records, flat, strict=True), key=lambda pair: _date(pair[0])):
        parameters = ", ".join(f"{name}={config[name]}" for name in varied if config.get(name) is not None)
        yield f"    {record['key']} of {_date(record)[:16]}  {parameters}"


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without nesting; when it is measured is left out."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        found |= _flat(value) if isinstance(value, dict) else {} if name.startswith("measure_") else {name: value}
    return found


def _date(record: dict[str, Any]) -> str:
    return str(record["date"])
