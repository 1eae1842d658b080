"""The figures of the section on unconstrained features: what the minimum keeps, time to collapse, and last layers."""

import math

import numpy as np

from nrc_core.results.results import Results
from nrc_core.sections.canvas import (
    COLLAPSE,
    FLOOR,
    NETWORK,
    NEUTRAL,
    Picture,
    canvas,
    dot,
    legend,
    panels,
    picture,
    shades,
)
from nrc_core.sections.slider import Slider
from nrc_core.sections.unconstrained_features.tables import (
    COLLAPSED,
    EQUAL,
    NO_DECAY,
    TO_MINIMUM,
    curves,
    expected,
    flows,
    last_layers,
    target_variances,
)


def kept_by_decay(results: Results) -> Picture:
    """What the weight keeps of each target direction, and the variance of the errors, by the root of c."""
    lines, table = expected(results), flows(results)
    dots = table[table["kind"] == TO_MINIMUM]
    variances = target_variances(results)
    colours = shades(range(len(variances)), 0.85, 0.15)
    with canvas(1, 2, 3.4) as (figure, [axes]):
        for axis, column, name in zip(
            axes, ("kept", "error_variance"), ("size of W Wᵀ", "variance of the errors"), strict=True
        ):
            for place, variance in enumerate(variances):
                own = lines[lines["direction"] == place]
                axis.plot(own["root"], own[column], color=colours[place], linewidth=2)
                ends = dots[column].map(lambda values, place=place: values[place])
                axis.plot(np.sqrt(dots["product"]), ends, **dot(color=colours[place], markersize=5))
                axis.axvline(math.sqrt(variance), color=colours[place], linestyle=":", linewidth=1)
            axis.set(xlabel="√c", ylabel=name)
        axes[0].set_title("Each direction loses √c", fontsize=10)
        axes[1].set_title("Errors: c, or all of a lost direction", fontsize=10)
        styles = {f"variance {one:g}": {"color": colours[j], "linewidth": 2} for j, one in enumerate(variances)}
        legend(figure, styles | {"flow": dot(), "variance = c": {"color": NEUTRAL, "linestyle": ":"}})
        told = ", ".join(f"{rows['rank'].min()} at c = {c:g}" for c, rows in dots.groupby("product"))
        return picture(
            figure,
            "Left: the eigenvalues of W Wᵀ fall in straight lines as the root of c grows, and are zero from the "
            "standard deviation of their target direction on. Right: the variance of the errors grows as c up to the "
            f"variance of the direction. Flows (dots) lie on the lines of the closed form. Directions kept: {told}.",
        )


def directions_by_decay(results: Results) -> Slider:
    """What the weight keeps of each target direction, for each product of the decays on a slider."""
    table = flows(results)
    table = table[table["kind"] == TO_MINIMUM].sort_values("product", kind="stable")
    full = np.sqrt(target_variances(results))
    pictures = {f"{c:g}": _directions(full, c, rows["kept"].tolist()) for c, rows in table.groupby("product")}
    return Slider("c", pictures, first=len(pictures) // 2)


def _directions(full: np.ndarray, product: float, found: list[list[float]]) -> Picture:
    """One picture of `directions_by_decay`.

    Args:
        full: the standard deviations of the target directions.
        found: for each flow, what it keeps of each.
    """
    root, places = math.sqrt(product), np.arange(len(full))
    kept = (full - root).clip(min=0)
    with canvas(1, 1, 2.6) as (figure, [[axis]]):
        axis.bar(places, full, color=NEUTRAL, alpha=0.25, width=0.6, label="standard deviation of the direction")
        axis.bar(places, kept, color=COLLAPSE, alpha=0.7, width=0.6, label="kept by the minimum")
        for values in found:
            axis.plot(places, values, **dot(color=NETWORK, markersize=5))
        axis.axhline(root, color=NEUTRAL, linestyle=":", label="√c")
        axis.set_xticks(places, [f"direction {place + 1}" for place in places])
        count = int((kept > 0).sum())
        axis.set(ylim=(0, 1.1 * full.max()), title=f"c = {product:g}: {count} of {len(full)} directions kept")
        axis.legend(loc="upper right", fontsize=8)
        told = ", ".join(f"{one:.2f} of {whole:.2f}" for one, whole in zip(kept, full, strict=True))
        return picture(figure, f"At c = {product:g} the minimum keeps {told} of the target directions; flows agree.")


def time_to_collapse(results: Results) -> Picture:
    """NRC1 over decay times time, and over time without decay."""
    table = curves(results)
    equal, none = table[table["kind"] == EQUAL], table[table["kind"] == NO_DECAY]
    with canvas(1, 2, 3.4) as (figure, axes):
        left, right = axes[0]
        for decay, colour in shades(equal["weight_decay"], 0.15, 0.85).items():
            for number, (_, own) in enumerate(equal[equal["weight_decay"] == decay].groupby("seed")):
                values = own["nrc1"].clip(lower=FLOOR)
                label = f"decay {decay:g}" if number == 0 else None
                left.plot(decay * own["time"], values, color=colour, linewidth=1, label=label)
        left.axhline(COLLAPSED, color=NEUTRAL, linestyle=":", linewidth=1)
        left.set(yscale="log", xlabel="decay times time", ylabel="NRC1", title="With decay: one curve")
        left.legend(fontsize=8)
        for scale, colour in shades(none["init_scale"], 0.15, 0.85).items():
            for number, (_, own) in enumerate(none[none["init_scale"] == scale].groupby("seed")):
                label = f"start {scale:g}" if number == 0 else None
                right.plot(own["time"], own["nrc1"], color=colour, linewidth=1, label=label)
        right.axhline(COLLAPSED, color=NEUTRAL, linestyle=":", linewidth=1)
        right.set(yscale="log", xlabel="time", title="Without decay: the start decides")
        right.legend(fontsize=8)
        times = flows(results).loc[lambda one: one["kind"] == EQUAL, "scaled_time"]
        ends = none[none["time"] == none["time"].max()].groupby("init_scale")["nrc1"].mean()
        told = ", ".join(f"{value:.2g} from {scale:g}" for scale, value in ends.items())
        return picture(
            figure,
            f"Left: NRC1 falls below {COLLAPSED:g} when decay times time is {times.min():.2f} to {times.max():.2f}, "
            f"the same for all decays. Right: without decay NRC1 stays where the size of the start leaves it: {told}.",
        )


def noise_by_start(results: Results) -> Picture:
    """Noise at the end of flows without decay by the size of the start, above its bound."""
    table = flows(results)
    none = table[table["kind"] == NO_DECAY].sort_values("init_scale")
    with canvas(1, 1, 3.0) as (figure, [[axis]]):
        bound = none.groupby("init_scale")["noise_start"].mean()
        axis.plot(bound.index, bound, color=COLLAPSE, linewidth=2, label="bound by the start (mean)")
        axis.plot(none["init_scale"], none["noise"], **dot(color=NETWORK, markersize=5, label="flow without decay"))
        axis.set(xscale="log", yscale="log", xlabel="size of the start", ylabel="noise")
        least = (none["noise"] / none["noise_start"]).min()
        axis.set_title(f"Noise is at least {least:.2f} times its bound", fontsize=10)
        axis.legend()
        return picture(
            figure,
            f"Noise at the end of flows without decay, by the size of the start: at least {least:.2f} times the bound "
            "that the start sets.",
        )


def last_weights(results: Results) -> Picture:
    """Entries of W Wᵀ of trained networks by the entries that the theory gives, with a panel for each data set."""
    table = last_layers(results)
    colours = shades(table["depth"], 0.15, 0.75)
    styles = {f"{depth} layers": dot(color=colour, markersize=5) for depth, colour in colours.items()}
    with panels(table["dataset"], 3.2, columns=3, extra=0.4) as (figure, pairs):
        told = []
        for axis, name in pairs:
            own = table[table["dataset"] == name]
            axis.axline((0, 0), slope=1, color=NEUTRAL, linewidth=1)
            for row in own.to_dict("records"):
                axis.plot(row["expected"], row["measured"], **styles[f"{row['depth']} layers"], alpha=0.6)
            ratio = (own["distance"] / own["from_identity"]).median()
            axis.set(xlabel="theory", title=f"{name}: {ratio:.2g}")
            told.append(f"{name} {ratio:.2g}")
        pairs[0][0].set_ylabel("entry of W Wᵀ")
        legend(figure, styles | {"equal": {"color": NEUTRAL}})
        return picture(
            figure,
            "Entries of W Wᵀ of the last weight in the principal directions of the targets, by what the theory gives. "
            f"Squared distance from the theory over that from the identity, median: {'; '.join(told)}.",
        )
