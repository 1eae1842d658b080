"""The table of all pre-trained networks that were fine-tuned."""

import pandas as pd

from nrc_core.results.results import Results
from nrc_core.sections.collapse import NETWORK, last_hidden


def by_checkpoint(results: Results) -> pd.DataFrame:
    """One row for each checkpoint of a pre-trained network that was fine-tuned.

    Returns:
        Columns `pretraining_key`, those in `NETWORK`, `start` (the iteration of the checkpoint), `control` (whether it
        was pre-trained with other options for the equal-time control), `variance` (TrainVariance of the pre-training at
        `start`) and `variance_current` (the same with the class means at `start`, so that networks whose pre-training
        ends at different iterations can be compared). Test accuracies are `by_validation` and `by_test` (learning rate
        chosen on validation rows and on test rows) and `probe` (linear probe). `learning_rate` is the rate that was
        chosen on validation rows.
    """
    runs = results.runs[results.runs["task"] == "transfer"].set_index("key")
    tried = results.downstream.dropna(subset="validation_error")
    chosen = tried.loc[tried.groupby(["key", "kind"])["validation_error"].idxmin()].set_index(["kind", "key"])
    tuned, probed = chosen.loc["fine-tuning"], chosen.loc["linear probe"]
    best = tried[tried["kind"] == "fine-tuning"].groupby("key")["test_error"].min()
    ends = pd.Series([one["stop_iteration"] for one in runs["pretraining"]], runs.index, dtype=float)
    table = runs[["pretraining_key", "start"]].assign(
        control=ends == runs.groupby("pretraining_key")["start"].transform("min"),  # it ends where its tuning starts
        by_validation=1 - tuned["test_error"],
        by_test=1 - best,
        probe=1 - probed["test_error"],
        learning_rate=tuned["setting"],
    )
    names = {"key": "pretraining_key", "iteration": "start"}
    hidden = last_hidden(results.where(task="classification")).rename(columns=names)
    hidden = hidden[[*names.values(), *NETWORK, "variance", "variance_current"]]
    return table.astype({"start": int}).merge(hidden, how="left", on=list(names.values()))
