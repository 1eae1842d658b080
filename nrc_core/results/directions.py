"""The number k* of directions to which features collapse, and the conditions at this rank."""

import pandas as pd

from nrc_core.results.criteria import target_dimensions, weight_sites
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds

CURVES = ["nrc1", "nrc2", "nrc3"]


def at_k_star(results: Results, noise_most: float | None = None) -> pd.DataFrame:
    """The conditions at rank t and at rank k*, on training data at the end: one row for each network and weight site.

    k* is the least rank at which the noise outside the top k* directions of the features is at most
    `k_star_noise_most`: NRC1(k) <= 0.005. Unlike t, it is a property of the features.

    Args:
        noise_most: another limit in place of `k_star_noise_most`.

    Returns:
        Columns `key`, `site`, `from_last` (0 for the last such site, 1 for the penultimate one, ...), `t` (target
        dimension), `k_star`, and for rank t and rank k* each of NRC1, NRC2 and NRC3: `nrc1_t`, `nrc1_k`, ... They are
        missing (NaN) at a rank for which they were not stored. `k_star` (Int64) is missing if no stored rank has so
        little noise.

    Example:
        >>> results = run(deep_nrc_mlp("synthetic", samples=100, width=8, epochs=1), store=Store(tmp))
        >>> at_k_star(results)[["site", "from_last", "t"]].tail(1).values.tolist()
        [[7, 0, 3]]
    """
    sites = weight_sites(results.final())[["key", "site"]]
    t = target_dimensions(results.final())
    curves = results.final_spectra()[["key", "site", "k", *CURVES]].merge(sites, on=["key", "site"])
    curves = curves.assign(t=curves["key"].map(t)).sort_values(["key", "site", "k"])
    noise = curves["nrc1"] > (thresholds()["k_star_noise_most"] if noise_most is None else noise_most)
    curves["k_star"] = noise.groupby([curves["key"], curves["site"]]).transform("sum") + 1
    found = sites.merge(_at(curves, "t"), how="left").merge(_at(curves, "k_star"), how="left")
    found["k_star"] = found["k_star"].astype("Int64")
    last = found.groupby("key")["site"].transform("max")
    return found.assign(t=found["key"].map(t).astype(int), from_last=last - found["site"])


def _at(curves: pd.DataFrame, rank: str) -> pd.DataFrame:
    """The rows of curves whose k is the rank in a column."""
    rows = curves[curves["k"] == curves[rank]]
    names = {name: f"{name}_{rank[0]}" for name in CURVES}
    return rows[["key", "site", rank, *CURVES]].rename(columns=names)
