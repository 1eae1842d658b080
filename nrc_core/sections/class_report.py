"""The text and tables around the figures of classification pages: setting and caveats."""

import math
from typing import Any

from nrc_core.results.phrases import counted, either
from nrc_core.results.results import Results
from nrc_core.sections.collapse import final_variances
from nrc_core.sections.departures import planned, shortfalls
from nrc_core.sections.grid import LEARNING_RATES, SIZES
from nrc_core.sections.page_parts import descent, first_run, pixels, side_by_side, source

ARCHITECTURES = {"mlp": "MLP with {depth} weight layers", "resnet": "ResNet-{depth}", "vgg": "VGG{depth} with batch "
                 "normalisation", "densenet": "DenseNet-{depth}"}  # fmt: skip
LABELS = {"classes": "", "superclasses": ", in two superclasses", "random": ", labels drawn at random"}


def setting(results: Results, experiment: str) -> str:
    """What was trained, one column for each architecture, and what is smaller than in the paper.

    A value that varies between the networks is given as a list.
    """
    networks = results.where(task="classification")
    return side_by_side(networks, "architecture", _rows, lambda part: departures(part, experiment))


def _rows(results: Results) -> dict[str, str]:
    runs = results.runs
    run, data = first_run(results)
    rows = either(results.provenance[key]["data"]["n_train"] for key in runs["key"])
    smoothing = f", label smoothing {either(runs['label_smoothing'])}" if runs["label_smoothing"].any() else ""
    stops = "" if runs["stop_loss"].isna().all() else f", stopped at a loss of {either(runs['stop_loss'].dropna())}"
    return {
        "data": f"{source(run, data)}{LABELS[data['labels']]}",
        "samples": f"{pixels(data)}{rows} for training, {data['n_test']} for test",
        "network": ARCHITECTURES[run["architecture"]].format(depth=int(run["depth"])) + f", {_width(run)}",
        "optimiser": f"{descent(runs, ' by cosine annealing', smoothing)}, {either(runs['iterations'])} "
        f"iterations{stops}",
        "loss": "cross-entropy" if run["loss"] == "cross_entropy" else "squared error to one-hot targets",
        "seeds": either(runs["seed"]),
    }


def _width(run: dict[str, Any]) -> str:
    if run["architecture"] == "mlp":
        return f"{run['width']:g} wide, with biases"
    stem = "3 x 3 stem" if run["stem"] == "small" else "torchvision's stem"
    return f"{run['width']:g} channels first ({SIZES[run['architecture']][1]} in torchvision's), {stem}"


def departures(results: Results, experiment: str) -> str:
    """Values in which the networks of one architecture are smaller than, or differ from, the networks of Hui et al."""
    run = results.runs.to_dict("records")[0]
    if run["loss"] != "cross_entropy":
        return "No paper trains this network: its sizes are choices made here."
    found = [f"{name} {here:g}, there {_paper(there)}" for name, here, there in shortfalls(results.runs, experiment)]
    rate = LEARNING_RATES[run["architecture"]]
    found += [f"learning rate {run['learning_rate']:g}, there {rate:g}"] if run["learning_rate"] != rate else []
    found += _earlier_stop(results, experiment)
    text = "The paper states neither the weight decay nor the stem: those above are choices made here."
    return f"**Not the paper's**: {'; '.join(found)}. {text}" if found else text


def _earlier_stop(results: Results, experiment: str) -> list[str]:
    """The loss at which training stops, and that in the paper, if it stops earlier here."""
    run = results.runs.to_dict("records")[0]
    paper = [config.as_dict().get("stop_loss") for config in planned(experiment, run["dataset"], run["architecture"])]
    there = {stop for stop in paper if stop is not None}
    here = results.runs["stop_loss"].dropna()
    if here.empty or not there or here.max() <= max(there):
        return []
    return [f"stopped at a loss of {here.max():g}, there {max(there):g}"]


def _paper(value: float) -> str:
    return "all" if math.isinf(value) else f"{value:g}"


def caveats(results: Results) -> str:
    """Reasons for doubt: the number of networks, the end of training, the restarts of k-means, re-encoded pictures."""
    networks = results.where(task="classification")
    ends, seeds = final_variances(networks), networks.runs["seed"].nunique()
    alike = ": no interval can be read from this page" if seeds < 3 else ", one a seed; the data are the same for all"
    lines = [
        f"* {counted(seeds, 'network')} of each kind{alike}.",
        f"* Training ended at a loss of {ends['train_loss'].min():.2g} to {ends['train_loss'].max():.2g}, with "
        f"{100 * ends['train_error'].max():.2g} % of training rows misclassified at most.",
    ]
    spread = (ends["weak_most"] / ends["weak_least"]).max()
    lines.append(
        "* The centres of the weak variance are the best of ten restarts of k-means; by the worst it would be up to "
        f"{spread:.3g} times that of the best restart."
    )
    notes = {record["data"]["note"] for record in networks.provenance.values() if "note" in record["data"]}
    return "\n".join([*lines, *(f"* {note[0].upper()}{note[1:].rstrip('.')}." for note in sorted(notes))])


def architecture_name(architecture: str) -> str:
    """The name of an architecture in headings."""
    return {"mlp": "MLP", "resnet": "ResNet", "vgg": "VGG11", "densenet": "DenseNet"}[architecture]
