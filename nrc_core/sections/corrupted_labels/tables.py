"""Tables of the section on wrong labels: accuracies over training by loss, ratio and rule, and margins."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from nrc_core.config.trained_features import CODING_RATE, CROSS_ENTROPY
from nrc_core.results.phrases import counted, markdown_table, with_spread
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds

LOSSES = {CROSS_ENTROPY: "cross entropy", CODING_RATE: "coding-rate reduction"}
OWN, MEANS, SUBSPACES = RULES = ("test_accuracy", "accuracy_by_means", "accuracy_by_subspaces")
GIVEN, WRONG = SHARES = ("given_accuracy", "wrong_given_accuracy")
QUANTITIES = (
    *RULES, *SHARES, "loss", "v_train", "v_test", "margin_least", "normalised_margin_least", "normalised_margin_spread",
)  # fmt: skip
# The table of the survey, section 4.2: test accuracy on CIFAR-10 by ratio, by Chan et al.
SURVEY = {
    CROSS_ENTROPY: {0.0: 0.939, 0.1: 0.909, 0.2: 0.861, 0.3: 0.791, 0.4: 0.724, 0.5: 0.603},
    CODING_RATE: {0.0: 0.940, 0.1: 0.911, 0.2: 0.897, 0.3: 0.881, 0.4: 0.866, 0.5: 0.843},
}
EARLY, MIDDLE = 10, 60  # epochs: cross entropy stopped early, and coding-rate reduction beside the end of cross entropy


def curves(results: Results) -> pd.DataFrame:
    """Every network at every measured epoch, in their order.

    Returns:
        Columns `key, seed, kind` (of the loss), `ratio` (of replaced labels), `weight_decay`, `epoch`, and those in
        `QUANTITIES`: `wrong_given_accuracy` is NaN with right labels, and margins are NaN with coding-rate reduction.
    """
    return results.once("wrong labels", _curves).copy()


def _curves(results: Results) -> pd.DataFrame:
    chosen = results.descent[results.descent["quantity"].isin(QUANTITIES)]
    wide = chosen.pivot(index=["key", "index"], columns="quantity", values="value").reindex(columns=list(QUANTITIES))
    runs = results.runs.set_index("key")
    rows = [
        len(sources) * options["train_per_class"]
        for sources, options in zip(runs["sources"], runs["dataset_options"], strict=True)
    ]
    shape = pd.DataFrame(
        {
            "seed": runs["seed"], "kind": runs["loss"], "ratio": runs["corrupted"],
            "weight_decay": runs["weight_decay"], "steps": np.array(rows) // runs["batch_size"],
        }
    )  # fmt: skip
    table = wide.reset_index().merge(shape, left_on="key", right_index=True).sort_values(["ratio", "key", "index"])
    table.insert(2, "epoch", table["index"] // table["steps"])
    return table.drop(columns=["index", "steps"]).rename_axis(columns=None).reset_index(drop=True)


def compared(results: Results) -> pd.DataFrame:
    """The networks of the comparison of the two losses, as in `curves`: those with weight decay."""
    table = curves(results)
    return table[table["weight_decay"] > 0]


def by_epoch(results: Results, quantity: str = OWN) -> pd.DataFrame:
    """A quantity of every ratio and seed (rows) by loss and epoch (columns); NaN where it was not measured."""
    return compared(results).pivot(index=["ratio", "seed"], columns=["kind", "epoch"], values=quantity)


def best(results: Results, quantity: str = OWN) -> pd.DataFrame:
    """The largest value of a quantity among the measured epochs, of every ratio and seed (rows) by loss (columns)."""
    return by_epoch(results, quantity).T.groupby(level="kind").max().T


def stages(results: Results) -> dict[str, tuple[str, int]]:
    """The moments of training that the page compares, in words: loss and epoch.

    Cross entropy stopped early and at its end; coding-rate reduction in the middle and at the ends of its trainings.
    """
    table = compared(results)
    ends = {kind: own.groupby("key")["epoch"].max() for kind, own in table.groupby("kind")}
    middle = min(MIDDLE, int(ends[CODING_RATE].min()))
    coding = sorted({middle, *ends[CODING_RATE].astype(int)})
    entropy = sorted({min(EARLY, int(ends[CROSS_ENTROPY].min())), int(ends[CROSS_ENTROPY].max())})
    both = [(CROSS_ENTROPY, epoch) for epoch in entropy] + [(CODING_RATE, epoch) for epoch in coding]
    return {f"{LOSSES[kind]}, {counted(epoch, 'epoch')}": (kind, epoch) for kind, epoch in both}


def at(results: Results, kind: str, epoch: int) -> pd.DataFrame:
    """The networks of one loss at one epoch, as in `curves`."""
    table = compared(results)
    return table[(table["kind"] == kind) & (table["epoch"] == epoch)]


def main_stages(results: Results) -> tuple[tuple[str, int], tuple[str, int], tuple[str, int]]:
    """Loss and epoch of cross entropy stopped early and at its end, and of coding-rate reduction beside the end."""
    each = list(stages(results).values())
    entropy = [one for one in each if one[0] == CROSS_ENTROPY]
    return entropy[0], entropy[-1], next(one for one in each if one[0] == CODING_RATE)


def accuracy_at_share(rows: pd.DataFrame, wanted: float, share: str = GIVEN) -> float:
    """The test accuracy of one network when its share of reproduced labels first reaches a value.

    Between measured epochs, share and accuracy are taken to move along a line. NaN if the share is never reached.

    Args:
        rows: one network of `curves`, by epoch.
        share: one of `SHARES`.
    """
    shares, accuracies = rows[share].to_numpy(), rows[OWN].to_numpy()
    reached = np.flatnonzero(shares >= wanted)
    if not len(reached):
        return float("nan")
    after = reached[0]
    before = max(after - 1, 0)
    return float(np.interp(wanted, shares[[before, after]], accuracies[[before, after]]))


def leads(results: Results, share: str = GIVEN) -> pd.DataFrame:
    """How far coding-rate reduction is ahead of cross entropy, for every ratio and seed with wrong labels.

    Returns:
        Columns `ratio, seed`, `lead` (of the main stages), `share` (that coding-rate reduction has reproduced by then),
        `equal_lead` (over cross entropy when it has reproduced as many) and `stopped` (by how much cross entropy was
        better when stopped early).
    """
    (_, early), (_, end), (_, middle) = main_stages(results)
    table, rows = compared(results), []
    for (ratio, seed), own in table[table["ratio"] > 0].groupby(["ratio", "seed"]):
        entropy, coding = (own[own["kind"] == kind].set_index("epoch") for kind in LOSSES)
        if not {early, end} <= set(entropy.index) or middle not in coding.index:
            continue  # one of the two diverged
        now = coding.loc[middle]
        rows.append(
            {
                "ratio": ratio, "seed": seed, "share": now[share], "lead": now[OWN] - entropy.loc[end, OWN],
                "equal_lead": now[OWN] - accuracy_at_share(entropy, now[share], share),
                "stopped": entropy.loc[early, OWN] - entropy.loc[end, OWN],
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=["ratio", "seed", "share", "lead", "equal_lead", "stopped"])


def terminal_phases(results: Results) -> pd.DataFrame:
    """Networks with cross entropy and right labels, as in `curves`, after the last epoch with an error."""
    table = curves(results)
    right = table[(table["kind"] == CROSS_ENTROPY) & (table["ratio"] == 0)]
    wrong_later = (right[GIVEN] < 1)[::-1].groupby(right["key"]).cummax()
    return right[~wrong_later.reindex(right.index)]


def summary(results: Results) -> str:
    """Test accuracy with its spread over the seeds, and the mean share of reproduced labels, by ratio and stage."""
    each, ratios = stages(results), sorted(set(compared(results)["ratio"]))
    rows = []
    for ratio in ratios:
        cells = []
        for kind, epoch in each.values():
            own = at(results, kind, epoch)
            own = own[own["ratio"] == ratio]
            cells.append("" if own.empty else f"{with_spread(own[OWN], '.3f')} ({own[GIVEN].mean():.2f})")
        rows.append([f"{ratio:g}", *cells])
    return markdown_table(["ratio", *each], rows, right=len(each))


def words(results: Results) -> str:
    """What the networks show, in a sentence for each finding."""
    return "\n".join([*_comparison(results), *(f"* {line}" for line in (*_of_v(results), *_of_margins(results)))])


def _comparison(results: Results) -> list[str]:
    early, end, middle = main_stages(results)
    seeds = counted(compared(results)["seed"].nunique(), "seed")
    ratio = compared(results)["ratio"].max()
    late, stopped, coding = (_mean(results, one, ratio) for one in (end, early, middle))
    first = (
        f"**With {ratio:.0%} of the labels replaced, test accuracy is {coding:.3f} with coding-rate reduction after "
        f"{middle[1]} epochs and {late:.3f} with cross entropy after {end[1]}, but {stopped:.3f} with cross entropy "
        f"stopped after {early[1]}** ({seeds})."
    )
    table = leads(results)
    worst = table[table["ratio"] == ratio]
    if worst.empty:
        return [first, ""]
    lead, equal, recovered = (worst[name].mean() for name in ("lead", "equal_lead", "stopped"))
    lines = [
        f"Coding-rate reduction is ahead by {lead:.3f}. Where cross entropy has reproduced as many of the given labels "
        f"({worst['share'].mean():.2f}), it is ahead by {equal:.3f}. Stopping early is worth {recovered:.3f}.",
        f"Coding-rate reduction loses as it goes on: {_falling(results, ratio)}.",
        _of_best(results, ratio),
        _of_rules(results, ratio, end, middle),
    ]
    return [first, "", *(f"* {line}" for line in lines)]


def _mean(results: Results, stage: tuple[str, int], ratio: float, quantity: str = OWN) -> float:
    table = at(results, *stage)
    return float(table.loc[table["ratio"] == ratio, quantity].mean())


def _falling(results: Results, ratio: float) -> str:
    table = compared(results)
    own = table[(table["kind"] == CODING_RATE) & (table["ratio"] == ratio)]
    means = own.groupby("epoch")[[OWN, GIVEN]].mean()
    best = means[OWN].idxmax()
    chosen = [epoch for epoch in stages_of(results, CODING_RATE) if epoch in means.index and epoch > best]
    return ", ".join(
        f"{means.loc[epoch, OWN]:.3f} at {epoch} epochs ({means.loc[epoch, GIVEN]:.2f} of the given labels)"
        for epoch in [best, *chosen]
    )


def stages_of(results: Results, kind: str) -> list[int]:
    """The epochs of the stages of a loss."""
    return [epoch for own, epoch in stages(results).values() if own == kind]


def _of_best(results: Results, ratio: float) -> str:
    own, means = (best(results, rule).xs(ratio, level="ratio").mean() for rule in (OWN, MEANS))
    return (
        f"Each at its best measured epoch, the accuracies are {own[CODING_RATE]:.3f} with coding-rate reduction and "
        f"{own[CROSS_ENTROPY]:.3f} with cross entropy: {_ahead(own)}. By the nearest class mean, they are "
        f"{means[CODING_RATE]:.3f} and {means[CROSS_ENTROPY]:.3f}: {_ahead(means)}."
    )


def _ahead(accuracies: pd.Series) -> str:
    """Words for which of the two losses is ahead, if the accuracies are not the same by the claims' threshold."""
    lead, even = accuracies[CODING_RATE] - accuracies[CROSS_ENTROPY], thresholds()["accuracy_even_most"]
    if abs(lead) <= even:
        return f"the same within {even:g}"
    return f"{LOSSES[CODING_RATE if lead > 0 else CROSS_ENTROPY]} is ahead by {abs(lead):.3f}"


def _of_rules(results: Results, ratio: float, end: tuple[str, int], middle: tuple[str, int]) -> str:
    entropy, coding = ({rule: _mean(results, one, ratio, rule) for rule in RULES} for one in (end, middle))
    return (
        f"The test rule matters. At the epochs of the first sentence, the nearest class mean gives {coding[MEANS]:.3f} "
        f"with coding-rate reduction and {entropy[MEANS]:.3f} with cross entropy, and the nearest subspace "
        f"{coding[SUBSPACES]:.3f} and {entropy[SUBSPACES]:.3f}."
    )


def _of_v(results: Results) -> Iterator[str]:
    _, end, middle = main_stages(results)
    entropy, coding = (at(results, *one).groupby("ratio")["v_train"].mean() for one in (end, middle))
    yield (
        f"V_f of the training rows is {entropy.min():.2g} to {entropy.max():.2g} with cross entropy and "
        f"{coding.min():.2g} to {coding.max():.2g} with coding-rate reduction, which keeps its features spread."
    )


def _of_margins(results: Results) -> Iterator[str]:
    phases = terminal_phases(results)
    for decay, own in phases.groupby("weight_decay", sort=False):
        ends = own.groupby("key").agg(["first", "last"])
        if own.groupby("key").size().min() < 2:
            continue
        raw, normalised, spread = (
            " to ".join(f"{ends[name][place].mean():.3g}" for place in ("first", "last"))
            for name in ("margin_least", "normalised_margin_least", "normalised_margin_spread")
        )
        yield (
            f"Margins without a training error, with weight decay {decay:g}: the smallest goes from {raw}, normalised "
            f"from {normalised}, and the spread of the normalised ones from {spread}."
        )
