"""The table of weight decays."""

import pandas as pd

from nrc_core.results.results import Results
from nrc_core.sections.sweeps import by_network


def by_weight_decay(results: Results) -> pd.DataFrame:
    """One row for each weight decay: medians over its networks, and ranges in brackets if there are several networks.

    *exposure* is how often decay alone would shrink a weight that no gradient holds, see `Configuration.exposure`.
    *All four from* is the first site such that all four conditions hold from there to the last site. *noise* and
    *NRC3* are at the last weight site. *train* and *test* are the shares of the target variance that are left
    unexplained.
    """
    columns = {
        "exposure": ("exposure", "median"),
        "networks": ("key", "size"),
        "all four from": ("collapsed_from", _first),
        "noise": ("noise", "median"),
        "NRC3": ("alignment", "median"),
        "stable rank of weights": ("weight_stable_rank", "mean"),
        "train": ("train", _spread),
        "test": ("test", _spread),
        "over-collapsed": ("over_collapsed", "sum"),
    }
    return by_network(results).groupby("weight_decay").agg(**columns).rename_axis("weight decay")


def _first(sites: pd.Series) -> str:
    held = sites.dropna().astype(int)
    if held.empty:
        return "no"
    first = f"{held.min()}" if held.min() == held.max() else f"{held.min()} or {held.max()}"
    return first if len(held) == len(sites) else f"{first} ({len(held)} of {len(sites)})"


def _spread(values: pd.Series) -> str:
    middle = f"{values.median():.3g}"
    return middle if len(values) == 1 else f"{middle} ({values.min():.3g} to {values.max():.3g})"
