"""When each layer of a classifier collapses, and when noise suppression sets in at every site."""

import pandas as pd

from nrc_core.results.criteria import over_collapsed, unbroken, weight_sites
from nrc_core.results.results import Results
from nrc_core.sections.collapse import MEANS, falls, half_times


def both_half_times(results: Results) -> pd.DataFrame:
    """The `half_times` of every layer, around the class means of the final network and around those of the moment.

    Returns:
        Columns `weight_decay, seed, layer`, and `first`, `final` and `half_time` for each of `MEANS`, for example
        `half_time (moment)`.
    """
    labels = ["key", "weight_decay", "seed", "layer"]
    each = [
        half_times(results, means).set_index(labels)[["first", "final", "half_time"]].add_suffix(f" ({means})")
        for means in MEANS
    ]
    return pd.concat(each, axis=1).reset_index().drop(columns="key")


def noise_onsets(results: Results, limit: float) -> pd.DataFrame:
    """Epochs at which noise suppression sets in at every site of regression networks, to compare with the cascade.

    Returns:
        Columns `key, dataset, seed, site`, `final` (NRC1 at the end), `half_time` (epochs until NRC1 has fallen half of
        the way from its first measured value, see `falls`), `onset`, the first measured epoch from which on NRC1 is at
        most `limit` (NaN: never), and `over_collapsed` (whether NRC1 is small because targets were lost).
    """
    labels = ["key", "dataset", "seed", "site"]
    table = results.label(weight_sites(results.history("train")), "dataset")
    table = table[table["site"] > 0]
    in_time = table.sort_values("epoch")
    held = unbroken(in_time[["nrc1"]] <= limit, [in_time[label] for label in labels])["nrc1"]
    onset = in_time[held].groupby(labels)["epoch"].min().astype(float).rename("onset")
    found = falls(table, labels, clock="epoch", value="nrc1").drop(columns="first").join(onset, on=labels)
    return found.assign(over_collapsed=found["key"].map(over_collapsed(results.final())).astype(bool))
