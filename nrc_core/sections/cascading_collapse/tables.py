"""When noise suppression sets in at every site."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from nrc_core.results.criteria import weight_sites
from nrc_core.results.results import Results
from nrc_core.sections.collapse import half_time


def noise_onsets(results: Results, limit: float) -> pd.DataFrame:
    """Regression: when noise suppression sets in at every site, for the cascade of the other paper.

    Returns:
        Columns `key, dataset, seed, site`, `final` (NRC1), `half_time` (epochs, see `half_time`, of NRC1 from its
        first measured value) and `onset`, the first measured epoch from which on NRC1 is at most `limit` (NaN: never).
    """
    rows = []
    table = results.label(weight_sites(results.history("train")), "dataset")
    for (key, site), run in table[table["site"] > 0].groupby(["key", "site"], sort=False):
        run = run.sort_values("epoch")
        values, epochs = run["nrc1"].to_numpy(), run["epoch"].to_numpy()
        above = np.flatnonzero(~(values <= limit))
        start = 0 if len(above) == 0 else above[-1] + 1
        onset = float(epochs[start]) if start < len(epochs) else math.nan
        found = {"key": key, "dataset": run["dataset"].iloc[0], "seed": int(run["seed"].iloc[0]), "site": site}
        rows.append(found | {"final": values[-1], "half_time": half_time(epochs, values), "onset": onset})
    return pd.DataFrame(rows)
