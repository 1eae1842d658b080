"""Tables of the section on geometric complexity: networks, the settings that they differ in, and the bound."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from nrc_core.config.trained_features import INPUTS
from nrc_core.results.phrases import counted, with_spread
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.geometric_complexity.experiment import BASE, GAUSSIAN

# The settings in words, in the order of the page, and whether larger values are reported to lower the complexity.
KNOBS = {
    "weight_decay": ("weight decay", True),
    "batch_size": ("batch size", False),
    "penalty": ("penalty", True),
    "learning_rate": ("learning rate", True),
}
POPULATIONS = {"gaussian_classes": "Gaussian classes", "digits_and_clothes": "pictures"}
AT_END = (
    "loss", "given_accuracy", "test_accuracy", "complexity", "normalised_complexity", "normalised_complexity_test",
    "v_train", "v_test", "v_target", "v_target_median", "few_shot",
)  # fmt: skip
# The complexities that can tell V_f, in words, and with which V_f each is compared.
COMPARED = {
    "raw complexity, V_f of test rows": ("complexity", "v_test"),
    "normalised complexity of training rows, V_f of training rows": ("normalised_complexity", "v_train"),
    "normalised complexity of training rows, V_f of test rows": ("normalised_complexity", "v_test"),
    "normalised complexity of test rows, V_f of test rows": ("normalised_complexity_test", "v_test"),
}


def networks(results: Results) -> pd.DataFrame:
    """Every network at the end of training: one row for each.

    Returns:
        Columns `key, seed, dataset`, `population` (in words), the settings in `BASE`, those in `AT_END`, `fitted`
        (whether the training loss is at most the threshold `even_loss_most`), `untrained_few_shot` and
        `inputs_few_shot`, `used` (the variance of the features over their complexity, both means over the trained
        classes), `ratio`, the largest of `class_ratios` of the network, and `test_ratio`, V_f of test rows over its
        bound, the Poincaré constant times their normalised complexity (both NaN without a known constant).
    """
    return results.once("geometric complexity", _networks).copy()


def _networks(results: Results) -> pd.DataFrame:
    values = results.descent[results.descent["quantity"].isin(AT_END)]
    last = values.groupby("key")["index"].transform("max")
    wide = _wide(values[values["index"] == last])[list(AT_END)]
    for prefix, index in (("untrained_", 0), ("inputs_", INPUTS)):
        wide[f"{prefix}few_shot"] = _wide(values[values["index"] == index])["few_shot"]
    table = results.runs[["key", "seed", "dataset", *BASE]].merge(wide.reset_index(), on="key")
    table["population"] = table["dataset"].map(POPULATIONS)
    table["fitted"] = table["loss"] <= thresholds()["even_loss_most"]
    means = results.descent.groupby(["quantity", "key"])["value"].mean()
    table["used"] = table["key"].map(means["variance"] / means["class_complexity"])
    table["ratio"] = table["key"].map(class_ratios(results).groupby("key")["ratio"].max())
    constants = {run["key"]: poincare(run) or math.nan for run in results.runs.to_dict("records")}
    table["test_ratio"] = table["v_test"] / (table["key"].map(constants) * table["normalised_complexity_test"])
    return table


def _wide(values: pd.DataFrame) -> pd.DataFrame:
    return values.pivot(index="key", columns="quantity", values="value").rename_axis(columns=None)


def class_ratios(results: Results) -> pd.DataFrame:
    """The variance of the features of each trained class over its bound, where the Poincaré constant is known.

    Returns:
        Columns `key`, `label` and `ratio`: Var / (C G), at most 1 by Poincaré's inequality. Both Var and G are means
        over the training rows of the class.
    """
    constants = {run["key"]: constant for run in results.runs.to_dict("records") if (constant := poincare(run))}
    own = results.descent[results.descent["key"].isin(constants)]
    variance, complexity = (
        own[own["quantity"] == name].set_index(["key", "index"])["value"] for name in ("variance", "class_complexity")
    )
    found = (variance / complexity).rename("ratio").rename_axis(["key", "label"]).reset_index()
    return found.assign(ratio=found["ratio"] / found["key"].map(constants).astype(float))


def poincare(run: Mapping[str, Any]) -> float | None:
    """The Poincaré constant of every class of a run's data; None if it is not known.

    That of a Gaussian is the largest eigenvalue of its covariance.
    """
    if run["dataset"] != GAUSSIAN:
        return None
    spread = float(run["dataset_options"]["signal_spread"]) ** 2
    return max(1.0, spread) if run["dataset_options"]["nuisance"] else spread


def along(results: Results) -> pd.DataFrame:
    """The networks that differ from the base in at most one of the `KNOBS`, once for each; the base is in all of them.

    Returns:
        The columns of `networks`, `knob`, and `step`: the place in the order in which the complexity is reported to
        fall, from 0.
    """
    table = networks(results)
    parts = []
    for knob, (_, rising) in KNOBS.items():
        others = [name for name in BASE if name != knob]
        own = table[(table[others] == pd.Series(BASE)[others]).all(axis=1)]
        steps = {value: step for step, value in enumerate(sorted(set(own[knob]), reverse=not rising))}
        parts.append(own.assign(knob=knob, step=own[knob].map(steps)))
    return pd.concat(parts, ignore_index=True)


def evenly_trained(results: Results, limit: float) -> pd.DataFrame:
    """The rows of `along` at the values of a setting at which no seed has a training loss above a limit.

    So all seeds are compared between the same values.
    """
    table = along(results)
    return table[table.groupby(["population", "knob", "step"])["loss"].transform("max") <= limit]


def with_penalty(results: Results) -> pd.DataFrame:
    """The networks that differ from the base in the penalty and the momentum only, in the order of the penalty."""
    table = networks(results)
    others = [name for name in BASE if name not in ("penalty", "momentum")]
    return table[(table[others] == pd.Series(BASE)[others]).all(axis=1)].sort_values("penalty", kind="stable")


def gains(results: Results) -> pd.DataFrame:
    """Few-shot accuracy with the largest penalty of fitted networks, less that without: one row for each pair.

    Returns:
        Columns `population, seed, momentum, penalty, gain`; pairs that are not fitted are left out.
    """
    rows = []
    fitted = with_penalty(results).query("fitted")
    for (population, momentum, seed), own in fitted.groupby(["population", "momentum", "seed"], sort=False):
        first, last = own.iloc[0], own.iloc[-1]
        if first["penalty"] == BASE["penalty"] < last["penalty"]:
            gain = last["few_shot"] - first["few_shot"]
            rows.append({"population": population, "seed": seed, "momentum": momentum, "penalty": last["penalty"],
                         "gain": gain})  # fmt: skip
    return pd.DataFrame(rows, columns=["population", "seed", "momentum", "penalty", "gain"])


def rank_correlations(results: Results) -> pd.DataFrame:
    """Spearman's rank correlation of complexity and V_f over all networks of a seed.

    Returns:
        Columns `population, seed`, and one for each pair in `COMPARED`.
    """
    rows = []
    for (population, seed), own in networks(results).groupby(["population", "seed"], sort=False):
        found = {words: own[one].rank().corr(own[other].rank()) for words, (one, other) in COMPARED.items()}
        rows.append({"population": population, "seed": seed, **found})
    return pd.DataFrame(rows)


def summary(results: Results) -> pd.DataFrame:
    """Means over the seeds of every setting, by population; `fitted` is the share of the networks that are."""
    columns = [
        "loss",
        "fitted",
        "complexity",
        "normalised_complexity",
        "normalised_complexity_test",
        "v_train",
        "v_test",
        "v_target",
        "few_shot",
    ]
    table = networks(results)
    return table.groupby(["population", *BASE], sort=False)[columns].mean()


def words(results: Results) -> str:
    """What the networks show, in a sentence for each finding."""
    table, correlations = networks(results), rank_correlations(results)
    limit = thresholds()["even_loss_most"]
    lines = [*_of_bound(results, table)]
    for population, own in correlations.groupby("population", sort=False):
        told = "; ".join(f"{name} {with_spread(own[name], '.2f')}" for name in COMPARED)
        lines.append(f"{_capital(population)}, rank correlations over all settings: {told}.")
    lines += _of_knobs(results)
    for (population, momentum), own in gains(results).groupby(["population", "momentum"], sort=False):
        rose = int((own["gain"] > 0).sum())
        lines.append(
            f"{_capital(population)}, momentum {momentum:g}: a penalty of {_penalties(own)} moves few-shot accuracy on "
            f"new classes by {with_spread(own['gain'], '.2f')}; it rises in {rose} of {counted(len(own), 'network')}."
        )
    inputs = table.groupby("population", sort=False)[["inputs_few_shot", "untrained_few_shot"]].mean()
    lines.append(
        "Few-shot accuracy without training: "
        + "; ".join(
            f"{name}, {row['inputs_few_shot']:.2f} from inputs and {row['untrained_few_shot']:.2f} from untrained maps"
            for name, row in inputs.iterrows()
        )
        + "."
    )
    left = int((~table["fitted"]).sum())
    lines.append(
        f"{left} of {counted(len(table), 'network')} {'has' if left == 1 else 'have'} a training loss above {limit:g}. "
        "They are not compared along a setting, because little training makes the complexity small too. A value of a "
        "setting at which one of the seeds has such a loss is left out for all seeds."
    )
    first = f"**{lines[0]}**"
    return "\n".join([first, "", *[f"* {line}" for line in lines[1:]]])


def _penalties(own: pd.DataFrame) -> str:
    return " or ".join(f"{value:g}" for value in sorted(set(own["penalty"])))


def _of_bound(results: Results, table: pd.DataFrame) -> Iterator[str]:
    ratios = class_ratios(results)["ratio"]
    if ratios.empty:
        yield "The data have no known Poincaré constant, so no bound is tested here."
        return
    held = int((ratios <= 1).sum())
    yield (
        f"The variance within classes is within the bound by geometric complexity in {held:,} of {len(ratios):,} "
        f"classes of {counted(int(table['ratio'].notna().sum()), 'network')}, and at most {ratios.max():.2g} times "
        "the bound."
    )
    yield (
        "The bound is checked on training rows of the trained classes, at the end of training. As a bound on V_f, it "
        f"is checked on test rows too: V_f is at most {table['test_ratio'].max():.2g} times its bound there."
    )


def _of_knobs(results: Results) -> Iterator[str]:
    """Yield for each population what happens along each setting, between the values at which all seeds are fitted."""
    fitted = evenly_trained(results, thresholds()["even_loss_most"])
    for population, table in fitted.groupby("population", sort=False):
        parts = []
        for knob, own in table.groupby("knob", sort=False):
            means = own.groupby("step")[["complexity", "v_train", "v_target"]].mean()
            if len(means) < 2:
                continue
            values = own.groupby("step")[knob].first()
            factors = means.iloc[-1] / means.iloc[0]
            parts.append(
                f"{KNOBS[str(knob)][0]} from {values.iloc[0]:g} to {values.iloc[-1]:g}: {factors['complexity']:.2g}, "
                f"{factors['v_train']:.2g}, {factors['v_target']:.2g}"
            )
        if parts:
            yield (
                f"{_capital(str(population))}: factors by which the complexity, V_f of training rows and V_f of new "
                f"classes change with {'; '.join(parts)}."
            )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
