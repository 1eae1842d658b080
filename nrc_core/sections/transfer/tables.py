"""The table of all pre-trained networks that were fine-tuned."""

from __future__ import annotations

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
    transfers = results.runs[results.runs["task"] == "transfer"]
    hidden = last_hidden(results.where(task="classification"))
    moments = hidden.set_index(["key", "iteration"])
    labels = hidden.drop_duplicates("key").set_index("key")
    rows = []
    for run in transfers.to_dict("records"):
        key, start, tried = run["pretraining_key"], int(run["start"]), results.downstream
        tried = tried[tried["key"] == run["key"]].dropna(subset="validation_error")
        tuned, probed = tried[tried["kind"] == "fine-tuning"], tried[tried["kind"] == "linear probe"]
        chosen = tuned.loc[tuned["validation_error"].idxmin()]
        rows.append(
            {
                "pretraining_key": key,
                **labels.loc[key, NETWORK].to_dict(),
                "start": start,
                "control": run["pretraining"]["stop_iteration"] is not None,
                **moments.loc[(key, start), ["variance", "variance_current"]].to_dict(),
                "by_validation": 1 - chosen["test_error"],
                "by_test": 1 - tuned["test_error"].min(),
                "probe": 1 - probed.loc[probed["validation_error"].idxmin(), "test_error"],
                "learning_rate": chosen["setting"],
            }
        )
    return pd.DataFrame(rows)
