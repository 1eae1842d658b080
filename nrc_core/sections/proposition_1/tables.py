"""Bounds of the theory at measured sites, computed from stored measurements."""

import pandas as pd

from nrc_core.results.criteria import target_dimensions, weight_sites
from nrc_core.theory.bounds import reverse_bound


def site_bounds(measurements: pd.DataFrame) -> pd.DataFrame:
    """The sites that feed a weight, with the `bound` on the unpredicted share of the target variance.

    `measurements` are rows of `measure` with the `key` of each network. The rank of the targets is not known. The bound
    uses the dimension of the targets, which is the width of the output, since the rank cannot be larger. Sites with
    constant features are left out: they have no CKA and so no bound.
    """
    sites = weight_sites(measurements).reset_index(drop=True)
    dimensions = sites["key"].map(target_dimensions(measurements))
    columns = (sites["nrc2"], dimensions, sites["target_stable_rank"])
    bounds = [reverse_bound(cka, t, stable) for cka, t, stable in zip(*columns, strict=True)]
    return sites.assign(bound=bounds).dropna(subset="bound").reset_index(drop=True)
