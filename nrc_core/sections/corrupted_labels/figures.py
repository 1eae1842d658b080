"""The figures of the section on wrong labels."""

import pandas as pd
from matplotlib.axes import Axes

from nrc_core.config.trained_features import CODING_RATE, CROSS_ENTROPY
from nrc_core.results.results import Results
from nrc_core.sections.canvas import (
    COLLAPSE,
    COLOURS,
    NETWORK,
    NEUTRAL,
    Picture,
    canvas,
    dot,
    legend,
    log_axis,
    number,
    picture,
)
from nrc_core.sections.corrupted_labels.tables import (
    GIVEN,
    LOSSES,
    MEANS,
    MIDDLE,
    OWN,
    RULES,
    SHARES,
    SUBSPACES,
    SURVEY,
    WRONG,
    at,
    compared,
    main_stages,
    stages,
    stages_of,
    terminal_phases,
)
from nrc_core.sections.slider import Slider

KIND_COLOURS = {CROSS_ENTROPY: COLOURS["nrc1"], CODING_RATE: NETWORK}
LINES = ("-", "--", ":", "-.")
RULE_WORDS = {OWN: "own rule", MEANS: "nearest mean", SUBSPACES: "nearest subspace"}
SHARE_WORDS = {GIVEN: "share of all given labels reproduced", WRONG: "share of the wrong ones reproduced"}


def accuracy_by_ratio(results: Results) -> Picture:
    """Test accuracy by the ratio of replaced labels: the survey's table at the left, the networks here at the right."""
    with canvas(1, 2, 3.6) as (figure, [[survey, here]]):
        for kind, table in SURVEY.items():
            survey.plot(list(table), list(table.values()), "o-", color=KIND_COLOURS[kind], markersize=4)
        told, styles = [], {}
        for words, (kind, epoch) in stages(results).items():
            means = at(results, kind, epoch).groupby("ratio")[OWN].mean()
            line = {"color": KIND_COLOURS[kind], "linestyle": LINES[stages_of(results, kind).index(epoch) % len(LINES)]}
            here.plot(means.index, means, marker="o", markersize=4, **line)
            styles[words] = line
            told.append(f"{words}: {means.iloc[0]:.3f} to {means.iloc[-1]:.3f}")
        lowest = min(axis.get_ylim()[0] for axis in (survey, here))
        for axis, title in ((survey, "Survey: CIFAR-10, ResNet"), (here, "Here: 14 x 14 pictures, MLP")):
            axis.set(ylim=(lowest, 1), xlabel="ratio of replaced labels", title=title)
        survey.set_ylabel("test accuracy")
        legend(figure, styles, columns=2)
        return picture(
            figure,
            f"Test accuracy from the smallest to the largest ratio of replaced labels. {'; '.join(told)}. In the "
            f"survey, cross entropy falls to {min(SURVEY[CROSS_ENTROPY].values())} and coding-rate reduction to "
            f"{min(SURVEY[CODING_RATE].values())}.",
        )


def accuracy_by_reproduced(results: Results) -> Slider:
    """Test accuracy by the share of labels that are reproduced, over training, for each ratio on a slider."""
    table = compared(results)
    pictures = {f"{ratio:g}": _reproduced(results, own) for ratio, own in table[table["ratio"] > 0].groupby("ratio")}
    return Slider("ratio of replaced labels", pictures, first=len(pictures) - 1)


def _reproduced(results: Results, table: pd.DataFrame) -> Picture:
    """One picture of `accuracy_by_reproduced`: the networks of one ratio."""
    marked = {kind: stages_of(results, kind) for kind in LOSSES}
    with canvas(1, 2, 4.0) as (figure, [axes]):
        told = []
        for axis, share in zip(axes, SHARES, strict=True):
            for kind, own in table.groupby("kind"):
                for _, network in own.groupby("key"):
                    axis.plot(network[share], network[OWN], color=KIND_COLOURS[kind], linewidth=0.8, alpha=0.5)
                mean = own.groupby("epoch")[[share, OWN]].mean()
                axis.plot(mean[share], mean[OWN], "o-", color=KIND_COLOURS[kind], linewidth=2, markersize=3)
                chosen = mean.loc[mean.index.isin(marked[kind])]
                axis.plot(chosen[share], chosen[OWN], "o", color=KIND_COLOURS[kind], markersize=7)
                for epoch, point in chosen.iterrows():
                    shift = (-4, -15) if kind == CROSS_ENTROPY else ((0, 7) if epoch <= MIDDLE else (-26, -7))
                    axis.annotate(
                        str(epoch), (point[share], point[OWN]), shift, textcoords="offset points",
                        color=KIND_COLOURS[kind], fontsize=9,
                    )  # fmt: skip
                    if share == GIVEN:
                        told.append(f"{LOSSES[kind]} at {epoch} epochs {point[OWN]:.3f} with {point[share]:.2f}")
            axis.set_xlabel(SHARE_WORDS[share])
        right = _right_share(table["ratio"].iloc[0], results)
        axes[0].axvline(right, color=NEUTRAL, linestyle=":", linewidth=1)
        axes[0].set_ylabel("test accuracy")
        axes[0].set_title(f"ratio {table['ratio'].iloc[0]:g}; epochs at the dots", fontsize=10)
        legend(
            figure,
            {
                **{LOSSES[kind]: {"color": colour, "linewidth": 2} for kind, colour in KIND_COLOURS.items()},
                "all right labels and no wrong one": {"color": NEUTRAL, "linestyle": ":"},
            },
        )
        return picture(
            figure,
            f"Test accuracy by the share of given labels reproduced, with {table['ratio'].iloc[0]:.0%} of the labels "
            f"replaced: {'; '.join(told)}.",
        )


def _right_share(ratio: float, results: Results) -> float:
    """The expected share of given labels that are right: a replaced one is right by chance."""
    return 1 - ratio * (1 - 1 / len(results.runs["sources"].iloc[0]))


def spread_by_ratio(results: Results) -> Picture:
    """V_f of the training rows by the ratio of replaced labels, at the end of cross entropy and of the other loss."""
    _, end, middle = main_stages(results)
    with canvas(1, 1, 3.2) as (figure, [[axis]]):
        told = []
        for kind, epoch in (end, middle):
            table = at(results, kind, epoch)
            axis.plot(table["ratio"], table["v_train"], **dot(color=KIND_COLOURS[kind], markersize=4), alpha=0.6)
            means = table.groupby("ratio")["v_train"].mean()
            axis.plot(means.index, means, color=KIND_COLOURS[kind], linewidth=2, label=f"{LOSSES[kind]}, {epoch}")
            told.append(f"{LOSSES[kind]} {number(means.min())} to {number(means.max())}")
        log_axis(axis)
        axis.set(xlabel="ratio of replaced labels", ylabel="V_f of the training rows", title="Small: collapsed")
        axis.legend(title="loss, epoch")
        return picture(figure, f"V_f of the training rows by the ratio of replaced labels: {'; '.join(told)}.")


def rules_by_ratio(results: Results) -> Picture:
    """Test accuracy of both losses by each test rule, by the ratio of replaced labels."""
    _, end, middle = main_stages(results)
    with canvas(1, 2, 3.4) as (figure, [axes]):
        told = []
        for axis, (kind, epoch) in zip(axes, (end, middle), strict=True):
            means = at(results, kind, epoch).groupby("ratio")[list(RULES)].mean()
            rules = [rule for rule in RULES if kind == CROSS_ENTROPY or rule != OWN]  # the others' own is the subspace
            for rule, line in zip(rules, LINES, strict=False):
                words = "largest logit" if rule == OWN else RULE_WORDS[rule]
                style = {"marker": "o", "markersize": 4, "color": KIND_COLOURS[kind], "label": words}
                axis.plot(means.index, means[rule], line, **style)
                told.append(f"{LOSSES[kind]} by {words} {means[rule].iloc[0]:.3f} to {means[rule].iloc[-1]:.3f}")
            axis.set(xlabel="ratio of replaced labels", title=f"{LOSSES[kind]}, {epoch} epochs")
            axis.legend(loc="lower left")
        lowest = min(axis.get_ylim()[0] for axis in axes)
        for axis in axes:
            axis.set_ylim(lowest, 1)
        axes[0].set_ylabel("test accuracy")
        return picture(figure, f"Test accuracy from the smallest to the largest ratio: {'; '.join(told)}.")


def margins_over_training(results: Results) -> Picture:
    """The smallest margin, raw and normalised, and the spread of the normalised ones, without a training error."""
    phases = terminal_phases(results)
    colours = dict(zip(sorted(set(phases["weight_decay"])), (NETWORK, COLLAPSE), strict=False))
    with canvas(1, 3, 3.4) as (figure, [axes]):
        told = []
        for axis, (column, title) in zip(
            axes,
            (
                ("margin_least", "smallest margin"),
                ("normalised_margin_least", "smallest, normalised"),
                ("normalised_margin_spread", "spread, normalised"),
            ),
            strict=True,
        ):
            for decay, own in phases.groupby("weight_decay"):
                mean = _decay_lines(axis, own, column, colours[decay])
                told.append(f"{title}, decay {decay:g}: {mean.iloc[0]:.3g} to {mean.iloc[-1]:.3g}")
            axis.set(xlabel="epoch", title=title)
        styles = {f"weight decay {decay:g}": {"color": colour, "linewidth": 2} for decay, colour in colours.items()}
        legend(figure, styles)
        return picture(figure, f"Margins from the first epoch without a training error on: {'; '.join(told)}.")


def _decay_lines(axis: Axes, table: pd.DataFrame, column: str, colour: str) -> pd.Series:
    """Draw each network as a thin line, and the mean at the epochs that all networks have; return this mean."""
    for _, network in table.groupby("key"):
        axis.plot(network["epoch"], network[column], color=colour, linewidth=0.8, alpha=0.5)
    epochs = table.groupby("epoch")
    mean = epochs[column].mean()[epochs.size() == table["key"].nunique()]
    axis.plot(mean.index, mean, "o-", color=colour, linewidth=2, markersize=4)
    return mean
