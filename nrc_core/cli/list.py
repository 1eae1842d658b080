"""`nrc list`: list the available notebooks, data sets and experiments, and the runs in the store."""

import argparse
import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from nrc_core.cli.parser import KINDS
from nrc_core.data.catalogue import BUILT_IN, GENERATED
from nrc_core.data.prepared import data_folder, read_manifest
from nrc_core.errors import ConfigError, DataDamaged, DataUnavailable, suggestion
from nrc_core.results.phrases import counted
from nrc_core.results.store import Store
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.workflow.notebook_files import all_notebooks, folder, opening

Record = dict[str, Any]


def execute(given: argparse.Namespace) -> None:
    """Print the requested lists."""
    for kind in given.kinds:
        if kind not in KINDS:
            raise ConfigError(f"there is no list of {kind!r}: {suggestion(kind, KINDS, 'there is')}")
    lists = (_notebooks(), _data(), _experiments(), _store(Store(given.store), each="store" in given.kinds))
    parts = dict(zip(KINDS, lists, strict=True))
    print("\n\n".join("\n".join(parts[kind]) for kind in given.kinds or KINDS))


def _notebooks() -> Iterator[str]:
    known = all_notebooks()
    yield f"Notebooks in {folder()} (`nrc show NAME` says more)" if known else f"No notebooks: {folder()} is not there"
    for name, path in known.items():
        try:
            title = opening(path)[0]
        except ConfigError:
            title = "cannot be read"
        yield f"  {name:31} {title}"


def _data() -> Iterator[str]:
    yield f"Data sets (prepared ones are in {data_folder()}); the path of a table of your own works too"
    for name in BUILT_IN:
        state = "made on the spot"
        if name not in GENERATED:
            try:
                manifest = read_manifest(data_folder() / name)
                state = f"prepared, {manifest.rows} rows, {manifest.kind}"
            except DataUnavailable:
                state = f"not prepared: `nrc data {name}`"
            except DataDamaged:
                state = f"damaged: `nrc data {name} --again`"
        yield f"  {name:31} {state}"


def _experiments() -> Iterator[str]:
    yield "Experiments (`nrc compute NAME` runs one without its notebook)"
    for name, function in EXPERIMENTS.items():
        yield f"  {name:31} {(function.__doc__ or '').splitlines()[0]}"


def _store(store: Store, *, each: bool) -> Iterator[str]:
    """Yield one line for each data set, task and network; `each` adds one line for each run."""
    keys, whole = store.all_keys(), list(store.records())
    yield f"Store {store.folder}: {counted(len(keys), 'run')} (`nrc compare KEY KEY` compares two)"
    for (dataset, network), group in groupby(sorted(whole, key=_kind), _kind):
        records = list(group)
        newest = max(records, key=lambda record: record["date"])
        diverged = sum("failure" in record for record in records)
        runs = counted(len(records), "run") + (f", {diverged} diverged" if diverged else "")
        yield f"  {dataset:16} {network:24} {runs:22} newest {newest['key']} of {newest['date'][:10]}"
        if each:
            yield from _runs(records)
    if len(whole) < len(keys):
        yield f"  {len(keys) - len(whole)} more cannot be read: they are computed again when they are needed"


def _runs(records: list[Record]) -> Iterator[str]:
    """Yield one line for each run, oldest first: key, date, and the parameters in which runs of this kind differ."""
    flat = [_flat(record["config"]) for record in records]
    names = dict.fromkeys(name for one in flat for name in one)
    varied = [name for name in names if len({json.dumps(one.get(name)) for one in flat}) > 1]
    for record, config in sorted(zip(records, flat, strict=True), key=lambda pair: pair[0]["date"]):
        parameters = ", ".join(f"{name}={config[name]}" for name in varied if config.get(name) is not None)
        yield f"    {record['key']} of {record['date'][:16]}  {parameters}"


def _flat(config: Record) -> Record:
    """A configuration without nesting and without the times of its measurements."""
    flat: Record = {}
    for name, value in config.items():
        flat |= _flat(value) if isinstance(value, dict) else {} if name.startswith("measure_") else {name: value}
    return flat


def _kind(record: Record) -> tuple[str, str]:
    config = record["config"]
    network = config.get("pretraining", config).get("architecture", "mlp")  # older records, all of MLPs, lack the name
    return config["dataset"], f"{config.get('task', 'regression')}, {network}"
