"""Made results of networks whose geometric complexity is known."""

import dataclasses
import math

import pandas as pd

from nrc_core.results.results import Results
from nrc_core.sections.geometric_complexity import tables
from nrc_core.sections.geometric_complexity.experiment import geometric_complexity

SMALL = {
    "weight_decays": [0.0, 0.01], "batch_sizes": [8], "penalties": [0.01, 0.1], "learning_rates": [0.05],
    "momenta": [0.9], "train_per_class": 8, "test_per_class": 7, "width": 8, "iterations": 3, "seeds": [0, 1],
}  # fmt: skip
EACH = 1 + 2 + 1 + 2 + 1 + 2  # networks of a seed


def made(configs) -> Results:
    """Networks of these configurations that have the value 0.5 in all quantities."""
    runs = pd.DataFrame([{"key": f"{place:03d}", **config.as_dict()} for place, config in enumerate(configs)])
    at_end = {name: [3] for name in tables.AT_END} | {"few_shot": [-1, 0, 3]}
    classes = dict.fromkeys(("variance", "class_complexity"), range(12))
    rows = [
        {"key": key, "start": 0, "quantity": name, "index": index, "value": 0.5 if name != "variance" else 0.1}
        for key in runs["key"]
        for name, indices in (at_end | classes).items()
        for index in indices
    ]
    frames = {name: pd.DataFrame() for name in ("measurements", "spectra", "losses")}
    return Results(runs, **frames, provenance={}, descent=pd.DataFrame(rows))


def changed(results: Results, **quantities) -> Results:
    """The results with other values at the end: for each quantity a function of a run."""
    descent = results.descent.copy()
    for quantity, function in quantities.items():
        own = descent["quantity"] == quantity
        last = own & (descent["index"] == descent.loc[own, "index"].max())
        values = {run["key"]: float(function(run)) for run in results.runs.to_dict("records")}
        descent.loc[last, "value"] = descent.loc[last, "key"].map(values)
    return dataclasses.replace(results, descent=descent)


def strength(run) -> float:
    """A number that rises along each setting in the order in which the complexity is reported to fall."""
    return 100 * run["weight_decay"] + 64 / run["batch_size"] + 100 * run["penalty"] + 10 * run["learning_rate"]


def ideal_networks() -> Results:
    """Networks of all settings that have what the claims say."""
    return changed(
        made(geometric_complexity(**SMALL)),
        loss=lambda run: 0.01 * (1 + 0.1 * run["learning_rate"]),
        complexity=lambda run: math.exp(-strength(run)),
        normalised_complexity=lambda run: math.exp(-0.1 * strength(run)),
        normalised_complexity_test=lambda run: math.exp(-0.1 * strength(run)),
        v_train=lambda run: math.exp(-0.2 * strength(run)),
        v_test=lambda run: math.exp(-0.3 * strength(run)),
        v_target=lambda run: math.exp(-0.4 * strength(run)),
        few_shot=lambda run: 0.5 + run["penalty"],
        variance=lambda run: 0.1 - 0.01 * run["learning_rate"],
    )
