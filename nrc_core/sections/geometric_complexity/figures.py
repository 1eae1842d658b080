"""The figures of the section on geometric complexity: the bound, each setting, and complexity beside collapse."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.canvas import (
    COLLAPSE,
    COLOURS,
    NETWORK,
    NEUTRAL,
    THRESHOLD,
    Picture,
    canvas,
    dot,
    legend,
    log_axis,
    panels,
    picture,
    spread,
)
from nrc_core.sections.geometric_complexity.experiment import BASE
from nrc_core.sections.geometric_complexity.tables import (
    COMPARED,
    KNOBS,
    along,
    class_ratios,
    networks,
    rank_correlations,
    with_penalty,
)
from nrc_core.sections.slider import Slider

KNOB_COLOURS = {
    "weight_decay": COLOURS["nrc1"], "batch_size": COLOURS["nrc2"], "penalty": COLOURS["nrc3"],
    "learning_rate": COLOURS["nrc4"], "momentum": NETWORK,
}  # fmt: skip
# The rows of the figure of the settings: the name of the axis, and the lines on it with colour and style.
LINES = {
    "complexity": {"complexity": (NEUTRAL, "-")},
    "V_f, trained classes": {"v_train": (COLOURS["nrc1"], "-"), "v_test": (COLOURS["nrc4"], "-")},
    "V_f, new classes": {"v_target": (NETWORK, "-"), "v_target_median": (COLLAPSE, "--")},
    "few-shot accuracy": {"few_shot": (COLOURS["nrc3"], "-")},
}
IN_WORDS = {
    "complexity": "geometric complexity",
    "v_train": "training rows",
    "v_test": "test rows",
    "v_target": "new, mean of pairs",
    "v_target_median": "new, median of pairs",
    "few_shot": "few-shot accuracy",
}


def variance_over_bound(results: Results) -> Picture:
    """Var / (C G) of every trained class of every network whose classes have a known constant, by setting."""
    table = networks(results)
    table = table[table["ratio"].notna()]
    ratios = class_ratios(results).merge(table[["key", *BASE]], on="key")
    names = _settings(table)
    ratios["setting"] = _settings(ratios)
    order = list(dict.fromkeys(names))
    with canvas(1, 1, 1.2 + 0.27 * len(order)) as (figure, [[axis]]):
        for place, name in enumerate(order):
            own = ratios.loc[ratios["setting"] == name, "ratio"].sort_values()
            heights = place + spread(len(own), 0.3)
            axis.plot(own, np.random.default_rng(0).permutation(heights), **dot(color=COLLAPSE, markersize=2.5))
        axis.axvline(1, **THRESHOLD | {"linewidth": 2, "color": NETWORK})
        axis.set_yticks(range(len(order)), order)
        axis.set(ylim=(len(order) - 0.4, -0.6), xlim=(0, 1.08), xlabel="variance of a class / (C G): 1 is the bound")
        axis.set_title(f"{len(ratios):,} classes: at most {ratios['ratio'].max():.2f} of the bound")
        means = ", ".join(f"{name} {own['ratio'].max():.2f}" for name, own in ratios.groupby("setting", sort=False))
        return picture(
            figure,
            f"Variance of the features of each class over the Poincare constant times the complexity, by setting. The "
            f"largest values: {means}. The bound is 1.",
        )


def _settings(table: pd.DataFrame) -> pd.Series:
    """The setting of each network in words: what differs from the base."""
    words = {name: name.replace("_", " ") for name in BASE}
    named = [
        ", ".join(f"{words[name]} {row[name]:g}" for name in BASE if row[name] != BASE[name]) or "base"
        for row in table.to_dict("records")
    ]
    return pd.Series(named, table.index)


def settings(results: Results) -> Slider:
    """Complexity, collapse and few-shot accuracy along each of the four settings, with a picture for each population.

    Lines are means over the seeds, thin lines seeds. Hollow circles are means of which a network is not fitted.
    """
    table = along(results)
    pictures = {name: _settings_of(own) for name, own in table.groupby("population", sort=False)}
    return Slider("population", pictures)


def _settings_of(table: pd.DataFrame) -> Picture:
    steps = table.groupby("knob")["step"].max()
    knobs = [knob for knob in KNOBS if steps[knob] > 0] or list(KNOBS)[:1]
    with canvas(len(LINES), len(knobs), 7.6) as (figure, axes):
        for row, (name, lines) in zip(axes, LINES.items(), strict=True):
            for axis, knob in zip(row, knobs, strict=True):
                if axis is not row[0]:
                    axis.sharey(row[0])
                _along(axis, table[table["knob"] == knob], knob, lines)
            row[0].set_ylabel(name)
            log_axis(*row[:1])
        for axis, knob in zip(axes[0], knobs, strict=True):
            axis.set_title(KNOBS[knob][0])
        styles = {
            IN_WORDS[column]: {"color": colour, "linestyle": line, "linewidth": 2}
            for lines in list(LINES.values())[1:3]
            for column, (colour, line) in lines.items()
        }
        limit = thresholds()["even_loss_most"]
        legend(figure, styles | {f"loss above {limit:g}": dot(markerfacecolor="none")}, columns=5)
        return picture(figure, f"By setting, in {table['population'].iloc[0]}: {'; '.join(_told(table, knobs))}.")


def _along(axis: Axes, table: pd.DataFrame, knob: str, lines: dict[str, tuple[str, str]]) -> None:
    """Draw some quantities by the values of one setting."""
    steps = table.groupby("step")
    for column, (colour, line) in lines.items():
        for _, seed in table.groupby("seed"):
            own = seed.sort_values("step")
            axis.plot(own["step"], own[column], line, color=colour, linewidth=0.6, alpha=0.4)
        mean = steps[column].mean()
        axis.plot(mean.index, mean, line, color=colour, linewidth=2)
        fitted = steps["fitted"].all()
        axis.plot(mean.index[fitted], mean[fitted], **dot(color=colour, markersize=5))
        axis.plot(mean.index[~fitted], mean[~fitted], **dot(color=colour, markersize=6, markerfacecolor="white"))
    axis.set_xticks(list(steps.groups), [f"{value:g}" for value in steps[knob].first()], fontsize=8, rotation=30)


def _told(table: pd.DataFrame, knobs: Iterable[str]) -> Iterable[str]:
    for knob in knobs:
        means = table[table["knob"] == knob].groupby("step").mean(numeric_only=True)
        yield f"{KNOBS[knob][0]} " + ", ".join(
            f"{row[knob]:g} complexity {row['complexity']:.3g}, V_f {row['v_train']:.2g} and of new classes "
            f"{row['v_target']:.2g}"
            for _, row in means.iterrows()
        )


def complexity_and_collapse(results: Results) -> Picture:
    """V_f by complexity for every network: raw, normalised on the same rows, and normalised on other rows."""
    table, found = networks(results), rank_correlations(results)
    populations = list(dict.fromkeys(table["population"]))
    names = [words for words in COMPARED if not words.endswith("training rows")]
    with canvas(len(populations), len(names), 0.8 + 2.9 * len(populations)) as (figure, axes):
        told = []
        for row, population in zip(axes, populations, strict=True):
            for axis, words in zip(row, names, strict=True):
                mean = found.loc[found["population"] == population, words].mean()
                _dots(axis, table[table["population"] == population], *COMPARED[words])
                axis.set_title(f"{population}: {mean:.2f}", fontsize=10)
                axis.set_xlabel(words.partition(",")[0].replace(" of ", "\nof "), fontsize=9)
                told.append(f"{population}, {words}: {mean:.2f}")
            row[0].set(xscale="log", ylabel="V_f, test rows")
        styles = {KNOBS.get(knob, (knob,))[0]: dot(color=colour) for knob, colour in KNOB_COLOURS.items()}
        limit = thresholds()["even_loss_most"]
        legend(figure, styles | {"base": dot("D"), f"loss above {limit:g}": dot(markerfacecolor="none")}, columns=4)
        return picture(figure, f"V_f of test rows by complexity. Mean rank correlations: {'; '.join(told)}.")


def _dots(axis: Axes, table: pd.DataFrame, column: str, collapse: str) -> None:
    base = (table[list(BASE)] == pd.Series(BASE)).all(axis=1)
    for knob, colour in KNOB_COLOURS.items():
        others = base | (table[knob] == BASE[knob])
        # A network with another momentum and a penalty counts for the momentum.
        own = table[~others & ((table["momentum"] == BASE["momentum"]) | (knob == "momentum"))]
        for fitted, face in ((True, colour), (False, "none")):
            some = own[own["fitted"] == fitted]
            axis.plot(some[column], some[collapse], **dot(color=colour, markersize=5, markerfacecolor=face))
    axis.plot(table.loc[base, column], table.loc[base, collapse], **dot("D", markersize=5))


def few_shot_by_penalty(results: Results) -> Picture:
    """Few-shot accuracy on new classes by the penalty and the momentum, with that of inputs and untrained networks."""
    table = with_penalty(results)
    with panels(table["population"], 3.3, extra=0.5) as (figure, pairs):
        told = []
        momenta = dict(zip(sorted(set(table["momentum"])), (COLOURS["nrc1"], NETWORK, COLLAPSE), strict=False))
        for axis, population in pairs:
            own = table[table["population"] == population]
            steps = {value: place for place, value in enumerate(sorted(set(own["penalty"])))}
            for momentum, colour in momenta.items():
                some = own[own["momentum"] == momentum].assign(step=lambda rows: rows["penalty"].map(steps))  # noqa: B023
                _along(axis, some, "penalty", {"few_shot": (colour, "-")})
                told += [f"{population}, momentum {momentum:g}, penalty {penalty:g}: {value:.3f}"
                         for penalty, value in some.groupby("penalty")["few_shot"].mean().items()]  # fmt: skip
            axis.set_xticks(list(steps.values()), [f"{value:g}" for value in steps])
            for column, line in (("inputs_few_shot", ":"), ("untrained_few_shot", "--")):
                axis.axhline(own[column].mean(), color=NEUTRAL, linestyle=line)
                told.append(f"{population}, {column.removesuffix('_few_shot')}: {own[column].mean():.3f}")
            axis.set(title=population, xlabel="penalty")
        pairs[0][0].set_ylabel("few-shot accuracy")
        styles = {f"momentum {momentum:g}": {"color": colour, "linewidth": 2} for momentum, colour in momenta.items()}
        baselines = {"inputs": {"color": NEUTRAL, "linestyle": ":"}, "untrained": {"color": NEUTRAL, "linestyle": "--"}}
        limit = thresholds()["even_loss_most"]
        legend(figure, styles | baselines | {f"loss above {limit:g}": dot(markerfacecolor="none")})
        return picture(figure, f"Few-shot accuracy on classes that were not trained. {'; '.join(told)}.")
