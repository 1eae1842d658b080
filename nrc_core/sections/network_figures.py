"""The figures of one network or of several networks of the same configuration, in the layouts of the paper."""

import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from nrc_core.results.criteria import CONDITIONS, last_sites, over_collapsed, verdicts, weight_sites
from nrc_core.results.results import Results
from nrc_core.sections import canvas
from nrc_core.sections.canvas import AXIS, COLLAPSE, COLOURS, NETWORK, NEUTRAL, VERDICTS, Picture, picture
from nrc_core.sections.dynamics import onset


def strip(results: Results) -> Picture:
    """The verdict: one row for each network, one column for each condition; colour, shape and word say the same."""
    found = verdicts(results.final())
    names = {name: name.replace("nrc", "NRC") for name in CONDITIONS} | {"collapsed_from": "all four"}
    with canvas.canvas(1, 1, 0.9 + 0.35 * len(found)) as (figure, [[axis]]):
        for row, verdict in enumerate(found.to_dict("records")):
            for column, site in enumerate(verdict[name] for name in names):
                kind = "no" if pd.isna(site) else "last" if site == verdict["last_site"] else "deep"
                lost = column == len(CONDITIONS) and verdict["over_collapsed"]
                colour, shape = VERDICTS[kind]
                axis.scatter(column, row, s=90, color=colour, marker=shape)
                word = {"no": "no", "last": "last site only", "deep": f"from site {site}"}[kind]
                word = "over-collapsed" if lost else word
                axis.text(column + 0.1, row, word, va="center", fontsize=9.5)
        axis.set(xlim=(-0.3, len(names) - 0.1), ylim=(len(found) - 0.5, -0.5))
        axis.set_xticks(range(len(names)), list(names.values()))
        axis.set_yticks(range(len(found)), [f"seed {seed}" for seed in found["seed"]])
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        axis.grid(False)
        axis.spines[:].set_visible(False)
        deep = found["deep"].sum()
        return picture(figure, f"Deep collapse, all four conditions below the last layer, in {deep} of {len(found)}.")


def conditions(results: Results) -> Picture:
    """NRC1 to NRC4 by site, in the layout of the paper's figures 1, 2 and 6 to 8.

    For networks with convolutions, NRC3 is drawn in both readings of the paper: for features that are averaged over
    the positions of a feature map, as for all other metrics, and with every position as a sample.
    """
    return _four_panels(results.final(), results.final(features="positions"), "The network's own training error")


def measured(table: pd.DataFrame) -> Picture:
    """NRC1 to NRC4 by site of one network, from a table of `measure`, in the layout of `conditions`."""
    return _four_panels(table.assign(key="", seed=0), table[:0], "The network's own error")


def _four_panels(measurements: pd.DataFrame, positions: pd.DataFrame, own_error: str) -> Picture:
    table, found = weight_sites(measurements), verdicts(measurements)
    with canvas.canvas(2, 2, 6.2) as (figure, [[noise, targets], [weights, errors]]):
        for axis, name in zip((noise, targets, weights, errors), CONDITIONS, strict=True):
            canvas.by_site(axis, table, name, COLOURS[name])
            axis.set(title=condition_title(name, found), xlabel="site (weight layer)", ylabel=AXIS[name])
            mark_collapse(axis, found)
        if len(each := weight_sites(positions)):
            canvas.by_site(weights, each, "nrc3", NEUTRAL, label="every position a sample", line="--")
            weights.legend()
        canvas.log_axis(noise, errors)
        canvas.unit_axis(targets, weights)
        error = table["network_mse"].mean()
        errors.axhline(error, color=NETWORK, linestyle="--", label="the network's own")
        errors.legend()
        alt = "Four panels by site. " + " ".join(f"{condition_title(name, found)}." for name in CONDITIONS)
        return picture(figure, f"{alt} {own_error} is {error:.3g}.")


def losses(results: Results) -> Picture:
    """Training and test loss by epoch, with a mark at the first measured epoch with a collapsed layer.

    Networks that are over-collapsed at the end have no mark.
    """
    table = onset(results)
    table = table[~table["key"].map(over_collapsed(results.final())).astype(bool)]
    epochs = [int(epoch) for epoch in table.loc[table["condition"] == "nrc1", "at_most"].dropna()]
    with canvas.canvas(1, 1, 3.6) as (figure, [[axis]]):
        for column, colour, label in (("train_mse", COLOURS["nrc1"], "training"), ("test_mse", NETWORK, "test")):
            for number, (_, run) in enumerate(results.losses.groupby("key", sort=False)):
                axis.plot(run["epoch"], run[column], color=colour, linewidth=1.1, label=None if number else label)
        for number, epoch in enumerate(epochs):
            name = None if number else "first collapsed layer (NRC1)"
            axis.axvline(epoch, color=COLLAPSE, linewidth=1.6, alpha=0.8, label=name)
        axis.set(xscale="log", xlabel="epoch", ylabel="mean squared error")
        message = f"A layer is collapsed from epoch {min(epochs)} on" if epochs else "No layer is collapsed at the end"
        axis.set_title(f"{message} (NRC1, at the measured epochs)")
        canvas.log_axis(axis)
        axis.legend()
        train, test = results.losses.groupby("key").last()[["train_mse", "test_mse"]].mean()
        alt = f"Losses by epoch. {message}. They end at {train:.3g} (training) and {test:.3g} (test)."
        return picture(figure, alt)


def stable_ranks(results: Results) -> Picture:
    """Stable rank of features and of weights by site, with the stable rank of the targets."""
    table = weight_sites(results.final())
    target = table["target_stable_rank"].iloc[0]
    with canvas.canvas(1, 2, 3.2) as (figure, [[left, right]]):
        canvas.by_site(left, table, "feature_stable_rank", COLOURS["nrc1"])
        left.axhline(target, color=NETWORK, linestyle="--", label=f"targets, {target:.2f}")
        left.set(xlabel="site (weight layer)", ylabel="stable rank")
        end = last_sites(table)["feature_stable_rank"].mean()
        left.set_title(f"Features: {end:.2f} at the last site")
        left.legend()
        canvas.by_site(right, table, "weight_stable_rank", COLOURS["nrc3"])
        right.set(xlabel="weight layer", ylabel="stable rank")
        canvas.log_axis(left, right)
        start, stop = table.groupby("site")["weight_stable_rank"].mean().iloc[[0, -2]]
        weights = f"Weights: {start:.1f} first, {stop:.1f} last but one"
        right.set_title(weights)
        alt = f"Stable ranks by site. Features end at {end:.2f}, targets have {target:.2f}. {weights}."
        return picture(figure, alt)


def dynamics(results: Results) -> Picture:
    """Noise by site and measured epoch of the first run, which shows when in training the run collapses."""
    m = weight_sites(results.history())
    m = m[m["key"] == results.runs["key"].iloc[0]]
    noise = m.pivot(index="site", columns="epoch", values="nrc1").clip(lower=1e-6)
    first, last = noise.iloc[-1, 0], noise.iloc[-1, -1]
    title = f"Noise at the last site: {first:.2g} after epoch {noise.columns[0]}, {last:.2g} at the end"
    alt = f"Noise by site and epoch. {title}."
    return _heat_map(noise, LogNorm(noise.to_numpy().min(), 1), 3.2, "noise (NRC1)", title, alt)


def spectrum(results: Results, most: int = 12) -> Picture:
    """Eigenvalues of the features over the largest eigenvalue, by direction and site, for the first run."""
    s = results.final_spectra()
    s = s[(s["key"] == results.runs["key"].iloc[0]) & (s["k"] <= most)]
    grid = s.pivot(index="k", columns="site", values="eigenvalue").iloc[:, :-1]
    shares = (grid / grid.iloc[0]).clip(lower=1e-8).rename_axis("direction")
    large = (shares > 1e-2).sum()
    title = f"Directions above 1 % of the largest: {large.iloc[1]} at site 1, {large.iloc[-1]} at the last"
    alt = f"Feature eigenvalues by site. {title} (of {most} shown)."
    return _heat_map(shares, LogNorm(1e-8, 1), 3.6, "eigenvalue over the largest", title, alt)


def _heat_map(grid: pd.DataFrame, norm: LogNorm, height: float, unit: str, title: str, alt: str) -> Picture:
    with canvas.canvas(1, 1, height) as (figure, [[axis]]):
        seaborn.heatmap(grid, ax=axis, cmap="cividis", norm=norm, cbar_kws={"label": unit})
        axis.set_title(title)
        axis.grid(False)
        return picture(figure, alt)


def views(results: Results) -> Picture:
    """Noise by site for every kind of features that was measured, and on test data."""
    kinds = {
        ("train", "post"): ("training, after the activation", "-"),
        ("train", "pre"): ("training, before the activation", "--"),
        ("train", "positions"): ("training, every position a sample", "--"),
        ("test", "post"): ("test, after the activation", ":"),
    }
    with canvas.canvas(1, 1, 3.6) as (figure, [[axis]]):
        ends = []
        for place, (label, line) in kinds.items():
            table = weight_sites(results.final(*place))
            if len(table):
                mean = table.groupby("site")["nrc1"].mean()
                axis.plot(mean.index, mean, line, marker="o", markersize=3.5, color=COLOURS["nrc1"], label=label)
                ends.append(f"{mean.iloc[-1]:.2g} ({label})")
                canvas.site_ticks(axis, mean.index)
        axis.set(xlabel="site (weight layer)", ylabel="noise (NRC1)")
        canvas.log_axis(axis)
        axis.set_title(f"Noise at the last site: {ends[0].split()[0]} in training, {ends[-1].split()[0]} on test data")
        figure.legend(loc="outside lower center", ncols=3, fontsize=9)
        return picture(figure, f"Noise by site. At the last site it is {', '.join(ends)}.")


def mark_collapse(axis: Axes, found: pd.DataFrame) -> None:
    """Draw a vertical line at the first site that is collapsed by NRC1 in a network, once for each such site.

    Over-collapsed networks have no line.
    """
    for site in sorted(found.loc[~found["over_collapsed"], "nrc1"].dropna().unique()):
        axis.axvline(float(site), color=COLLAPSE, linewidth=1.6, alpha=0.8)


def condition_title(name: str, found: pd.DataFrame) -> str:
    """Words for the sites at which a condition holds, for example "NRC1 holds from site 3 on"."""
    where = canvas.from_site(found[name])
    return f"{name.upper()} holds {where}" if where else f"{name.upper()} fails at the last site"
