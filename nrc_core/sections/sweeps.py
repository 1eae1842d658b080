"""Tables with one row for each network at the end of training, for pages that compare networks."""

import pandas as pd

from nrc_core.results.criteria import last_sites, verdicts, weight_sites
from nrc_core.results.results import Results


def by_network(results: Results) -> pd.DataFrame:
    """One row for each network, at the end of training.

    Columns: `key`, `seed`, `weight_decay`, `exposure` (see `Configuration.exposure`), `width` (of the hidden layers),
    `shuffled` (whether the targets are shuffled); at the last weight site `noise` (NRC1), `alignment` (NRC3),
    `feature_effective_rank`, `feature_stable_rank` and `target_stable_rank`; `weight_stable_rank`, the mean over the
    weights between hidden layers; `train` and `test`, the shares of the target variance that are left unexplained;
    `collapsed_from`, `output_rank`, `target_rank` and `over_collapsed` as in `verdicts`.
    """
    sites = weight_sites(results.final()).sort_values("site")
    last = last_sites(results.final())
    hidden = sites[sites.groupby("key").cumcount().gt(0) & sites.groupby("key").cumcount(ascending=False).gt(0)]
    test = last_sites(results.final("test"))
    found = verdicts(results.final()).rename(columns={"unexplained": "train"})
    judged = ["seed", "train", "collapsed_from", "output_rank", "target_rank", "over_collapsed"]
    ranks = ["feature_effective_rank", "feature_stable_rank", "target_stable_rank"]
    return (
        kinds(results)
        .set_index("key")
        .join(found[judged])
        .join(last.rename(columns={"nrc1": "noise", "nrc3": "alignment"})[["noise", "alignment", *ranks]])
        .assign(
            test=test["network_mse"] / test["target_variance"],
            weight_stable_rank=hidden.groupby("key")["weight_stable_rank"].mean(),
        )
        .reset_index()
    )


def kinds(results: Results) -> pd.DataFrame:
    """Kind of each network: `key`, `weight_decay`, `exposure`, `width` of the hidden layers, `shuffled` targets."""
    runs = results.runs[["key", "weight_decay", "exposure", "width"]]
    return runs.assign(shuffled=results.runs["shuffled"].eq(True)).drop_duplicates("key")
