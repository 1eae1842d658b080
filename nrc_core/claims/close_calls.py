"""The chance of another verdict on another machine, which depends on how close the networks are to the limit."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from nrc_core.claims.checks.observation import Observation

CLOSE = 0.05  # a verdict is a close call if the chance of another verdict is at least this
DRAWS = 4000
FEWEST = 3  # a spread needs at least this many networks


def chance_of_change(
    observation: Observation, verdict: Callable[[pd.DataFrame], str], share: float, *, draws: int = DRAWS
) -> float | None:
    """The chance that the same networks, trained on another machine, give another verdict.

    A normal random number is added to each value. The spread of the random number is the spread between the seeds of
    the group, times `share`. A network keeps its result if its value is within the limit but the network fails for
    another reason, or if its value is exactly the limit, as counts can be.

    Args:
        verdict: function from rows like the rows of the observation to the verdict.
        share: the spread between machines over the spread between seeds, see `machine_share`.
        draws: number of random draws.

    Returns:
        None if no group has enough networks to estimate a spread.

    Example:
        >>> rows = pd.DataFrame({"group": "a", "seed": range(3), "value": [1.0, 2.0, 3.0], "holds": True})
        >>> chance_of_change(Observation("noise", 9.0, False, rows), lambda rows: str(rows["holds"].all()), 0.3)
        0.0
    """
    from scipy.special import ndtr  # takes half a second to import, and few callers need it

    rows = observation.rows.reset_index(drop=True)
    values = rows["value"].astype(float)
    spreads = values.groupby(rows["group"]).transform(_spread)
    if spreads.notna().sum() == 0:
        return None
    spread = share * spreads.fillna(spreads.median()).to_numpy()
    distance = np.abs(values.to_numpy() - observation.limit)
    passes = values >= observation.limit if observation.at_least else values <= observation.limit
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.where((spread > 0) & (distance > 0), ndtr(-distance / spread), 0.0)
    chance = np.where((passes == rows["holds"]) & np.isfinite(values), np.nan_to_num(chance), 0.0)
    if not chance.any():
        return 0.0
    now = verdict(rows)
    flips, counts = np.unique(np.random.default_rng(0).random((draws, len(rows))) < chance, axis=0, return_counts=True)
    changed = [verdict(rows.assign(holds=rows["holds"] ^ flip)) != now for flip in flips]
    return float(counts[changed].sum() / draws)


def _spread(values: pd.Series) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.std()) if len(finite) >= FEWEST else np.nan
