"""Checks of what collapse says about a task: the rank of its targets, a linear teacher, the depth that it needs."""

from typing import Any

import pandas as pd

from nrc_core.claims.checks.observation import Evidence, Found, Items, Limits, Value, check
from nrc_core.claims.checks.subjects import each_row, final_sites, genuine, kept, parts
from nrc_core.results.criteria import first_site, last_sites, over_collapsed
from nrc_core.results.directions import at_k_star
from nrc_core.results.results import Results

KEEPS = "a collapsed last layer that keeps all targets"
SEVERAL = "networks of several depths that collapse and keep all targets"


def _ends(results: Results, limits: Limits) -> pd.DataFrame:
    """The last weight site of every network at the end of training, with k* and whether the network over-collapses."""
    final = results.final()
    stars = at_k_star(results, limits["k_star_noise_most"])
    stars = stars[stars["from_last"] == 0].set_index("key")[["k_star", "t"]]
    ends = last_sites(final).join(stars).assign(over_collapsed=over_collapsed(final)).reset_index()
    return results.label(ends, "dataset")


def _networks_once(evidence: Evidence, limits: Limits) -> Items:
    """Yield the row of `_ends` of each network once, also of a network that several pages have."""
    rows = pd.concat([_ends(results, limits) for results in evidence.values()]).drop_duplicates("key")
    yield from each_row(rows, group=lambda row: f"{row['dataset']}, {row['t']} targets, {row['width']} wide")


@check(limit=1.0, over=_networks_once, reads="spectra", needs=KEEPS)
def rank_estimate(row: dict[str, Any], limits: Limits) -> Found | None:
    """Directions k* of the last features over the rank of the targets (they must be equal).

    k* is the number of directions that hold all but a share `k_star_noise_most` of the variance. The rank of the
    targets is the number of directions that hold 99 % of their variance. A network says nothing if its last layer is
    not collapsed by NRC1, or if it over-collapses.
    """
    if row["nrc1"] > limits["noise_most"] or row["over_collapsed"] or pd.isna(row["k_star"]):
        return None
    ratio = row["k_star"] / row["target_effective_rank"]
    return ratio, ratio >= 1


def _sites(results: Results) -> pd.DataFrame:
    """The `final_sites` with what the networks differ in.

    More columns: `units` (width of the network), `depth`, `bias`, `init_scale`, `teacher`, and `data` (the data set
    with its options, as text).
    """
    runs, options = results.runs.rename(columns={"width": "units"}), results.runs["dataset_options"]
    teachers = [one.get("teacher", "") for one in options]
    runs = runs.assign(data=runs["dataset"] + " " + options.map(str), teacher=teachers)
    fields = ["key", "data", "teacher", "units", "depth", "bias", "init_scale"]
    return final_sites(results).merge(runs[fields], on="key")


@kept
def _linear_teachers(results: Results, bias: bool) -> Items:
    """Yield the weight sites of every network on targets that are linear in the inputs, with or without biases."""
    sites = _sites(results)
    chosen = sites[(sites["teacher"] == "linear") & (sites["bias"] == bias)]
    group = "with biases" if bias else "without biases"
    yield from parts(chosen, group=lambda row: f"{row['dataset']}, {group}", order="site")


@check(limit=1.0, over=_linear_teachers, at_least=True)
def linear_teacher_collapses(rows: pd.DataFrame, limits: Limits) -> Value:
    """Sites before the last with all four conditions, unbroken to the last (none in an over-collapsed network)."""
    first = first_site(genuine(rows, limits).all(axis=1), rows["site"])
    return 0 if first is None else int(rows["site"].iloc[-1]) - first


@kept
def _depths(results: Results) -> Items:
    """Yield the weight sites of networks that differ in depth alone, if there are several depths."""
    alike = ["data", "units", "bias", "init_scale", "weight_decay", "seed"]
    for network, rows in parts(_sites(results), alike, order="site"):
        several = [own for _, own in rows.groupby("depth")]
        if len(several) > 1:
            yield network, several


@check(limit="depth_growth_most", over=_depths, needs=SEVERAL)
def collapse_needs_no_more_layers(networks: list[pd.DataFrame], limits: Limits) -> Value | None:
    """Layers before the first collapsed one that each additional layer adds, from the least to the largest depth.

    Layers are collapsed by NRC1, from the first collapsed one to the last. Networks that do not collapse, or
    over-collapse, are left out.
    """
    firsts = {}
    for rows in networks:
        first = first_site(genuine(rows, limits)["nrc1"], rows["site"])
        if first is not None:
            firsts[int(rows["depth"].iloc[0])] = first
    if len(firsts) < 2:
        return None
    least, most = min(firsts), max(firsts)
    return (firsts[most] - firsts[least]) / (most - least)


@kept
def _decays(results: Results) -> Items:
    """Yield for every seed the weight sites of its networks, if there are several weight decays."""
    for network, rows in parts(_sites(results), ["dataset", "seed"], order="site"):
        several = [own for _, own in rows.groupby("weight_decay")]
        if len(several) > 1:
            yield network, several


@check(limit=1.0, over=_decays, at_least=True, needs="a network with low loss that shows all four conditions")
def lowest_rank_is_collapsed(networks: list[pd.DataFrame], limits: Limits) -> Value | None:
    """Sites with all four conditions in the network of lowest weight rank, among those of low training loss.

    The rank is the mean stable rank of the weights. Training loss is low at no more than `loss_factor` times the lowest
    of all weight decays. Over-collapsed networks have no site that counts.
    """
    most = limits["loss_factor"] * min(rows["network_mse"].iloc[0] for rows in networks)
    low = [rows for rows in networks if rows["network_mse"].iloc[0] <= most]
    counts = [int(genuine(rows, limits).all(axis=1).sum()) for rows in low]
    ranks = [rows["weight_stable_rank"].mean() for rows in low]
    return counts[ranks.index(min(ranks))] if any(counts) else None
