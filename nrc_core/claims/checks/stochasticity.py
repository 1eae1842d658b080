"""The check of how fast classifiers collapse with more random steps: batches of several sizes."""

from typing import Any

import pandas as pd

from nrc_core.claims.checks.classification import FAMILY, NAMES, classifiers
from nrc_core.claims.checks.observation import Items, Value, check
from nrc_core.claims.checks.subjects import kept
from nrc_core.results.results import Results
from nrc_core.sections.collapse import last_hidden


@kept
def _batches(results: Results) -> Items:
    """Yield every classifier with smaller batches beside the one that takes all training rows in each step.

    Both are rows of the last hidden layer at the end of training. They have the same seed and differ in the size of
    their batches alone.
    """
    for part in classifiers(results):
        ends = last_hidden(part).sort_values("iteration").groupby("key", sort=False).tail(1)
        ends = part.label(ends, "batch_size", "iterations")
        ends["rows"] = [part.provenance[key]["data"]["n_train"] for key in ends["key"]]
        for _, networks in ends.groupby([*FAMILY, "iterations", "rows"], sort=False):
            all_rows = networks[networks["batch_size"] >= networks["rows"]]
            for row in networks[networks["batch_size"] < networks["rows"]].to_dict("records"):
                if len(all_rows):
                    yield {"group": _named(row), "seed": row["seed"]}, row, all_rows.iloc[0]


def _named(row: dict[str, Any]) -> str:
    return f"{row['dataset']}, {NAMES[row['architecture']]}, batches of {row['batch_size']:g}"


@check(limit="further_collapse_most", over=_batches)
def smaller_batches_collapse_further(row: dict[str, Any], all_rows: pd.Series) -> Value:
    """Train variance with smaller batches over that with batches of all rows, after equally many steps.

    Both variances are around the class means of the moment.
    """
    return row["variance_current"] / all_rows["variance_current"]
