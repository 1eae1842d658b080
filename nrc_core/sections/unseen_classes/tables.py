"""Tables of the section on unseen classes: one row for each network, their means, and the bound for pairs."""

from collections.abc import Iterable

import pandas as pd

from nrc_core.config.trained_features import INPUTS
from nrc_core.results.phrases import counted, span, with_spread
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds

EQUAL_ROWS, EQUAL_TOTAL = COMPARISONS = ("equal rows per class", "equal rows in all")
OF_TARGETS = ("v_target", "v_target_median", "few_shot")
OF_SOURCES = ("v_train", "v_test")


def networks(results: Results) -> pd.DataFrame:
    """Every network at the end of training: one row for each comparison to which it belongs.

    Returns:
        Columns `key, seed, comparison` (one of `COMPARISONS`), `classes` (of the sources), `rows` (of each of them for
        training), `v_train`, `v_test` (V_f of the sources), `v_target`, `v_target_median` (V_f of the targets, mean and
        median over pairs), `few_shot`, and the last three before training and with the inputs as features, as
        `untrained_v_target`, `inputs_v_target` and so on.
    """
    return results.once("unseen classes", _networks).copy()


def _networks(results: Results) -> pd.DataFrame:
    shape = pd.DataFrame(
        {
            "key": results.runs["key"],
            "seed": results.runs["seed"],
            "classes": results.runs["sources"].map(len),
            "rows": [options["train_per_class"] for options in results.runs["dataset_options"]],
        }
    )
    values = results.descent[results.descent["quantity"].isin([*OF_TARGETS, *OF_SOURCES])]
    last = values.groupby("key")["index"].transform("max")
    found = shape.set_index("key")
    for prefix, chosen in (("", last), ("untrained_", 0), ("inputs_", INPUTS)):
        wide = values[values["index"] == chosen].pivot(index="key", columns="quantity", values="value")
        wanted = [*OF_SOURCES, *OF_TARGETS] if not prefix else list(OF_TARGETS)
        found = found.join(wide[wanted].add_prefix(prefix))
    table = found.reset_index()
    return pd.concat(
        [table[chosen].assign(comparison=name) for name, chosen in _compared(table).items()], ignore_index=True
    )


def _compared(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Which networks belong to each comparison; one may belong to both.

    With equal rows per class are those with the number of rows that the most numbers of classes have. The others have
    as many rows in all, up to rounding.
    """
    usual = table.groupby("rows", sort=False)["classes"].nunique().idxmax()
    others = table[table["rows"] != usual]
    total = (others["rows"] * others["classes"]).max()
    equal_total = (table["rows"] == total // table["classes"]) if len(others) else table["rows"].isna()
    return {EQUAL_ROWS: table["rows"] == usual, EQUAL_TOTAL: equal_total}


def pairs(results: Results) -> pd.DataFrame:
    """V_f of the test rows and its bound, for every pair of source classes of every network.

    Returns:
        Columns `key, seed, classes, rows, pair, test, bound`.
    """
    wide = [
        results.descent[results.descent["quantity"] == name].set_index(["key", "index"])["value"].rename(column)
        for name, column in (("pair_test", "test"), ("pair_bound", "bound"))
    ]
    table = pd.concat(wide, axis=1).rename_axis(["key", "pair"]).reset_index()
    shape = networks(results).drop_duplicates("key")[["key", "seed", "classes", "rows"]]
    return shape.merge(table, on="key")


def summary(results: Results) -> pd.DataFrame:
    """Means and standard deviations over the seeds, by comparison and number of source classes, and the baselines.

    Returns:
        Index of two levels: the comparison (or "no training") and the number of source classes (or the baseline); the
        columns are the quantities, with "mean ± standard deviation" as text.
    """
    table = networks(results)
    parts = {(name, str(count)): own for (name, count), own in table.groupby(["comparison", "classes"], sort=False)}
    once = table.drop_duplicates("seed")
    for prefix, words in (("untrained_", "untrained network"), ("inputs_", "pixels")):
        columns = {f"{prefix}{name}": name for name in OF_TARGETS}
        parts["no training", words] = once[[*columns]].rename(columns=columns)
    written = {name: own.reindex(columns=[*OF_SOURCES, *OF_TARGETS]).agg(_written) for name, own in parts.items()}
    return pd.DataFrame(written).T.rename_axis(index=["training rows", "source classes"])


def _written(values: pd.Series) -> str:
    return "" if values.isna().any() else with_spread(values, ".3g", ".2g")


def means(results: Results, comparison: str = EQUAL_ROWS) -> pd.DataFrame:
    """The mean over the seeds of all numbers of a comparison, by the number of source classes."""
    table = networks(results)
    own = table[table["comparison"] == comparison]
    return own.drop(columns=["key", "seed", "comparison"]).groupby("classes").mean()


def words(results: Results) -> str:
    """What the networks show, in a sentence for each finding."""
    mean = means(results)
    few, many = mean.index[0], mean.index[-1]
    first, last = mean.loc[few], mean.loc[many]
    seeds = networks(results)["seed"].nunique()
    better = "easier" if last["v_target"] < first["v_target"] else "no easier"
    lines = [
        f"**Unseen classes get {better} with more source classes: from {few} to {many}, the mean of V_f over their "
        f"pairs goes from {first['v_target']:.2g} to {last['v_target']:.2g}, the median from "
        f"{first['v_target_median']:.2g} to {last['v_target_median']:.2g}, and few-shot accuracy from "
        f"{first['few_shot']:.3f} to {last['few_shot']:.3f}** ({counted(seeds, 'draw')} of classes, rows and weights).",
        "",
        f"The sources themselves go the other way: V_f of their training rows goes from {first['v_train']:.2g} to "
        f"{last['v_train']:.2g}, and of their test rows from {first['v_test']:.2g} to {last['v_test']:.2g}.",
        f"**No training at all** gives few-shot accuracy {first['untrained_few_shot']:.3f} with an untrained network, "
        f"and {first['inputs_few_shot']:.3f} with the pixels themselves. Trained features are better than those of the "
        f"untrained network {_from(mean, 'untrained_few_shot')}, and better than pixels "
        f"{_from(mean, 'inputs_few_shot')}.",
        _of_median(first, last),
        *_of_draws(results),
        *_of_totals(results),
        _of_bound(results),
    ]
    return "\n".join([*lines[:2], *[f"* {line}" for line in lines[2:]]])


def _of_median(first: pd.Series, last: pd.Series) -> str:
    """A sentence on mean and median over pairs, with the fewest and with the most source classes."""
    falls = {name: first[name] / last[name] for name in ("v_target", "v_target_median")}
    few = "A few pairs of unseen classes, which get means close to each other, make the mean of V_f fall. "
    return (
        f"{few if falls['v_target'] > 2 * falls['v_target_median'] else ''}With pixels, mean and median are "
        f"{first['inputs_v_target']:.2g} and {first['inputs_v_target_median']:.2g}."
    )


def _of_draws(results: Results) -> Iterable[str]:
    """Yield sentences on how draws differ, and on each step to the next number of source classes within a draw."""
    table = networks(results)
    own = table[table["comparison"] == EQUAL_ROWS].pivot(index="seed", columns="classes")
    spread, accuracy = own["v_target"], own["few_shot"]
    if len(own) < 2 or spread.shape[1] < 2:
        return
    few, before, many = (spread.columns[place] for place in (0, -2, -1))
    falls = int((spread[many] < spread[before]).sum())
    rises, least = accuracy.diff(axis=1).iloc[:, 1:], thresholds()["few_shot_difference_least"]
    yield (
        f"Draws differ: with {few} source classes, mean V_f of unseen classes is {span(spread[few], '{:.2g}'.format)}, "
        f"and with {many} it is {span(spread[many], '{:.2g}'.format)}. From {before} to {many}, it falls in {falls} of "
        f"{counted(len(own), 'draw')}."
    )
    yield (
        f"Within a draw the unseen classes are always the same. To the next number of source classes, few-shot "
        f"accuracy rises in {int((rises > 0).sum().sum())} of {counted(rises.size, 'step')}, in "
        f"{int((rises >= least).sum().sum())} of them by {least:g} or more."
    )


def _from(mean: pd.DataFrame, baseline: str) -> str:
    """Words for the number of source classes from which on the mean few-shot accuracy is above a baseline."""
    above = mean["few_shot"] > mean[baseline]
    lasting = above[::-1].cummin()[::-1]
    return f"from {lasting.idxmax()} source classes on" if lasting.any() else "with none of these numbers of classes"


def _of_totals(results: Results) -> Iterable[str]:
    """Yield a sentence on equal totals, if there are such networks."""
    same, total = means(results), means(results, EQUAL_TOTAL)
    both = [count for count in total.index if count in same.index and total["rows"][count] != same["rows"][count]]
    if not both:
        return
    apart = (total["few_shot"] - same["few_shot"]).loc[both].abs().max()
    first, last = total["few_shot"].iloc[0], total["few_shot"].iloc[-1]
    size = (total.index * total["rows"]).max()
    more = "more" if abs(last - first) > 2 * apart else "no more"
    too = " Still, that of rows counts too." if apart > thresholds()["few_shot_difference_least"] else ""
    yield (
        f"With {size:,.0f} training rows in all, few-shot accuracy goes from {first:.3f} to {last:.3f}. For the same "
        f"number of classes it is at most {apart:.3f} from that with equal rows per class: here the number of classes "
        f"changes {more} than the number of rows.{too} These features are better than those of the untrained network "
        f"{_from(total, 'untrained_few_shot')}."
    )


def _of_bound(results: Results) -> str:
    table = pairs(results)
    held = int((table["test"] <= table["bound"]).sum())
    loose = (table["bound"] / table["test"]).groupby(table["classes"]).median()
    return (
        f"The bound on V_f of test rows holds for {held:,} of {len(table):,} pairs of source classes. The median is "
        f"{loose.iloc[0]:.2g} times V_f with {loose.index[0]} source classes, and {loose.iloc[-1]:.2g} times "
        f"with {loose.index[-1]}."
    )
