"""When noise suppression sets in at every site."""

from __future__ import annotations

import pandas as pd

from nrc_core.results.criteria import first_site, weight_sites
from nrc_core.results.results import Results
from nrc_core.sections.collapse import courses, half_time


def noise_onsets(results: Results, limit: float) -> pd.DataFrame:
    """Epochs at which noise suppression sets in at every site of regression networks, to compare with the cascade.

    Returns:
        Columns `key, dataset, seed, site`, `final` (NRC1 at the end), `half_time` (epochs until NRC1 has fallen half of
        the way from its first measured value, see the function `half_time`) and `onset`, the first measured epoch from
        which on NRC1 is at most `limit` (NaN: never).
    """
    table = results.label(weight_sites(results.history("train")), "dataset")
    rows = [
        labels
        | {"final": values[-1], "half_time": half_time(epochs, values)}
        | {"onset": first_site(pd.Series(values <= limit), pd.Series(epochs))}
        for labels, epochs, values in courses(
            table[table["site"] > 0], ["key", "dataset", "seed", "site"], clock="epoch", value="nrc1"
        )
    ]
    return pd.DataFrame(rows).astype({"onset": float})
