"""The parts of a page that are words and tables around the figures: setting, caveats, provenance."""

from __future__ import annotations

from typing import Any

import pandas as pd

from nrc_core.recipes import RECIPES
from nrc_core.runs import Results
from nrc_core.verdicts import last_sites

# What runs of one page may differ in, besides the seed.
VARIED = ("dataset", "split", "shuffled", "weight_decay", "bias", "init_scale", "depth", "width")


def setting(results: Results) -> str:
    """What was trained, a column a data set, and where it departs from the paper; what varies is listed."""
    columns = [_column(results.where(dataset=dataset)) for dataset in results.runs["dataset"].unique()]
    names = list(columns[0])
    lines = ["| |" + " |" * len(columns), "|---|" + "---|" * len(columns)]
    lines += [f"| {name} | " + " | ".join(column[name] for column in columns) + " |" for name in names]
    departures = [_departures(results.where(dataset=dataset)) for dataset in results.runs["dataset"].unique()]
    return "\n".join(lines) + "\n\n" + "\n\n".join(dict.fromkeys(departures))


def _column(results: Results) -> dict[str, str]:
    config, data = _first(results)
    runs = results.runs
    bias = " or ".join("a" if bias else "no" for bias in runs["bias"].unique())
    shuffled = ", shuffled targets as a control" if any(runs["shuffled"].eq(True)) else ""
    scale = (
        "" if set(runs["init_scale"]) == {1.0} else f", initial weights {_each(runs, 'init_scale')} times the default"
    )
    return {
        "data": f"{config['dataset']} ({data['kind']}): {data['source']}{shuffled}",
        "samples": f"{data['n_train']} for training, {data['n_test']} for test, {_each(runs, 'split')} split",
        "network": f"{_each(runs, 'depth')} weight layers, {_each(runs, 'width')} wide, {bias} bias{scale}",
        "optimiser": (
            f"SGD, momentum {config['momentum']:g}, learning rate {_each(runs, 'learning_rate')}, weight decay "
            f"{_each(runs, 'weight_decay')}, batches of {config['batch_size']}, {_each(runs, 'epochs')} epochs"
        ),
        "seeds": _each(runs, "seed"),
    }


def _each(runs: pd.DataFrame, name: str) -> str:
    values = [value if isinstance(value, str) else f"{value:g}" for value in runs[name].unique()]
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"


def _departures(results: Results) -> str:
    """Where all networks differ from Appendix A in the same respect; what varies is the point of a page."""
    config, data = _first(results)
    runs = results.runs
    recipe = RECIPES.get(config["dataset"])
    if recipe is None or not recipe.stated:
        if config["dataset_options"].get("target_dim") == 10:
            return (
                "The paper states depth, width and teacher, but no hyper-parameters: those above are choices made here."
            )
        return "The paper states no network and hyper-parameters for these data: those above are choices made here."
    paper = {name: getattr(recipe, name) for name in ("width", "learning_rate", "weight_decay", "epochs", "depth")}
    paper |= {"batch_size": 128, "init_scale": 1.0}
    other = [
        f"{name.replace('_', ' ')} {runs[name].iloc[0]:g}, there {value:g}"
        for name, value in paper.items()
        if value not in set(runs[name])
    ]
    other += ["a bias, there none"] if runs["bias"].all() else []
    other += [f"{data['samples']} rows, there all"] if "samples" in data else []
    if not other:
        varied = any(len(runs[name].unique()) > 1 for name in (*paper, "bias"))
        but = ", but for what is varied" if varied else ""
        return f"Network, hyper-parameters and epochs are those of the paper's Appendix A{but}."
    return f"**Not the paper's Appendix A**: {'; '.join(other)}. What follows may differ from it for that reason."


def caveats(results: Results) -> str:
    """What to doubt: the number of networks, the split, the data, constant inputs, the tolerance of NRC4."""
    runs = results.runs
    last = last_sites(results.final())
    seeds = runs["seed"].nunique()
    each = " of each kind" if len(runs) > seeds else ""
    lines = [
        f"* Only {_count(seeds, 'network')}{each}: no interval can be read from this page."
        if seeds < 5
        else f"* {seeds} networks{each}, one a seed; the data are the same for all.",
        f"* NRC4 counts directions above {runs['tolerance'].iloc[0]:g} of the largest variance. Above one millionth, "
        f"its value at the last site of the first network is {last['nrc4_signal'].iloc[0]:.3g} in place of "
        f"{last['nrc4'].iloc[0]:.3g}.",
    ]
    data = [_first(results.where(dataset=dataset))[1] for dataset in runs["dataset"].unique()]
    split = set(runs["split"]) == {"random"}
    if split and any(one["kind"] in ("simulated", "your own demonstrations") for one in data):
        lines.append(
            "* Neighbouring time steps fall on both sides of a random split, so the test error says little about new "
            "episodes; the page on training dynamics has a blocked split too."
        )
    for one in data:
        if one["kind"] == "simulated":
            expert, episodes = one["expert"], _count(one["episodes"], "episode")
            lines.append(
                f"* The paper's demonstrations are unpublished. These are from {episodes} of an expert "
                f"trained for this project in {one['environment']}, mean return {expert['mean_return']:g} over "
                f"{expert['episodes']} episodes."
            )
        if one["constant_inputs"]:
            lines.append(f"* Inputs {one['constant_inputs']} are constant and carry nothing.")
    if "sgemm" in set(runs["dataset"]):
        rank = last.loc[runs.loc[runs["dataset"] == "sgemm", "key"], "target_stable_rank"].iloc[0]
        lines.append(
            f"* The four run times are nearly one: they have stable rank {rank:.5f}. "
            "NRC2 to four dimensions is then an alignment with one."
        )
    lines += [f"* No result for {name}: {reason}." for name, reason in results.failures.items()]
    return "\n".join(lines)


def provenance(results: Results) -> str:
    """Where each number comes from: key, device, date, versions, code."""
    varied = [name for name in VARIED if len(results.runs[name].unique()) > 1]
    head = [*(name.replace("_", " ") for name in varied), "seed", "content key", "device", "seconds", "date", "stored"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in results.runs.to_dict("records"):
        cells = ["no" if row[name] is None else row[name] for name in varied]
        cells += [row["seed"], f"`{row['key']}`", row["device"], f"{row['seconds']:.0f}", row["date"]]
        cells += ["before" if row["cached"] else "now"]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    if len(results.runs) > 10:
        lines = [":::{dropdown} All runs", *lines, ":::"]
    record = results.provenance[results.runs["key"].iloc[0]]
    packages = ", ".join(f"{name} {number}" for name, number in record["packages"].items())
    lines += [
        "",
        f"Code: commit `{record['commit']}`, sources `{record['source_checksum']}`, results version "
        f"{record['results_version']}. Data: `{record['data']['identity'][:16]}`. {packages}.",
    ]
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _first(results: Results) -> tuple[dict[str, Any], dict[str, Any]]:
    record = results.provenance[results.runs["key"].iloc[0]]
    return record["config"], record["data"]
