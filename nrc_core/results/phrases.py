"""Numbers in words, and tables in Markdown, for pages and messages."""

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, stdev
from typing import Any


def plural(number: int, noun: str) -> str:
    """A noun, in the plural unless the number is 1.

    Example:
        >>> plural(1, "site"), plural(0, "site")
        ('site', 'sites')
    """
    return noun if number == 1 else f"{noun}s"


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    Example:
        >>> counted(1, "network"), counted(3, "network")
        ('1 network', '3 networks')
    """
    return f"{number} {plural(number, noun)}"


def span(values: Iterable[Any], write: Callable[[Any], str], between: str = " to ") -> str:
    """The smallest and the largest value, or only one if both have the same text.

    Example:
        >>> span([3, 1, 2], str), span([3, 1, 2], str, "-"), span([0.101, 0.102], "{:.1f}".format)
        ('1 to 3', '1-3', '0.1')
    """
    low, high = (write(pick(values)) for pick in (min, max))
    return low if low == high else f"{low}{between}{high}"


def either(values: Iterable[Any]) -> str:
    """The different values, in order of their first appearance, joined by commas and "or".

    Example:
        >>> either([5e-4, 5e-4, 0.0]), either(["random"]), either([1, 2, 200_000])
        ('0.0005 or 0', 'random', '1, 2 or 200,000')
    """
    *others, last = dict.fromkeys(_written(value) for value in values)
    return f"{', '.join(others)} or {last}" if others else last


def share(value: float) -> str:
    """A share in per cent, with three significant digits.

    Example:
        >>> share(0.0004), share(0.1234), share(1.0)
        ('0.04%', '12.3%', '100%')
    """
    return f"{100 * value:.3g}%"


def with_spread(values: Iterable[float], digits: str, spread: str | None = None) -> str:
    """The mean of some values and, if there are several, their standard deviation. Missing values do not count.

    Args:
        digits: how the mean is written, as in a format string.
        spread: the same for the standard deviation; as the mean unless given.

    Example:
        >>> with_spread([1.0, 2.0], ".2f"), with_spread([1.0, math.nan], ".2f")
        ('1.50 ± 0.71', '1.00')
    """
    known = [value for value in values if not math.isnan(value)]
    mean = f"{fmean(known) if known else math.nan:{digits}}"
    return mean if len(known) < 2 else f"{mean} ± {stdev(known):{spread or digits}}"


def apart(value: float, limit: float, digits: int = 2) -> str:
    """A value with enough significant digits to be on the same side of a limit as the value itself.

    Args:
        value: the number that is written.
        limit: the number with which readers compare it.
        digits: significant digits, unless more are needed.

    Example:
        >>> apart(0.8988, 0.9), apart(0.5234, 0.9), apart(0.9, 0.9), apart(0.05004, 0.05)
        ('0.899', '0.52', '0.9', '0.05004')
    """
    texts = [f"{value:.{more}g}" for more in range(digits, 18)]
    if not (math.isfinite(value) and math.isfinite(limit)):
        return texts[0]
    return next(text for text in texts if _side(float(text), limit) == _side(value, limit))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: int = 0) -> str:
    """A table with a head and rows; the last `right` columns are aligned to the right.

    Example:
        >>> print(markdown_table(["site", "noise"], [[1, 0.5]], right=1))
        | site | noise |
        |---|---:|
        | 1 | 0.5 |
    """
    aligned = "".join("|---" if place < len(head) - right else "|---:" for place in range(len(head)))
    lines = [f"| {' | '.join(map(str, cells))} |" for cells in (head, *rows)]
    return "\n".join([lines[0], f"{aligned}|", *lines[1:]])


def _side(value: float, limit: float) -> int:
    """1 above the limit, -1 below it, 0 at the limit."""
    return (value > limit) - (value < limit)


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:g}" if value < 1e5 else f"{value:,.0f}"
