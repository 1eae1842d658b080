"""Verdicts on networks: the sites where each condition holds, and their description in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from nrc_core.config.base import OUTPUT
from nrc_core.metrics.doubts import of_rows
from nrc_core.results.phrases import counted, either, plural, share, span
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds

CONDITIONS = {
    "nrc1": "Noise suppression (NRC1)",
    "nrc2": "Signal-target alignment (NRC2)",
    "nrc3": "Feature-weight alignment (NRC3)",
    "nrc4": "Linear predictability (NRC4)",
}


def rules() -> dict[str, str]:
    """The requirement of each condition, in words."""
    limits = thresholds()
    return {
        "nrc1": f"noise at most {limits['noise_most']:g}",
        "nrc2": f"projected CKA at least {limits['alignment_least']:g}",
        "nrc3": f"mean cosine at least {limits['alignment_least']:g}",
        "nrc4": f"error at most {limits['error_factor']:g} times the network's, "
        f"plus {limits['error_share']:.0%} of the variance",
    }


@dataclass(frozen=True)
class Verdict:
    """The sites where the conditions hold in one network.

    `first_site[c]` is the first site such that condition c holds at this site and at every deeper site that
    feeds a weight, or None if c fails at the last such site. `collapsed_from` is the same for all four conditions
    together.
    """

    key: str
    seed: int
    first_site: dict[str, int | None]
    collapsed_from: int | None
    last_site: int
    network_mse: float
    unexplained: float
    output_rank: int
    target_rank: int

    @property
    def over_collapsed(self) -> bool:
        """Whether the output varies in fewer directions (99 % of its variance) than the targets."""
        return self.output_rank < self.target_rank


def holds(site: pd.DataFrame, limits: Mapping[str, float] | None = None) -> pd.DataFrame:
    """One boolean column for each condition, which says whether it holds, for rows of `measure`.

    Args:
        limits: thresholds by name; those of `thresholds` unless given.
    """
    limits = thresholds() if limits is None else limits
    return pd.DataFrame(
        {
            "nrc1": site["nrc1"] <= limits["noise_most"],
            "nrc2": site["nrc2"] >= limits["alignment_least"],
            "nrc3": site["nrc3"] >= limits["alignment_least"],
            "nrc4": site["nrc4"] <= error_most(site, limits),
        }
    )


def error_most(site: pd.DataFrame, limits: Mapping[str, float]) -> pd.Series:
    """The largest NRC4 that counts as linear predictability."""
    return limits["error_factor"] * site["network_mse"] + limits["error_share"] * site["target_variance"]


def weight_sites(measurements: pd.DataFrame) -> pd.DataFrame:
    """The rows of sites that feed a weight: all except the output, where NRC1 is zero by definition."""
    return measurements[measurements["name"] != OUTPUT]


def is_inner(names: pd.Series) -> pd.Series:
    """Whether each site, given by name, is inside a residual block: its input comes from the block's first layer.

    All other sites of a ResNet are on the residual stream, to which every block adds its output.

    Example:
        >>> is_inner(pd.Series(["layer1.0.conv1", "layer1.0.conv2", "fc", "layers.2"])).tolist()
        [False, True, False, False]
    """
    return names.str.endswith(".conv2")


def residual_stream(results: Results) -> Results:
    """The results without the sites inside residual blocks; the other sites keep their numbers."""
    m = results.measurements
    kept = m[~is_inner(m["name"])].reset_index(drop=True)
    return dataclasses.replace(results, measurements=kept)


def last_sites(measurements: pd.DataFrame) -> pd.DataFrame:
    """The last site that feeds a weight, one row for each network, indexed by key.

    `groupby().last()` is not used: at a NaN, as for features that vanish, it would take the value of an earlier site.
    """
    sites = weight_sites(measurements).reset_index(drop=True)
    return sites.loc[sites.groupby("key", sort=False)["site"].idxmax()].set_index("key")


def target_dimensions(measurements: pd.DataFrame) -> pd.Series:
    """The target dimension t, which is the width of the output, by key."""
    return measurements[measurements["name"] == OUTPUT].set_index("key")["width"]


def first_site(flags: pd.Series, sites: pd.Series) -> int | None:
    """The first site such that a flag is true there and at all deeper sites, or None if it is false at the last site.

    Example:
        >>> first_site(pd.Series([True, False, True, True]), pd.Series([0, 1, 2, 3]))
        2
    """
    deepest_first = flags[::-1].cummin()[::-1]
    held = sites[deepest_first.astype(bool)]
    return int(held.iloc[0]) if len(held) else None


def verdicts(table: pd.DataFrame, limits: Mapping[str, float] | None = None) -> list[Verdict]:
    """One verdict for each run, from measurements of one epoch, split and kind of features."""
    result = []
    outputs = table[table["name"] == OUTPUT].set_index("key")
    for key, rows in weight_sites(table).groupby("key", sort=False):
        rows = rows.sort_values("site")
        flags = holds(rows, limits)
        last = rows.iloc[-1]
        error, variance = float(last["network_mse"]), float(last["target_variance"])
        result.append(
            Verdict(
                key=str(key),
                seed=int(last["seed"]),
                first_site={name: first_site(flags[name], rows["site"]) for name in CONDITIONS},
                collapsed_from=first_site(flags.all(axis=1), rows["site"]),
                last_site=int(last["site"]),
                network_mse=error,
                unexplained=error / variance if variance > 0 else math.nan,
                output_rank=int(outputs.loc[key, "feature_effective_rank"]),
                target_rank=int(last["target_effective_rank"]),
            )
        )
    return result


def summary(results: Results) -> pd.DataFrame:
    """The table of a page, one row for each network: the sites where each condition holds, and the errors."""
    test = _test_errors(results)
    rows = [
        {
            "seed": verdict.seed,
            **{name.upper(): _from(verdict.first_site[name], verdict.last_site) for name in CONDITIONS},
            "all four": _from(verdict.collapsed_from, verdict.last_site),
            "train MSE": verdict.network_mse,
            "test MSE": test[verdict.key],
            "over-collapsed": "yes" if verdict.over_collapsed else "no",
        }
        for verdict in verdicts(results.final())
    ]
    return pd.DataFrame(rows).set_index("seed")


def _from(site: int | None, last: int) -> str:
    return "no" if site is None else f"{site} to {last}"


def _test_errors(results: Results) -> pd.Series:
    return results.final("test").groupby("key")["network_mse"].first()


def words(results: Results) -> str:
    """Interpretation of a page's results, in Markdown; every number comes from the results."""
    found = verdicts(results.final())
    verb = "network leaves" if len(found) == 1 else "networks leave"
    lines = [
        *condition_lines(found),
        f"* The {verb} {span([v.unexplained for v in found], share)} of the variance of the training targets "
        f"unexplained, and an error of {span(_test_errors(results), '{:.3g}'.format)} "
        "on test data (in units of the training variance).",
        *over_collapse_lines(found),
        _comparison(results, found[0].last_site),
        outlook(found),
        *unlearned_lines(found),
        *_few_rows(results),
    ]
    return "\n".join(lines)


def condition_lines(found: list[Verdict]) -> list[str]:
    """Lines that say where each condition holds, and where all four hold together."""
    firsts = {f"{CONDITIONS[name]}, {asked}": [v.first_site[name] for v in found] for name, asked in rules().items()}
    firsts["**All four together**"] = [v.collapsed_from for v in found]
    return [f"* {what}: {_where(sites, found[0].last_site)}." for what, sites in firsts.items()]


def _where(firsts: list[int | None], last: int) -> str:
    """Words for the sites where a condition holds, from the first site in each network and the last site."""
    held = [site for site in firsts if site is not None]
    if not held:
        return "**does not hold** at the last site" + (f" of any of {len(firsts)} networks" if len(firsts) > 1 else "")
    where = f"from site {either([min(held), max(held)])} to the last ({last})"
    if min(held) == last:
        where = f"at the last site ({last}) only"
    return f"holds {where}" if len(firsts) == 1 else f"holds {where} in {len(held)} of {len(firsts)} networks"


def over_collapse_lines(found: list[Verdict]) -> list[str]:
    """A line with the number of networks that over-collapse; no line if there are none."""
    if not (over := [v for v in found if v.over_collapsed]):
        return []
    return [
        f"* **Over-collapse** in {len(over)} of {counted(len(found), 'network')}: 99 % of the output's variance lies "
        f"in {span([v.output_rank for v in over], str)}, of the targets' in {over[0].target_rank} directions. "
        "A noise of zero is then no sign of having learned all of the targets."
    ]


def unlearned_lines(found: list[Verdict]) -> list[str]:
    """A line with the number of networks that predict little but the mean of the targets; no line if there are none."""
    least = thresholds()["nothing_learned_least"]
    if not (blind := [v for v in found if v.unexplained >= least]):
        return []
    verb = "predicts" if len(blind) == 1 else "predict"
    return [
        f"* **Doubt**: {len(blind)} of {counted(len(found), 'network')} {verb} little but the mean of the targets. "
        "A linear map of any features does so too, so NRC4 says nothing there."
    ]


def _few_rows(results: Results) -> list[str]:
    """Lines for sites with so few training rows that conditions hold for any features; no line if there are none."""
    table = weight_sites(results.final())
    where: dict[str, set[int]] = {}
    for row in table.itertuples():
        rows = results.provenance[row.key]["data"]["n_train"]
        for doubt in of_rows(int(rows), int(row.width), int(row.rank)):
            where.setdefault(doubt, set()).add(int(row.site))
    return [
        f"* **Doubt** at {plural(len(sites), 'site')} {', '.join(map(str, sorted(sites)))}: {doubt}."
        for doubt, sites in where.items()
    ]


def _comparison(results: Results, site: int) -> str:
    """A line with the noise at the last weight site: after the activation, before it if measured, and on test data."""
    places = {
        ("train", "post"): "after the activation",
        ("train", "pre"): "before it",
        ("test", "post"): "on test data",
    }
    found = []
    for place, where in places.items():
        table = results.final(*place)
        if len(table):
            found.append(f"{span(table.loc[table['site'] == site, 'nrc1'], '{:.2g}'.format)} {where}")
    return f"* Noise at the last site, {site}: {', '.join(found)}."


def outlook(found: list[Verdict]) -> str:
    """A line that says whether the networks are collapsed below the last layer."""
    deep = [v for v in found if v.collapsed_from is not None and v.collapsed_from < v.last_site]
    if len(deep) == len(found):
        return "* So Deep NRC as the paper describes it, below the last layer, **appears in every network here**."
    if deep:
        return f"* So Deep NRC below the last layer **appears in {len(deep)} of {len(found)} networks here**."
    shallow = (None, found[0].last_site)
    failing = [label for name, label in CONDITIONS.items() if all(v.first_site[name] in shallow for v in found)]
    reason = f"; what fails below it: {', '.join(failing)}" if failing else ""
    return f"* So Deep NRC below the last layer, all four conditions together, **does not appear here**{reason}."
