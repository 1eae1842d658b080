"""The parts of a page that are words and tables around the figures: setting, caveats, provenance."""

from __future__ import annotations

from typing import Any

from nrc_core.experiments import RECIPES
from nrc_core.runs import Results
from nrc_core.verdicts import weight_sites


def setting(results: Results) -> str:
    """What was trained, in one table, and where it departs from the paper."""
    config, data = _first(results)
    rows = {
        "data": f"{config['dataset']} ({data['kind']}): {data['source']}",
        "samples": f"{data['n_train']} for training, {data['n_test']} for test, {data['split']} split",
        "network": f"{config['depth']} weight layers, {config['width']} wide, {'a' if config['bias'] else 'no'} bias",
        "optimiser": (
            f"SGD, momentum {config['momentum']:g}, learning rate {config['learning_rate']:g}, weight decay "
            f"{config['weight_decay']:g}, batches of {config['batch_size']}, {config['epochs']} epochs"
        ),
        "seeds": ", ".join(str(seed) for seed in results.runs["seed"]),
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"| | |\n|---|---|\n{table}\n\n{_departures(config, data)}"


def _departures(config: dict[str, Any], data: dict[str, Any]) -> str:
    recipe = RECIPES.get(config["dataset"])
    if recipe is None or not recipe.stated:
        return "The paper states no network and hyper-parameters for these data: those above are choices made here."
    names = ("width", "learning_rate", "weight_decay", "epochs")
    other = [f"{name.replace('_', ' ')} {config[name]:g}, there {getattr(recipe, name):g}" for name in names
             if config[name] != getattr(recipe, name)]  # fmt: skip
    other += [f"depth {config['depth']}, there 8"] if config["depth"] != 8 else []
    other += [f"batches of {config['batch_size']}, there 128"] if config["batch_size"] != 128 else []
    other += ["a bias, there none"] if config["bias"] else []
    other += [f"{data['samples']} rows, there all"] if "samples" in data else []
    if not other:
        return "Network, hyper-parameters and epochs are those of the paper's Appendix A."
    return f"**Not the paper's Appendix A**: {'; '.join(other)}. What follows may differ from it for that reason."


def caveats(results: Results) -> str:
    """What to doubt: the number of networks, the split, the data, constant inputs, the tolerance of NRC4."""
    config, data = _first(results)
    last = weight_sites(results.final()).groupby("key").last()
    lines = [
        f"* Only {_count(len(results.runs), 'network')}: no interval can be read from this page."
        if len(results.runs) < 5
        else f"* {len(results.runs)} networks, one a seed; the data are the same for all.",
        f"* NRC4 counts directions above {config['tolerance']:g} of the largest variance. Above one millionth, its "
        f"value at the last site is {last['nrc4_signal'].mean():.3g} in place of {last['nrc4'].mean():.3g}.",
    ]
    if data["split"] == "random" and data["kind"] in ("simulated", "your own demonstrations"):
        lines.append(
            "* Neighbouring time steps fall on both sides of a random split, so the test error says little about new "
            "episodes: rerun with `split=blocked`."
        )
    if data["kind"] == "simulated":
        expert, episodes = data["expert"], _count(data["episodes"], "episode")
        lines.append(
            f"* The paper's demonstrations are unpublished. These are from {episodes} of an expert "
            f"trained for this project in {data['environment']}, mean return {expert['mean_return']:g} over "
            f"{expert['episodes']} episodes."
        )
    if data["constant_inputs"]:
        lines.append(f"* Inputs {data['constant_inputs']} are constant and carry nothing.")
    if config["dataset"] == "sgemm":
        lines.append(
            f"* The four run times are nearly one: they have stable rank {last['target_stable_rank'].iloc[0]:.5f}. "
            "NRC2 to four dimensions is then an alignment with one."
        )
    lines += [f"* No result for {name}: {reason}." for name, reason in results.failures.items()]
    return "\n".join(lines)


def provenance(results: Results) -> str:
    """Where each number comes from: key, device, date, versions, code."""
    lines = ["| seed | content key | device | seconds | date | from the store |", "|---|---|---|---|---|---|"]
    for row in results.runs.itertuples():
        cached = "yes" if row.cached else "no"
        lines.append(f"| {row.seed} | `{row.key}` | {row.device} | {row.seconds:.0f} | {row.date} | {cached} |")
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
