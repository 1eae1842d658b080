"""The table of final variances by the size of the training set."""

import pandas as pd

from nrc_core.results.results import Results
from nrc_core.sections.collapse import final_variances


def by_size(results: Results) -> pd.DataFrame:
    """The final variances by the size of the training set and the rule that ended training.

    Returns:
        Columns of `final_variances`, `n` (number of training rows) and `rule`: "loss", "iterations" or "epochs". The
        rules "iterations" and "epochs" train the largest set in the same way, so it has one row for each of them.
    """
    table = final_variances(results)
    runs = results.runs.set_index("key").loc[table["key"]]
    table["n"] = [results.provenance[key]["data"]["n_train"] for key in table["key"]]
    stopped, planned = runs["stop_loss"].notna().to_numpy(), runs["iterations"].to_numpy()
    longest, largest = planned.max(), table["n"].max()
    rules = {
        "loss": stopped,
        "iterations": ~stopped & (planned == longest),
        "epochs": ~stopped & (planned == longest * table["n"].to_numpy() // largest),
    }
    return pd.concat([table[chosen].assign(rule=rule) for rule, chosen in rules.items() if chosen.any()])
