"""The pre-trained networks that were fine-tuned, and how their accuracy depends on their collapse."""

import pandas as pd

from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.collapse import NETWORK, last_hidden
from nrc_core.sections.transfer.pooled import Pooled, detectable, seeds_needed, slope

# Columns of `by_checkpoint`: the train variance by its class means, and the accuracy by the rows that chose the rate.
VARIANCES = {"final": "variance", "moment": "variance_current"}
ACCURACIES = {"validation": "by_validation", "test": "by_test"}
SAME = ["dataset", "architecture", "weight_decay", "rows", "seed"]  # of all checkpoints of one pre-training
EQUALLY_LONG = ["dataset", "architecture", "rows", "seed", "start"]


def by_checkpoint(results: Results) -> pd.DataFrame:
    """One row for each checkpoint of a pre-trained network that was fine-tuned.

    Returns:
        Columns `pretraining_key`, those in `NETWORK`, `start` (the iteration of the checkpoint), `rows` (number of rows
        for the fine-tuning), `control` (whether it was pre-trained with other options for the equal-time control),
        `variance` (TrainVariance of the pre-training at `start`, around the class means at its end, as the paper
        defines it) and `variance_current` (the same around the class means at `start`, so that networks whose
        pre-training ends at different iterations can be compared). Test accuracies are `by_validation` and `by_test`
        (learning rate chosen on validation rows and on test rows) and `probe` (linear probe). `learning_rate` is the
        rate that was chosen on validation rows, `tuned_loss` the training loss at the end of fine-tuning with it. `key`
        is that of the fine-tuning.
    """
    runs = results.runs[results.runs["task"] == "transfer"].set_index("key")
    tried = results.downstream.dropna(subset="validation_error")
    chosen = tried.loc[tried.groupby(["key", "kind"])["validation_error"].idxmin()].set_index(["kind", "key"])
    tuned, probed = chosen.loc["fine-tuning"], chosen.loc["linear probe"]
    best = tried[tried["kind"] == "fine-tuning"].groupby("key")["test_error"].min()
    ends = pd.Series([one["stop_iteration"] for one in runs["pretraining"]], runs.index, dtype=float)
    table = runs[["pretraining_key", "start"]].assign(
        rows=[results.provenance[key]["data"]["n_train"] for key in runs.index],
        control=ends == runs.groupby("pretraining_key")["start"].transform("min"),  # it ends where its tuning starts
        by_validation=1 - tuned["test_error"],
        by_test=1 - best,
        probe=1 - probed["test_error"],
        learning_rate=tuned["setting"],
        tuned_loss=tuned["train_loss"],
    )
    names = {"key": "pretraining_key", "iteration": "start"}
    hidden = last_hidden(results.where(task="classification")).rename(columns=names)
    hidden = hidden[[*names.values(), *NETWORK, "variance", "variance_current"]]
    return table.reset_index().astype({"start": int}).merge(hidden, how="left", on=list(names.values()))


def checkpoints(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `by_checkpoint` that are checkpoints of one pre-training, as in the paper."""
    return table[~table["control"]]


def equally_long(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `by_checkpoint` that were pre-trained for as long as the networks of the control."""
    return table[table["start"].isin(table.loc[table["control"], "start"])]


def slopes(rows: pd.DataFrame, by: list[str], *, means: str, chosen_on: str = "validation") -> pd.DataFrame:
    """The slope of accuracy on collapse of each seed, see `nrc_core.sections.transfer.pooled.slope`.

    Args:
        rows: some rows of `by_checkpoint`.
        by: the columns that are alike in the rows of one slope, `SAME` or `EQUALLY_LONG`.
        means: the class means of the train variance, "final" or "moment".
        chosen_on: the rows on which the learning rate was chosen, "validation" or "test".

    Returns:
        The columns `by` and `slope`, in points of accuracy lost for each halving of the variance. Seeds whose variances
        are all the same are left out.
    """
    columns = [VARIANCES[means], ACCURACIES[chosen_on]]
    found = [
        {**dict(zip(by, names, strict=True)), "slope": slope(*own[columns].to_numpy(dtype=float).T)}
        for names, own in rows.groupby(by, sort=False)
    ]
    return pd.DataFrame(found, columns=[*by, "slope"]).dropna(subset="slope")


def factors(rows: pd.DataFrame, by: list[str], *, means: str) -> pd.DataFrame:
    """By which factor the train variances differ, the largest over the least, among networks that are compared.

    The arguments are as in `slopes`.

    Returns:
        The columns `by` and `factor`, at least 1. Networks without another to compare with are left out.
    """
    groups = rows.groupby(by, sort=False)[VARIANCES[means]]
    found = (groups.max() / groups.min())[groups.size() > 1]
    return found.rename("factor").reset_index()


def pooled_slopes(results: Results) -> pd.DataFrame:
    """Every pooled slope of a page, its interval, and its power.

    Returns:
        One row for each comparison (checkpoints of one pre-training, networks of equal age), for each kind of class
        means and each kind of rows that chose the learning rate. Columns, in points of accuracy for each halving of the
        train variance: `slope`, `low` and `high` (ends of its 95 % interval) and `shown with power 0.8`; `seeds`, and
        `seeds needed` for the effect of figure 5. `seeds needed` is missing for one seed, or above 10,000.
    """
    table, effect, found = by_checkpoint(results), thresholds()["transfer_effect_least"], []
    compared = {"checkpoints": (checkpoints(table), SAME), "equal age": (equally_long(table), EQUALLY_LONG)}
    for comparison, (rows, by) in compared.items():
        for means in VARIANCES if comparison == "checkpoints" else ["moment"]:
            for chosen_on in ACCURACIES:
                values = tuple(slopes(rows, by, means=means, chosen_on=chosen_on)["slope"])
                if not values:
                    continue
                pooled, several = Pooled(values), len(values) > 1
                found.append({
                    "comparison": comparison, "class means": means, "rate chosen on": chosen_on, "seeds": len(values),
                    "slope": pooled.mean, "low": pooled.interval[0], "high": pooled.interval[1],
                    "shown with power 0.8": detectable(pooled.spread, len(values)) if several else None,
                    "seeds needed": seeds_needed(pooled.spread, effect) if several else None,
                })  # fmt: skip
    return pd.DataFrame(found).astype({"seeds needed": "Int64"}) if found else pd.DataFrame(columns=["slope"])
