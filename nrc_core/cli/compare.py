"""`nrc compare`: two stored runs, what they differ in and what they gave."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nrc_core.cli.arguments import add_store, completing, store_folder
from nrc_core.errors import ConfigError, suggestion

if TYPE_CHECKING:
    from nrc_core.results.store import RunResult

HELP = "two stored runs: what they differ in, and their quantities at the end side by side"
SHORTEST = 4  # letters of a key that are enough


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    for name in ("first", "second"):
        run = parser.add_argument(name, metavar="RUN", help="key of a run, or how it begins (`nrc list store`)")
        completing(run, _keys)
    add_store(parser, "NRC_STORE, or build/store; the published runs are looked at too")


def execute(given: argparse.Namespace) -> None:
    """Print what differs, and the quantities."""
    first, second = (_find(name, given) for name in (given.first, given.second))
    print(f"{'':34} {first.key:>18} {second.key:>18}")
    for line in _differences(first, second):
        print(line)
    print()
    for line in _quantities(first, second):
        print(line)


def _find(name: str, given: argparse.Namespace) -> RunResult:
    from nrc_core.files import project_folder
    from nrc_core.results.records import all_keys
    from nrc_core.results.store import Store

    folders = list(dict.fromkeys([store_folder(given).resolve(), (project_folder() / "results").resolve()]))
    known = {key: folder for folder in reversed(folders) for key in all_keys(folder)}
    found = [key for key in known if key == name] or [key for key in known if key.startswith(name)]
    if len(name) < SHORTEST:
        raise ConfigError(f"a run is named by at least {SHORTEST} letters of its key: got {name!r}")
    if not found:
        near = suggestion(name, list(known), "there is") if 0 < len(known) < 20 else "`nrc list store` names the newest"
        raise ConfigError(f"no run {name!r} in {' or '.join(map(str, folders))}: {near}")
    if len(found) > 1:
        raise ConfigError(f"{len(found)} runs begin with {name!r}: give more of the key, one of {', '.join(found[:5])}")
    result = Store(known[found[0]]).load(found[0])
    if result is None:
        raise ConfigError(f"run {found[0]} in {known[found[0]]} is damaged: what wants it computes it again")
    return result


def _differences(first: RunResult, second: RunResult) -> Iterator[str]:
    """Of the configurations, the data and the circumstances; what is alike in both is left out."""
    same = True
    for name, pair in _pairs(_described(first), _described(second)):
        if pair[0] != pair[1]:
            same = False
            yield f"{name:34} {_short(pair[0]):>18} {_short(pair[1]):>18}"
    if same:
        yield "nothing differs in the configuration, the data and the device"


def _described(run: RunResult) -> dict[str, Any]:
    record = run.provenance
    flat: dict[str, Any] = {}
    for name, value in run.config.as_dict().items():
        flat |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    data = {f"data: {name}": record["data"].get(name) for name in ("identity", "n_train", "n_test")}
    return flat | data | {"device": record["device"], "seconds": record["seconds"], "date": str(record["date"])[:10]}


def _quantities(first: RunResult, second: RunResult) -> Iterator[str]:
    from nrc_core.claims.quantities import quantities

    tables = []
    for run in (first, second):
        if run.failure:
            yield f"{run.key} diverged: {run.failure}"
        table = None if run.failure else quantities(run, run.config)
        tables.append({} if table is None else {(row.kind, row.place): _value(row, run) for row in table.itertuples()})
    kind, kinds = None, list(dict.fromkeys(name[0] for table in tables for name in table))
    for name, pair in sorted(_pairs(*tables), key=lambda row: kinds.index(row[0][0])):
        if name[0] != kind:
            kind = name[0]
            yield kind
        yield f"  {name[1]:32} {_short(pair[0]):>18} {_short(pair[1]):>18}"


def _value(row: Any, run: RunResult) -> float | str:
    """A quantity; of an onset that was not reached, or that a single measurement cannot tell, the words."""
    from nrc_core.claims.quantities import ONSET

    if row.kind != ONSET:
        return float(row.value)
    last = run.config.times[-1]
    if row.value > last:
        return f"not by {last}"
    return float(row.value) if len(run.config.times) > 1 else f"at most {last}"


def _pairs(first: dict[Any, Any], second: dict[Any, Any]) -> Iterator[tuple[Any, tuple[Any, Any]]]:
    for name in dict.fromkeys([*first, *second]):
        yield name, (first.get(name), second.get(name))


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return "undefined" if math.isnan(value) else f"{value:.4g}"
    text = str(value)
    return text if len(text) <= 18 else f"{text[:15]}..."


def _keys() -> list[str]:
    from nrc_core.files import project_folder
    from nrc_core.results.records import all_keys

    return [key for folder in ("build/store", "results") for key in all_keys(project_folder() / folder)]
