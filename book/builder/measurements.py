"""What the differences between paper, released code and this project change: a sentence made of results for each.

A function takes what one page of the book is made of: the results of its networks, the entries of the ledger, or
the files of the benchmarks. It says on which data and how many networks it rests, and trains nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from book.builder.ledger import numbers
from nrc_core.claims.ledger import UNJUDGED
from nrc_core.results.criteria import holds, is_inner, last_sites, verdicts, weight_sites
from nrc_core.results.results import Results
from nrc_core.results.thresholds import read_thresholds, thresholds
from nrc_core.sections import dynamics
from nrc_core.sections.paper_or_code.tables import by_convention
from nrc_core.sections.what_decides_collapse.tables import RECIPE, at_last_site

RELEASED_BATCH = 512  # `BATCH_SIZE` in the released `config.py`


class NotMeasured(Exception):
    """The results at hand cannot answer; the text says why."""


@dataclass(frozen=True)
class Finding:
    """What was measured, in words. By the other choice, `changed` of `of` things have another verdict."""

    words: str
    changed: int | None = None  # None: no threshold applies
    of: int = 0
    things: str = "sites"


def first_columns(results: Results) -> Finding:
    """NRC2 at the last site: projected, not projected, by the first columns; where the last is exactly zero."""
    last = _last_by_convention(results, "nrc2")
    released = weight_sites(results.final(convention="released"))["nrc2"]
    row = by_convention(results).loc[("NRC2", "released")]
    words = (
        f"{_who(results)}: at the last site {last['careful']} projected, {last['printed']} without projection, "
        f"{last['released']} by the first columns, which give exactly 0 at {(released == 0).sum()} of {len(released)} "
        "sites."
    )
    return Finding(words, int(row["other_verdicts"]), int(row["sites"]))


def linear_prediction(results: Results) -> Finding:
    """NRC4 by the three definitions, as each gives it, at the last site."""
    last = _last_by_convention(results, "nrc4")
    row = by_convention(results).loc[("NRC4 per entry", "released")]
    own = _numbers(last_sites(results.final())["network_mse"])
    words = (
        f"{_who(results)}: at the last site {last['careful']} here, {last['released']} by the code and "
        f"{last['printed']} by the formula, where the error of the network is {own}."
    )
    return Finding(words, int(row["other_verdicts"]), int(row["sites"]))


def stable_ranks(results: Results) -> Finding:
    """Stable rank of features and targets by the usual definition and by that of the covariance, at the last site."""
    features = _last_by_convention(results, "feature_stable_rank")
    targets = _last_by_convention(results, "target_stable_rank")
    return Finding(
        f"{_who(results)}: at the last site {features['careful']} for the features, and {features['released']} by "
        f"the code; {targets['careful']} and {targets['released']} for the targets."
    )


def cutoff(results: Results) -> Finding:
    """How far NRC4 of hidden sites falls below the error of the network, by either cutoff."""
    sites = _hidden(results.final())
    shares = {name: sites[name] / sites["network_mse"] for name in ("nrc4", "nrc4_signal")}
    every, signal = shares["nrc4"], shares["nrc4_signal"]
    words = (
        f"{_who(results)}: NRC4 is below the error of the network at {(every < 1).sum()} of {len(sites)} hidden sites, "
        f"down to {every.min():.2g} of it; with the larger cutoff at {(signal < 1).sum()}, down to {signal.min():.2g}."
    )
    other = holds(sites.assign(nrc4=sites["nrc4_signal"]))["nrc4"]
    return Finding(words, int((holds(sites)["nrc4"] != other).sum()), len(sites))


def rounding(results: Results) -> Finding:
    """Hidden sites whose noise is less than one rounding of single precision."""
    noise, least = _hidden(results.final())["nrc1"], np.finfo(np.float32).eps
    return Finding(
        f"{_who(results)}: the noise is below {least:.1e}, the rounding of single precision, at "
        f"{(noise < least).sum()} of {len(noise)} hidden sites, and {noise.min():.1e} at the lowest."
    )


def before_activation(results: Results) -> Finding:
    """Noise after and before the activation at the last site."""
    after, before = (_hidden(results.final(features=kind)) for kind in ("post", "pre"))
    if before.empty:
        raise NotMeasured("its networks were not measured before the activation")
    noise = after.merge(before, on=["key", "site"], suffixes=("", "_before"))
    last = noise[noise["site"] == noise.groupby("key")["site"].transform("max")]
    most = thresholds()["noise_most"]
    other = (noise["nrc1"] <= most) != (noise["nrc1_before"] <= most)
    words = (
        f"{_who(results)}: the noise at the last site is {_numbers(last['nrc1'])} after the activation, "
        f"{_numbers(last['nrc1_before'])} before it."
    )
    return Finding(words, int(other.sum()), len(noise))


def positions(results: Results) -> Finding:
    """NRC1 and NRC3 of the inputs of convolutions, averaged over positions and with every position a sample."""
    averages, places = (weight_sites(results.final(features=kind)) for kind in ("post", "positions"))
    if places.empty:
        raise NotMeasured("its networks were not measured with every position a sample")
    sites = averages.merge(places, on=["key", "site", "name"], suffixes=("", "_each"))
    sites = sites[sites["name"].str.contains("conv")]
    limits = thresholds()
    other = (sites["nrc1"] <= limits["noise_most"]) != (sites["nrc1_each"] <= limits["noise_most"])
    other |= (sites["nrc3"] >= limits["alignment_least"]) != (sites["nrc3_each"] >= limits["alignment_least"])
    words = (
        f"{_who(results)}: over the inputs of convolutions the noise is {_numbers(sites['nrc1'])} of averages and "
        f"{_numbers(sites['nrc1_each'])} of positions; NRC3 is up to "
        f"{(sites['nrc3'] - sites['nrc3_each']).abs().max():.2g} apart."
    )
    return Finding(words, int(other.sum()), len(sites))


def residual_stream(results: Results) -> Finding:
    """Noise at the two kinds of sites of a ResNet."""
    sites = weight_sites(results.final())
    inner = is_inner(sites["name"])
    return Finding(
        f"{_who(results)}: the noise is {_numbers(sites.loc[~inner, 'nrc1'])} at sites on the residual stream, "
        f"{_numbers(sites.loc[inner, 'nrc1'])} inside blocks."
    )


def training_log(results: Results) -> Finding:
    """The loss of the last epoch's batches over the error of the finished network on the same rows."""
    log = results.losses.sort_values("epoch").groupby("key")["train_mse"].last()
    sites = weight_sites(results.final())
    own = sites.groupby("key")["network_mse"].first()
    other = holds(sites.assign(network_mse=sites["key"].map(log)))["nrc4"]
    words = (
        f"{_who(results)}: the training log's last entry is {_numbers(log / own)} times the error of the finished "
        "network on the same rows."
    )
    return Finding(words, int((holds(sites)["nrc4"] != other).sum()), len(sites))


def left_out(results: Results) -> Finding:
    """Training rows that a loader without its incomplete batch leaves out."""
    rows = results.provenance[results.runs["key"].iloc[0]]["data"]["n_train"]
    batch = int(results.runs["batch_size"].iloc[0])
    return Finding(
        f"{_who(results)}: of {rows:,} training rows {rows % batch} are left out in batches of {batch}, and "
        f"{rows % RELEASED_BATCH} in the code's default of {RELEASED_BATCH}."
    )


def biases(results: Results) -> Finding:
    """Noise and the four conditions at the last site, without biases and with them."""
    parts = [
        f"{_numbers(sites['nrc1'])} {'without biases' if name == RECIPE else name}, where all four conditions "
        f"hold in {held} of {_count(len(sites), 'network')}"
        for name, sites, held in _variants(results, "with a bias")
    ]
    return Finding(f"{_data(results)}: the noise at the last site is {'; '.join(parts)}.")


def initial_weights(results: Results) -> Finding:
    """The unexplained variance, and the four conditions at the last site, for each initial scale."""
    parts = [
        f"{'default initial weights' if name == RECIPE else name} leave "
        f"{_numbers(sites['network_mse'] / sites['target_variance'])} of the training variance unexplained, all four "
        f"conditions hold in {held} of {_count(len(sites), 'network')}"
        for name, sites, held in _variants(results, "initial weights")
    ]
    return Finding(f"{_data(results)}: {'; '.join(parts)}.")


def seeds(results: Results) -> Finding:
    """Noise at the last site and the four conditions, by seed."""
    found = verdicts(results.final())
    if len(found) < 2:
        raise NotMeasured("it has one network")
    held = int(found["collapsed_from"].notna().sum())
    words = (
        f"{_who(results)}: the noise at the last site is {_numbers(last_sites(results.final())['nrc1'])}; all four "
        f"conditions hold there in {held}."
    )
    return Finding(words, min(held, len(found) - held), len(found), "networks")


def years(results: Results) -> Finding:
    """Errors of ages in squared years."""
    spread = results.provenance[results.runs["key"].iloc[0]]["data"]["target_spread"][0]
    sites = last_sites(results.final())
    error = sites["network_mse"] / sites["target_variance"]
    return Finding(
        f"{_who(results)}: a training error of {_numbers(error)} of the variance is {_numbers(error * spread**2)} in "
        f"squared years, and the variance {spread**2:.3g}."
    )


def neighbours(results: Results) -> Finding:
    """Test errors under a random and a blocked split."""
    gaps = dynamics.generalisation_gap(results)
    if set(gaps["split"]) != {"random", "blocked"}:
        raise NotMeasured("it has one kind of split")
    each = []
    for dataset, runs in gaps.groupby("dataset", sort=False):
        errors = {split: _numbers(runs.loc[runs["split"] == split, "test_error"]) for split in ("random", "blocked")}
        each.append(f"{dataset} {errors['random']} and {errors['blocked']}")
    small = gaps.assign(small=gaps["gap"] <= thresholds()["gap_most"])
    pairs = small.pivot_table(index=["dataset", "seed"], columns="split", values="small", aggfunc="first")
    words = (
        f"{_count(len(gaps), 'network')}: the test error, as a share of the training variance, by a random and by a "
        f"blocked split: {'; '.join(each)}."
    )
    return Finding(words, int((pairs["random"] != pairs["blocked"]).sum()), len(pairs), "pairs of networks")


def rank_one(results: Results) -> Finding:
    """Rows, and stable rank of the targets."""
    data = results.provenance[results.runs["key"].iloc[0]]["data"]
    rank = results.final()["target_stable_rank"].iloc[0]
    return Finding(f"{_who(results)}: {data['n_train'] + data['n_test']:,} rows, targets of stable rank {rank:.5f}.")


def limits(entries: Sequence[Mapping[str, Any]]) -> Finding:
    """Claims whose verdict changes with the limit on the noise."""
    threshold = read_thresholds()["noise_most"]
    judged = [one for one in entries if "noise_most" in one["thresholds"] and one["verdict"] not in UNJUDGED]
    if not judged:
        raise NotMeasured("no claim about collapsed layers has a verdict")
    moved = [one for one in judged if any(f"noise_most = {other:g}" in one["moved"] for other in threshold.others)]
    others = " or ".join(f"{other:g}" for other in threshold.others)
    words = f"the judged claims that rest on the limit of the noise, at {others} in place of {threshold.value:g}."
    return Finding(words, len(moved), len(judged), "claims")


def sample_matrices(files: Mapping[str, Any]) -> Finding:
    """Time of CKA from n x n matrices against that of all metrics from moments, and memory at SGEMM's size."""
    if not {"metrics", "scaling"} <= set(files):
        raise NotMeasured("the benchmarks `metrics` and `scaling` have not been run")
    rows = files["metrics"]["tables"][0]["rows"]
    most = max(row["rows"] for row in rows)
    seconds = {row["method"]: row["median, s"] for row in rows if row["rows"] == most and row["threads"] == 1}
    large = max(files["scaling"]["tables"][0]["rows"], key=lambda row: row["rows"])
    words = (
        f"for one layer, {most:,} rows and one thread, CKA alone takes {seconds['Gram']:.3g} s by matrices of samples; "
        f"CKA and all metrics without weights take {seconds['moments']:.2g} s by covariances. With {large['rows']:,} "
        f"rows one such matrix has {4 * large['rows'] ** 2 / 1e9:.3g} GB; by covariances everything takes "
        f"{large['metrics, median, s']:.2g} s and {large['peak above data, GB']:.1g} GB beyond the data."
    )
    return Finding(words)


MEASUREMENTS: Mapping[str, Callable[[Any], Finding]] = {
    function.__name__: function
    for function in (
        first_columns, linear_prediction, stable_ranks, cutoff, rounding, before_activation, positions,
        residual_stream, training_log, left_out, biases, initial_weights, seeds, years, neighbours, rank_one, limits,
        sample_matrices,
    )
}  # fmt: skip


def _who(results: Results) -> str:
    """Data and number of networks, as "swimmer, 5 networks"."""
    return f"{_data(results)}, {_count(len(results.runs), 'network')}"


def _data(results: Results) -> str:
    return ", ".join(dict.fromkeys(Path(name).name for name in results.runs["dataset"]))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _numbers(values: Iterable[float]) -> str:
    return numbers([None if pd.isna(value) else float(value) for value in values], digits=3)


def _hidden(measurements: pd.DataFrame) -> pd.DataFrame:
    """Sites that feed a weight, without the raw input."""
    sites = weight_sites(measurements)
    return sites[sites["site"] > 0].reset_index(drop=True)


def _last_by_convention(results: Results, column: str) -> dict[str, str]:
    """A column at the last site in words, by convention."""
    tables = {name: results.final(convention=name) for name in ("careful", "printed", "released")}
    if any(table.empty for table in tables.values()):
        raise NotMeasured("its networks were measured by one definition only")
    return {name: _numbers(last_sites(table)[column]) for name, table in tables.items()}


def _variants(results: Results, beginning: str) -> list[tuple[str, pd.DataFrame, int]]:
    """The paper's network, and its variants whose names have this beginning.

    For each: its name, its last sites, and the number of networks in which all four conditions hold there.
    """
    table = at_last_site(results)
    names = [name for name in table["variant"].unique() if name == RECIPE or name.startswith(beginning)]
    if len(names) < 2:
        raise NotMeasured("it has no networks that differ in this")
    each = [(name, table[table["variant"] == name]) for name in names]
    return [(name, sites, int(sites["collapsed_from"].notna().sum())) for name, sites in each]
