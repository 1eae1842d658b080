"""Verdicts on networks: the sites where each condition holds, and their description in words."""

import dataclasses
from collections.abc import Mapping
from typing import Any

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


def last_site_rows(measurements: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last site that feeds a weight in each network, at all times that were measured."""
    sites = weight_sites(measurements)
    return sites[sites["site"] == sites.groupby("key")["site"].transform("max")]


def last_sites(measurements: pd.DataFrame) -> pd.DataFrame:
    """The last site that feeds a weight, one row for each network, indexed by key; from rows of one time and kind."""
    return last_site_rows(measurements).set_index("key")


def over_collapsed(measurements: pd.DataFrame) -> pd.Series:
    """Whether the output varies in fewer directions (99 % of its variance) than the targets, by key.

    Noise is then small because the network has lost some of the targets, so it does not count as collapse.
    """
    outputs = measurements[measurements["name"] == OUTPUT].set_index("key")
    return outputs["feature_effective_rank"] < outputs["target_effective_rank"]


def target_dimensions(measurements: pd.DataFrame) -> pd.Series:
    """The target dimension t, which is the width of the output, by key."""
    return measurements[measurements["name"] == OUTPUT].set_index("key")["width"]


def unbroken(flags: pd.DataFrame, keys: Any) -> pd.DataFrame:
    """Whether each flag is true in its row and in all later rows with the same key, or with the same list of keys.

    Example:
        >>> flags = pd.DataFrame({"nrc1": [True, False, True, True]})
        >>> unbroken(flags, pd.Series(["a", "a", "a", "b"]))["nrc1"].tolist()
        [False, False, True, True]
    """
    return flags[::-1].groupby(keys).cummin()[::-1]


def first_site(flags: pd.Series, sites: pd.Series) -> int | None:
    """The first site such that a flag is true there and at all deeper sites, or None if it is false at the last site.

    Example:
        >>> first_site(pd.Series([True, False, True, True]), pd.Series([0, 1, 2, 3]))
        2
    """
    deepest_first = flags[::-1].cummin()[::-1]
    held = sites[deepest_first.astype(bool)]
    return int(held.iloc[0]) if len(held) else None


def verdicts(measurements: pd.DataFrame) -> pd.DataFrame:
    """The sites where the conditions hold: one row for each network, from rows of one epoch, split and kind.

    Returns:
        The index is `key`. The column of a condition, such as `nrc1`, has the first site such that the condition holds
        at this site and at every deeper site that feeds a weight. It is missing if the condition fails at the last such
        site. `collapsed_from` is the same for all four conditions together, but missing if the network is
        over-collapsed, which does not count as collapse. `last_site` is the last such site. `deep` says whether
        `collapsed_from` is below the last site. `unexplained` is `network_mse` as a share of the target variance (NaN
        for constant targets). `over_collapsed` is as in the function of this name: `output_rank` is less than
        `target_rank`. The other column is `seed`.
    """
    sites, last = weight_sites(measurements).sort_values("site", ignore_index=True), last_sites(measurements)
    flags = holds(sites)
    held = unbroken(flags.assign(collapsed_from=flags.all(axis=1)), sites["key"])
    first = held.apply(lambda one: sites["site"].where(one)).groupby(sites["key"]).min().astype("Int64")
    variance = last["target_variance"]
    outputs = measurements[measurements["name"] == OUTPUT].set_index("key")
    found, over = last[["seed", "network_mse"]].join(first), over_collapsed(measurements)
    found["collapsed_from"] = found["collapsed_from"].mask(over)
    return found.assign(
        last_site=last["site"],
        deep=(found["collapsed_from"] < last["site"]).fillna(False).astype(bool),
        unexplained=last["network_mse"] / variance.where(variance > 0),
        output_rank=outputs["feature_effective_rank"].astype(int),
        target_rank=last["target_effective_rank"].astype(int),
        over_collapsed=over,
    )


def summary(results: Results) -> pd.DataFrame:
    """The table of a page, one row for each network: the sites where each condition holds, and the errors."""
    found = verdicts(results.final())
    shown = {name: name.upper() for name in CONDITIONS} | {"collapsed_from": "all four"}
    to_last = " to " + found["last_site"].astype(str)
    sites = found[list(shown)].apply(lambda first: (first.astype(str) + to_last).where(first.notna(), "no"))
    errors = {"train MSE": found["network_mse"], "test MSE": last_sites(results.final("test"))["network_mse"]}
    over = found["over_collapsed"].map({True: "yes", False: "no"})
    return sites.rename(columns=shown).assign(**errors, **{"over-collapsed": over}).set_index(found["seed"])


def words(results: Results) -> str:
    """Interpretation of a page's results, in Markdown; every number comes from the results."""
    found, test = verdicts(results.final()), last_sites(results.final("test"))["network_mse"]
    error = test / last_sites(results.final())["target_variance"]
    verb = "network leaves" if len(found) == 1 else "networks leave"
    errors = (
        f"* The {verb} {span(found['unexplained'], share)} of the variance of the training targets "
        f"unexplained, and an error of {span(error, '{:.3g}'.format)} "
        "on test data (in units of the training variance)."
    )
    lines = verdict_lines(found, errors, _comparison(results, int(found["last_site"].iloc[0])))
    return "\n".join([*lines, *_few_rows(results)])


def verdict_lines(found: pd.DataFrame, errors: str, *more: str) -> list[str]:
    """Lines of a report on networks in a fixed order, with the line on errors and other lines in their places."""
    return [*_conditions(found), errors, *_over_collapse(found), *more, _outlook(found), *_unlearned(found)]


def _conditions(found: pd.DataFrame) -> list[str]:
    """Lines that say where each condition holds, and where all four hold together."""
    firsts = {f"{CONDITIONS[name]}, {asked}": found[name] for name, asked in rules().items()}
    firsts["**All four together**"] = found["collapsed_from"]
    last = int(found["last_site"].iloc[0])
    return [f"* {what}: {_where(sites, last)}." for what, sites in firsts.items()]


def _where(firsts: pd.Series, last: int) -> str:
    """Words for the sites where a condition holds, from the first site in each network and the last site."""
    held = firsts.dropna()
    if held.empty:
        return "**does not hold** at the last site" + (f" of any of {len(firsts)} networks" if len(firsts) > 1 else "")
    where = f"from site {either([held.min(), held.max()])} to the last ({last})"
    if held.min() == last:
        where = f"at the last site ({last}) only"
    return f"holds {where}" if len(firsts) == 1 else f"holds {where} in {len(held)} of {len(firsts)} networks"


def _over_collapse(found: pd.DataFrame) -> list[str]:
    """A line with the number of networks that over-collapse; no line if there are none."""
    over = found[found["over_collapsed"]]
    if over.empty:
        return []
    return [
        f"* **Over-collapse** in {len(over)} of {counted(len(found), 'network')}: 99 % of the output's variance lies "
        f"in {span(over['output_rank'], str)}, of the targets' in {over['target_rank'].iloc[0]} directions. "
        "Little noise is then no sign of having learned all of the targets, so this does not count as collapse."
    ]


def _unlearned(found: pd.DataFrame) -> list[str]:
    """A line with the number of networks that predict little but the mean of the targets; no line if there are none."""
    blind = (found["unexplained"] >= thresholds()["nothing_learned_least"]).sum()
    if not blind:
        return []
    verb = "predicts" if blind == 1 else "predict"
    return [
        f"* **Doubt**: {blind} of {counted(len(found), 'network')} {verb} little but the mean of the targets. "
        "A linear map of any features does so too, so NRC4 says nothing there."
    ]


def _outlook(found: pd.DataFrame) -> str:
    """A line that says whether the networks are collapsed below the last layer."""
    if found["deep"].all():
        return "* So Deep NRC as the paper describes it, below the last layer, **appears in every network here**."
    if found["deep"].any():
        deep = f"{found['deep'].sum()} of {len(found)} networks"
        return f"* So Deep NRC below the last layer **appears in {deep} here**."
    last = found["last_site"].iloc[0]
    failing = [label for name, label in CONDITIONS.items() if (found[name].fillna(last) == last).all()]
    reason = f"; what fails below it: {', '.join(failing)}" if failing else ""
    return f"* So Deep NRC below the last layer, all four conditions together, **does not appear here**{reason}."


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
