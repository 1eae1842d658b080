"""The figure of final variances by the size of the training set, one panel for each rule."""

from nrc_core.results.results import Results
from nrc_core.sections.canvas import NETWORK, NEUTRAL, Picture, number, panels, picture
from nrc_core.sections.train_size.tables import by_size

RULES = {"loss": "until the same loss", "iterations": "equally many iterations", "epochs": "equally many epochs"}


def variances_by_train_size(results: Results) -> Picture:
    """Strong test variance against TrainVariance at the end, one panel for each rule.

    There is one dot for each network, with its number of training rows beside it.
    """
    table = by_size(results)
    with panels([rule for rule in RULES if rule in set(table["rule"])], 3.4) as (figure, each):
        told = []
        for axis, rule in each:
            rows = table[table["rule"] == rule].sort_values("n")
            for _, run in rows.groupby("seed"):
                axis.plot(run["train"], run["strong"], color=NEUTRAL, linewidth=0.8, alpha=0.6)
            axis.scatter(rows["train"], rows["strong"], s=40, color=NETWORK, zorder=3)
            for row in rows[rows["seed"] == rows["seed"].min()].itertuples():
                axis.annotate(f"{row.n:,}", (row.train, row.strong), (5, 3), textcoords="offset points", fontsize=8.5)
            axis.set_xlabel("train variance")
            axis.set_title(RULES[rule].capitalize(), fontsize=10)
            axis.margins(0.22, 0.12)
            told.append(f"{RULES[rule]}: " + ", ".join(
                f"{size:,} rows train {number(group['train'].mean())} test {number(group['strong'].mean())}"
                for size, group in rows.groupby("n")
            ))  # fmt: skip
        figure.axes[0].set_ylabel("strong test variance")
        return picture(figure, f"Train and strong test variance by training rows. {'; '.join(told)}.")
