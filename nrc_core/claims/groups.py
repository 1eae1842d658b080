"""The networks of an observation by group, such as a data set, and their numbers in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from nrc_core.claims.checks.observation import Observation
from nrc_core.results.phrases import apart


@dataclass(frozen=True)
class Group:
    """The networks of one data set (or width, or split): in how many of them the claim holds, and their values.

    Attributes:
        shares: for each network, the share of its sites that meet the condition by which the worst site is judged; NaN
            if the value is not that of the worst site.
        seeds: number of different seeds.
    """

    name: str
    networks: int
    held: int
    values: tuple[float, ...]
    shares: tuple[float, ...] = ()
    seeds: int = 1

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % interval (Clopper and Pearson) of the share of networks in which the claim holds."""
        from scipy.stats import binomtest  # imported here because it takes a second and is seldom needed

        share = binomtest(self.held, self.networks).proportion_ci(0.95, method="exact")
        return float(share.low), float(share.high)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a value that is not finite is None. Shares are left out if there are none."""
        plain = {name: getattr(self, name) for name in ("name", "networks", "held", "interval", "seeds")}
        lists = {"values": _plain(self.values), "shares": _plain(self.shares)}
        return plain | {name: some for name, some in lists.items() if name == "values" or set(some) - {None}}


def groups_of(observation: Observation | None) -> tuple[Group, ...]:
    """The numbers of an observation by group, in the order of its rows; none without an observation."""
    if observation is None:
        return ()
    return tuple(
        Group(
            str(name),
            len(own),
            int(own["holds"].sum()),
            tuple(map(float, own["value"])),
            tuple(map(float, own["share"])) if "share" in own else (),
            own["seed"].nunique(),
        )
        for name, own in observation.rows.groupby("group", sort=False)
    )


def numbers(values: Sequence[float | None], limit: float = math.nan, digits: int = 2) -> str:
    """The median and the range of some numbers without None and NaN, each on its own side of a limit, if there is one.

    Example:
        >>> numbers([1.0, 3.0, 2.0]), numbers([0.8988, 0.95, 0.97], 0.9), numbers([None])
        ('2 (1 to 3)', '0.95 (0.899 to 0.97)', 'none')
    """
    known = [value + 0.0 for value in values if value is not None and not math.isnan(value)]  # no -0
    if not known:
        return "none"
    low, middle, high = (
        apart(float(f"{value:.12g}"), float(limit), digits) for value in (min(known), median(known), max(known))
    )
    return middle if low == high else f"{middle} ({low} to {high})"


def _plain(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
