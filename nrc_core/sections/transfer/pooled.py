"""One slope from several seeds, its interval, and the slope that so many seeds could have shown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95  # of the interval; a test at one minus it decides whether there is an effect
POWER = 0.8
MOST_SEEDS = 10_000  # an effect that needs more seeds is as good as none


@dataclass(frozen=True)
class Pooled:
    """The mean of one value for each seed, and its 95 % interval.

    Each seed is a cluster: its values are of networks with the same initial weights and the same order of the batches.
    So each seed gives one value, and the interval is the t interval of these values, with one degree of freedom less
    than there are seeds. It needs no model of what happens within a seed, and it holds for few clusters (Ibragimov and
    Müller 2010, t-statistic based correlation and heterogeneity robust inference).

    Attributes:
        values: one value for each seed.

    Example:
        >>> three = Pooled((1.0, 2.0, 3.0))
        >>> three.mean, three.spread, [round(end, 3) for end in three.interval]
        (2.0, 1.0, [-0.484, 4.484])
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the seeds: the pooled value."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float:
        """Standard deviation between the seeds; NaN for one seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean; for one seed it has no ends."""
        if len(self.values) < 2:
            return -math.inf, math.inf
        half = _t_quantile(len(self.values)) * self.spread / math.sqrt(len(self.values))
        return self.mean - half, self.mean + half

    def shows(self, effect: float) -> bool | None:
        """Whether there is an effect of this size, above 0; None if the values do not decide.

        True: the interval lies above 0, and the mean is at least the effect. False: the interval lies below the effect.

        Example:
            >>> [Pooled(values).shows(2.0) for values in [(2.9, 3.0, 3.1), (0.1, 0.0, -0.1), (0.0, 1.0, 5.0)]]
            [True, False, None]
        """
        low, high = self.interval
        if low > 0 and self.mean >= effect:
            return True
        return False if high < effect else None

    def in_words(self, unit: str = "points") -> str:
        """The mean and its interval.

        Example:
            >>> Pooled((0.0, 1.0, 5.0)).in_words(), Pooled((1.5,)).in_words()
            ('2 points (95 % interval -4.6 to 8.6, 3 seeds)', '1.5 points (1 seed, which has no interval)')
        """
        seeds, (low, high) = len(self.values), self.interval
        one = "1 seed, which has no interval"
        return (
            f"{self.mean:.2g} {unit} ({one if seeds < 2 else f'95 % interval {low:.2g} to {high:.2g}, {seeds} seeds'})"
        )

    def power(self, effect: float) -> str:
        """What so many seeds could show, and how many seeds an effect takes; empty for one seed.

        Example:
            >>> Pooled((0.0, 1.0, 5.0)).power(2.0)
            'with 3 seeds, an effect of 8.6 is shown with a probability of 80 %; an effect of 2 needs 16 seeds'
        """
        if len(self.values) < 2:
            return ""
        needed = seeds_needed(self.spread, effect)
        needs = f"more than {MOST_SEEDS:,}" if needed is None else needed
        shown = f"an effect of {detectable(self.spread, len(self.values)):.2g} is shown"
        return (
            f"with {len(self.values)} seeds, {shown} with a probability of {100 * POWER:g} %; an effect of {effect:g} "
            f"needs {needs} seeds"
        )


def slope(collapse: Sequence[float] | np.ndarray, accuracy: Sequence[float] | np.ndarray) -> float:
    """Points of accuracy that are lost where the variance halves: the least-squares slope on its binary logarithm.

    The logarithm, because the paper gives no unit: its figure shows by which share the variance falls, and the
    variances here have another level. Both sides are centred within the seed, as any line with an intercept does.

    Args:
        collapse: variances of the checkpoints of one seed, above 0.
        accuracy: their accuracies, 0 to 1.

    Returns:
        Above 0 if more collapse goes with lower accuracy; NaN if the variances are all the same.

    Example:
        >>> slope([0.1, 0.2, 0.4], [0.90, 0.92, 0.94])
        2.0
    """
    x, y = np.log2(np.asarray(collapse, dtype=float)), 100 * np.asarray(accuracy, dtype=float)
    x, y = x - x.mean(), y - y.mean()
    return round(float(x @ y / (x @ x)), 9) if np.ptp(x) > 0 else math.nan


def detectable(spread: float, seeds: int) -> float:
    """The effect that the t test of so many seeds shows with a probability of 0.8.

    It is d s / sqrt(n), with d for which the noncentral t distribution with n - 1 degrees of freedom and noncentrality
    d exceeds the 97.5 % quantile of Student's t with probability 0.8 (Cohen 1988, Statistical power analysis for the
    behavioral sciences, chapter 2). Effects on the other side do not count.

    Args:
        spread: standard deviation s between seeds.
        seeds: their number n, 2 or more.

    Example:
        >>> round(detectable(1.0, 5), 3), round(detectable(1.0, 100), 3)
        (1.682, 0.283)
    """
    from scipy.special import nctdtrinc  # imported here because it takes a second and is seldom needed

    return float(nctdtrinc(seeds - 1, 1 - POWER, _t_quantile(seeds))) * spread / math.sqrt(seeds)


def seeds_needed(spread: float, effect: float) -> int | None:
    """The least number of seeds that show an effect with a probability of 0.8; None if it is above 10,000.

    Example:
        >>> seeds_needed(1.0, 1.69), seeds_needed(1.0, 1.67), seeds_needed(1.0, 1e-6)
        (5, 6, None)
    """
    few, many = 1, MOST_SEEDS  # too few seeds, and enough of them
    if detectable(spread, many) > effect:
        return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if detectable(spread, middle) <= effect else (middle, many)
    return many


def _t_quantile(seeds: int) -> float:
    from scipy.special import stdtrit  # as in `detectable`

    return float(stdtrit(seeds - 1, (1 + CONFIDENCE) / 2))
