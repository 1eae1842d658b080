"""`nrc compare`: compare two stored runs, in what they differ and in their results."""

import argparse
import math
from collections.abc import Iterable
from typing import Any

from nrc_core.claims.quantities import ONSET, quantities
from nrc_core.errors import ConfigError, suggestion
from nrc_core.files import project_folder
from nrc_core.results.store import RunResult, Store

SHORTEST = 4  # least number of letters of a key that the user must give


def execute(given: argparse.Namespace) -> None:
    """Print the differences between the two runs, and their quantities."""
    published = (project_folder() / "results").resolve()
    stores = [Store(folder) for folder in dict.fromkeys([Store(given.store).folder.resolve(), published])]
    runs = [_find(name, stores) for name in (given.first, given.second)]
    _print_row("", [run.key for run in runs])
    different = [(name, pair) for name, pair in _paired(*map(_described, runs)) if pair[0] != pair[1]]
    for name, pair in different:
        _print_row(name, pair)
    if not different:
        print("nothing differs in the configuration, the data and the device")
    print()
    for run in runs:
        if run.failure:
            print(f"{run.key} diverged: {run.failure}")
    rows = _paired(*map(_quantities, runs))
    for kind in dict.fromkeys(kind for (kind, _), _ in rows):
        print(kind)
        for (one, place), pair in rows:
            if one == kind:
                _print_row(f"  {place}", pair)


def _find(name: str, stores: list[Store]) -> RunResult:
    known = {key: store for store in reversed(stores) for key in store.all_keys()}
    keys = [name] if name in known else [key for key in known if key.startswith(name)]
    if len(name) < SHORTEST:
        raise ConfigError(f"a run is named by at least {SHORTEST} letters of its key: got {name!r}")
    if not keys:
        near = suggestion(name, list(known), "there is") if 0 < len(known) < 20 else "`nrc list store` names the newest"
        raise ConfigError(f"no run {name!r} in {' or '.join(str(store.folder) for store in stores)}: {near}")
    if len(keys) > 1:
        raise ConfigError(f"{len(keys)} runs begin with {name!r}: give more of the key, one of {', '.join(keys[:5])}")
    store = known[keys[0]]
    result = store.load(keys[0])
    if result is None:
        raise ConfigError(f"run {keys[0]} in {store.folder} is damaged: it is computed again when it is needed")
    return result


def _described(run: RunResult) -> dict[str, Any]:
    """The configuration, the data and the circumstances of a run."""
    record = run.provenance
    config: dict[str, Any] = {}
    for name, value in run.config.as_dict().items():
        config |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    data = {f"data: {name}": record["data"].get(name) for name in ("identity", "n_train", "n_test")}
    return config | data | {"device": record["device"], "seconds": record["seconds"], "date": str(record["date"])[:10]}


def _quantities(run: RunResult) -> dict[tuple[str, str], Any]:
    """The quantities of a run by kind and place; none if it diverged.

    An onset is given in words if it was not reached, or if the run has only one measurement.
    """
    if run.failure:
        return {}
    times = run.config.times
    values: dict[tuple[str, str], Any] = {}
    for row in quantities(run, run.config).itertuples():
        value = float(row.value)
        if row.kind == ONSET and value > times[-1]:
            values[row.kind, row.place] = f"not by {times[-1]}"
        elif row.kind == ONSET and len(times) == 1:
            values[row.kind, row.place] = f"at most {times[-1]}"
        else:
            values[row.kind, row.place] = value
    return values


def _paired(first: dict[Any, Any], second: dict[Any, Any]) -> list[tuple[Any, tuple[Any, Any]]]:
    """The entries of both dictionaries by name; None if a dictionary lacks an entry."""
    return [(name, (first.get(name), second.get(name))) for name in dict.fromkeys([*first, *second])]


def _print_row(name: str, pair: Iterable[Any]) -> None:
    print(f"{name:34}", *(f"{_short(value):>18}" for value in pair))


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return "undefined" if math.isnan(value) else f"{value:.4g}"
    text = str(value)
    return text if len(text) <= 18 else f"{text[:15]}..."
