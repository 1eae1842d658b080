"""The text and tables around the figures of a page: setting, caveats, provenance."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from nrc_core.data.catalogue import STAND_IN
from nrc_core.results.criteria import is_inner, last_sites, weight_sites
from nrc_core.results.phrases import counted, either, markdown_table
from nrc_core.results.results import Results
from nrc_core.sections.recipes import LOW_RANK, RECIPES, Recipe

# Fields in which the runs of one page may differ, besides the seed.
VARIED = (
    "task", "dataset", "split", "shuffled", "architecture", "weight_decay", "label_smoothing", "bias", "init_scale",
    "depth", "width", "head", "start",
)  # fmt: skip
SCALES = {
    "standardised": "standardised targets",
    "raw": "targets in their own unit",
    "log": "standardised logarithms of the targets",
}


def setting(results: Results) -> str:
    """What was trained, one column for each data set, and what differs from the paper.

    A value that varies between the runs is given as a list.
    """
    return side_by_side(results, "dataset", _rows, _departures)


def side_by_side(
    results: Results, by: str, rows: Callable[[Results], dict[str, str]], departures: Callable[[Results], str]
) -> str:
    """A table of what was trained, one column for each value of a field, and below it what differs from the paper.

    Args:
        by: the field of the runs.
        rows: function from the runs of one column to the cells of the column, by the name of the row.
        departures: function from the same runs to a text on what differs from the paper; empty if nothing differs.
    """
    parts = [results.where(**{by: value}) for value in results.runs[by].unique()]
    columns = [rows(part) for part in parts]
    table = markdown_table([""] * (1 + len(columns)), [[name, *(one[name] for one in columns)] for name in columns[0]])
    texts = dict.fromkeys(departures(part) for part in parts)
    return "\n\n".join([table, *filter(None, texts)])


def _rows(results: Results) -> dict[str, str]:
    config, data = first_run(results)
    runs = results.runs
    shuffled = ", shuffled targets as a control" if any(runs["shuffled"].eq(True)) else ""
    precision = "" if config["precision"] == "float32" else f", in {config['precision']}"
    rows = f"{data['n_train']} for training, {data['n_test']} for test, {either(runs['split'])} split"
    return {
        "data": f"{source(config, data)}{shuffled}{_scaled(runs)}",
        "samples": f"{pixels(data)}{rows}",
        "network": _resnet(runs) if config["architecture"] == "resnet" else _mlp(runs),
        "optimiser": f"{descent(runs)}, {either(runs['epochs'])} epochs{precision}",
        "exposure": _exposure(runs),
        "seeds": either(runs["seed"]),
    }


def _scaled(runs: pd.DataFrame) -> str:
    """How the targets are scaled; empty if they are all standardised."""
    scales = {options.get("target_scale", "standardised") for options in runs["dataset_options"]}
    return "" if scales == {"standardised"} else f", {either(SCALES[scale] for scale in sorted(scales))}"


def _exposure(runs: pd.DataFrame) -> str:
    """The exposures to weight decay, see `Configuration.exposure`, in rising order, and what they mean."""
    different = either(f"{value:.2g}" for value in sorted(set(runs["exposure"])))
    return f"E = {different}; weight decay alone leaves exp(-E) of a weight"


def source(run: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Name, kind and source of the data of a run."""
    return f"{run['dataset']} ({data['kind']}): {data['source']}"


def pixels(data: Mapping[str, Any]) -> str:
    """The size of images with a comma, to begin a list; empty for vectors."""
    if "image_shape" not in data:
        return ""
    channels, height, width = data["image_shape"]
    return f"{height} x {width} x {channels} pixels, "


def descent(runs: pd.DataFrame, schedule: str = "", regularised: str = "") -> str:
    """The optimiser of runs and its hyper-parameters.

    Args:
        schedule: text after the learning rate.
        regularised: text after the weight decay.
    """
    run = runs.iloc[0]
    return (
        f"SGD, momentum {run['momentum']:g}, learning rate {either(runs['learning_rate'])}{schedule}, weight decay "
        f"{either(runs['weight_decay'])}{regularised}, batches of {either(runs['batch_size'])}"
    )


def _mlp(runs: pd.DataFrame) -> str:
    bias = either("a" if bias else "no" for bias in runs["bias"])
    scale = ""
    if set(runs["init_scale"]) != {1.0}:
        scale = f", initial weights {either(runs['init_scale'])} times the default"
    return f"{either(runs['depth'])} weight layers, {either(runs['width'])} wide, {bias} bias{scale}"


def _resnet(runs: pd.DataFrame) -> str:
    return (
        f"ResNet-{either(runs['depth'])} from scratch, {either(runs['width'])} channels in its first stage, "
        f"{either(runs['head'])} head"
    )


def _departures(results: Results) -> str:
    """Values in which all networks differ from Appendix A in the same way.

    A value that varies between the networks does not count, because its effect is the subject of the page.
    """
    config, data = first_run(results)
    runs = results.runs
    recipe = RECIPES.get(config["dataset"])
    stand_in = data["kind"] == STAND_IN
    if recipe is None or not (recipe.stated or stand_in):
        if config["dataset_options"].get("target_dim") == 10:
            recipe = LOW_RANK["synthetic"][0]
            other = _other_than(recipe, ("width", "depth"), runs)
            return (f"**Not the paper's**: {'; '.join(other)}. " if other else "") + (
                "The paper states depth, width and teacher, but no hyper-parameters: those above are choices made here."
            )
        return "The paper states no network and hyper-parameters for these data: those above are choices made here."
    names = ("width", "learning_rate", "weight_decay", "epochs", "depth", "batch_size", "init_scale")
    other = _other_than(recipe, names, runs)
    other += ["a bias, there none"] if runs["bias"].all() else []
    other += [f"{data['samples']} rows, there all"] if "samples" in data else []
    if "image_size" in config["dataset_options"]:
        other += [f"images reduced to {config['dataset_options']['image_size']} pixels on their shorter side"]
    whose = "the paper's Appendix A" + (" for CARLA, which these data stand in for" if stand_in else "")
    if not other:
        varied = any(len(runs[name].unique()) > 1 for name in (*names, "bias"))
        but = ", but for what is varied" if varied else ""
        return f"Network, hyper-parameters and epochs are those of {whose}{but}."
    return f"**Not {whose}**: {'; '.join(other)}. What follows may differ from it for that reason."


def _other_than(recipe: Recipe, names: Sequence[str], runs: pd.DataFrame) -> list[str]:
    """Fields whose value in the recipe no network has, with the value here and the value there."""
    return [
        f"{name.replace('_', ' ')} {runs[name].iloc[0]:g}, there {getattr(recipe, name):g}"
        for name in names
        if getattr(recipe, name) not in set(runs[name])
    ]


def caveats(results: Results) -> str:
    """Reasons for doubt: the number of networks, the split, the data, constant inputs, the tolerance of NRC4."""
    runs = results.runs
    last = last_sites(results.final())
    seeds = runs["seed"].nunique()
    each = " of each kind" if len(runs) > seeds else ""
    lines = [
        f"* Only {counted(seeds, 'network')}{each}: no interval can be read from this page."
        if seeds < 5
        else f"* {seeds} networks{each}, one a seed; the data are the same for all.",
        f"* NRC4 counts directions above {runs['tolerance'].iloc[0]:g} of the largest variance. Above one millionth, "
        f"its value at the last site of the first network is {last['nrc4_signal'].iloc[0]:.3g} in place of "
        f"{last['nrc4'].iloc[0]:.3g}.",
    ]
    data = [first_run(results.where(dataset=name))[1] | {"name": name} for name in runs["dataset"].unique()]
    split = set(runs["split"]) == {"random"}
    if split and any(one["kind"] in ("simulated", "your own demonstrations") for one in data):
        lines.append(
            "* Neighbouring time steps fall on both sides of a random split, so the test error says little about new "
            "episodes; the page on training dynamics has a blocked split too."
        )
    for one in data:
        if "expert" in one:
            expert, episodes = one["expert"], counted(one["episodes"], "episode")
            lines.append(
                f"* The paper's demonstrations are unpublished. These are from {episodes} of an expert "
                f"trained for this project in {one['environment']}, mean return {expert['mean_return']:g} over "
                f"{expert['episodes']} episodes."
            )
        if one.get("constant_inputs"):
            lines.append(f"* Inputs {one['constant_inputs']} are constant and carry nothing.")
        lines += [f"* Of the table: {note}." for note in one.get("notes", [])]
        lines += _image_caveats(results.where(dataset=one["name"]), one) if "image_shape" in one else []
    if "sgemm" in set(runs["dataset"]):
        rank = last.loc[runs.loc[runs["dataset"] == "sgemm", "key"], "target_stable_rank"].iloc[0]
        lines.append(
            f"* The four run times are nearly one: they have stable rank {rank:.5f}. "
            "NRC2 to four dimensions is then an alignment with one."
        )
    lines += [f"* No result for {name}: {reason}." for name, reason in results.failures.items()]
    return "\n".join(lines)


def _image_caveats(results: Results, data: dict[str, Any]) -> list[str]:
    lines = [f"* {_shrinkage(results)}"]
    if data["kind"] == STAND_IN:
        lines.append(
            "* CarRacing stands in for CARLA: drawn pictures from above in place of a camera in the car, and "
            f"{counted(data['episodes'], 'lap')} of a scripted driver ({data['lap_progress']:.0%} driven). "
            "What is found here says nothing certain about CARLA, and judges no claim about it."
        )
    if data["name"] != "utkface" and set(results.runs["split"]) == {"random"}:
        lines.append(
            "* Neighbouring frames are nearly the same picture and fall on both sides of a random split, so the "
            "test error says little about new drives; `split=blocked` keeps a drive on one side."
        )
    if data["name"] == "utkface":
        lines += _in_years(results, data["target_spread"][0])
        lines.append("* The set does not say whose face it is, so a person may be on both sides of the split.")
        lines += [f"* {count} faces were left out: {reason}." for reason, count in data["skipped"].items()]
    return lines


def _in_years(results: Results, spread: float) -> list[str]:
    """The errors on ages in years squared, with their variance; nothing for logarithms of ages."""
    if any(options.get("target_scale") == "log" for options in results.runs["dataset_options"]):
        return []
    train, test = (last_sites(results.final(split)) for split in ("train", "test"))
    shares = (table["network_mse"] / train["target_variance"] for table in (train, test))
    in_training, in_test = (share.mean() * spread**2 for share in shares)
    return [
        f"* In years squared the mean squared error is {in_training:.3g} in training and {in_test:.3g} on test data; "
        f"the ages have a variance of {spread**2:.3g}."
    ]


def _shrinkage(results: Results) -> str:
    """Share of a weight that weight decay alone removes in the whole of training, see `Configuration.exposure`."""
    exposures = results.runs.drop_duplicates("weight_decay").set_index("weight_decay")["exposure"].sort_index()
    each = ", ".join(f"{-math.expm1(-exposure):.2%} at {value:g}" for value, exposure in exposures.items())
    return f"In the whole of training, weight decay alone takes this much off a weight that no gradient holds: {each}."


def provenance(results: Results) -> str:
    """Origin of each number: key, device, date, versions, code; one table for each task."""
    if len(tasks := results.runs["task"].unique()) > 1:
        return "\n\n".join(provenance(results.where(task=task)) for task in tasks)
    varied = [name for name in VARIED if name in results.runs and len(results.runs[name].unique()) > 1]
    devices = results.runs["device"].unique()
    apart = ["device"] if len(devices) > 1 else []
    head = [*(name.replace("_", " ") for name in varied), "seed", "content key", *apart, "seconds", "date", "stored"]
    rows = []
    for row in results.runs.to_dict("records"):
        cells = [_cell(row[name]) for name in varied]
        date = datetime.fromisoformat(row["date"])
        cells += [row["seed"], f"`{row['key']}`", *(row[name] for name in apart), f"{row['seconds']:.0f}"]
        cells += [f"{date:%Y-%m-%d %H:%M}", "before" if row["cached"] else "now"]
        rows.append(cells)
    lines = [markdown_table(head, rows)]
    if len(results.runs) > 10:
        lines = [":::{dropdown} All runs", *lines, ":::"]
    record = results.provenance[results.runs["key"].iloc[0]]
    packages = ", ".join(f"{name} {number}" for name, number in record["packages"].items())
    computed = "" if apart else f"Computed on {devices[0]}. "
    lines += [
        "",
        f"{computed}Code: commit `{record['commit']}`, sources `{record['source_checksum']}`, results version "
        f"{record['results_version']}. Data: `{record['data']['identity'][:16]}`. {packages}.",
    ]
    return "\n".join(lines)


def _cell(value: Any) -> Any:
    """Yes or no for a switch, six digits of a number with a point; a run without the switch counts as no."""
    if isinstance(value, bool) or pd.isna(value):
        return "yes" if value is True else "no"
    return f"{value:.6g}" if isinstance(value, float) else value


def sites(results: Results) -> str:
    """The layer of each site by number, and which layers read the residual stream."""
    table = weight_sites(results.final()).drop_duplicates("site")
    inner = is_inner(table["name"])
    rows = [
        [site, f"`{name}`", width, "inside a block" if inside else "residual stream"]
        for site, name, width, inside in zip(table["site"], table["name"], table["width"], inner, strict=True)
    ]
    table_of = markdown_table(["site", "layer it feeds", "features", "they are"], rows)
    return f":::{{dropdown}} The layers by number\n{table_of}\n:::"


def first_run(results: Results) -> tuple[dict[str, Any], dict[str, Any]]:
    """Configuration and data of the first run; fields that were not stored with the run have their default."""
    config = results.runs.to_dict("records")[0]
    return config, results.provenance[config["key"]]["data"]
