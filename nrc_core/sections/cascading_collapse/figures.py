"""The figures of cascading collapse: when each layer collapses, in classification and in regression."""

from nrc_core.results.criteria import weight_sites
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections import canvas
from nrc_core.sections.canvas import FLOOR, THRESHOLD, Picture, number, picture
from nrc_core.sections.cascading_collapse.tables import noise_onsets
from nrc_core.sections.collapse import MEANS, half_times, layer_variances

LIGHT_TO_DARK = (0.9, 0.3)  # from light green for the first layer to blue for the last


def cascade(results: Results, means: str = "final") -> Picture:
    """TrainVariance of every hidden layer over training, in the layout of figure 6; dots mark the half times.

    `means` are the class means around which it is measured, see `MEANS`.
    """
    table, halves, column = layer_variances(results), half_times(results, means), MEANS[means]
    colours = canvas.shades(table["layer"], *LIGHT_TO_DARK)
    with canvas.panels(table["weight_decay"], 3.7) as (figure, panels):
        told = []
        for axis, decay in panels:
            here, half = table[table["weight_decay"] == decay], halves[halves["weight_decay"] == decay]
            for (_, layer), run in here.groupby(["key", "layer"], sort=False):
                axis.plot(run["iteration"], run[column], color=colours[layer], linewidth=1.5, alpha=0.9)
            for row in half.dropna(subset="half_time").itertuples():
                axis.plot(row.half_time, (row.first + row.final) / 2, "o", color=colours[row.layer], markersize=5)
            canvas.time_axis(axis, "iteration")
            canvas.log_axis(axis)
            ends = half.groupby("layer")[["first", "final", "half_time"]].mean()
            axis.set_title(f"Weight decay {decay:g}: ends at {', '.join(number(value) for value in ends['final'])}")
            told.append(f"weight decay {decay:g}: " + "; ".join(
                f"layer {layer} from {number(row['first'])} to {number(row.final)}, "
                f"half of it by iteration {row.half_time:.0f}" for layer, row in ends.iterrows()
            ))  # fmt: skip
        around = f"around the class means of the {'final network' if means == 'final' else 'moment'}"
        figure.axes[0].set_ylabel(f"train variance\n{around}")
        names = _layer_names(list(colours))
        canvas.legend(figure, {name: {"color": colours[layer], "linewidth": 2} for layer, name in names.items()})
        return picture(figure, f"Train variance {around}, by layer and iteration. {'. '.join(told)}.")


def regression_cascade(results: Results) -> Picture:
    """NRC1 of every site over training in regression networks, one panel for each data set."""
    table = results.label(weight_sites(results.history("train")), "dataset")
    table = table[table["site"] > 0]
    limit, onsets = thresholds()["noise_most"], noise_onsets(results, thresholds()["noise_most"])
    colours = canvas.shades(table["site"], *LIGHT_TO_DARK)
    with canvas.panels(table["dataset"], 3.7) as (figure, panels):
        told = []
        for axis, dataset in panels:
            here = table[table["dataset"] == dataset]
            for (_, site), run in here.groupby(["key", "site"], sort=False):
                axis.plot(run["epoch"], run["nrc1"].clip(lower=FLOOR), color=colours[site], linewidth=1.2, alpha=0.85)
            axis.axhline(limit, linewidth=1.4, **THRESHOLD)
            canvas.time_axis(axis, "epoch")
            axis.set_title(dataset.capitalize())
            canvas.log_axis(axis)
            first = onsets[onsets["dataset"] == dataset].groupby("site")["onset"].agg(["median", "count"])
            told.append(f"{dataset}: " + ", ".join(
                f"site {site} " + ("never" if not row["count"] else f"by epoch {row['median']:.0f}")
                for site, row in first.iterrows()
            ))  # fmt: skip
        figure.axes[0].set_ylabel("noise (NRC1)")
        styles = {f"site {site}": {"color": colour, "linewidth": 2} for site, colour in colours.items()}
        canvas.legend(figure, styles, columns=8)
        return picture(figure, f"Noise by site and epoch; at most {limit:g} from: {'. '.join(told)}.")


def _layer_names(layers: list[int]) -> dict[int, str]:
    names = {layer: f"layer {layer}" for layer in layers}
    names |= {layers[0]: "first layer"}
    return names | ({layers[-2]: "penultimate layer"} if len(layers) > 2 else {}) | {layers[-1]: "last layer"}
