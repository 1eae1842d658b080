"""Report on a table of `measure`, in words and as a figure, as on the pages of the book."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from nrc_core.config.base import OUTPUT
from nrc_core.errors import ConfigError
from nrc_core.results.criteria import verdict_lines, verdicts
from nrc_core.results.phrases import share

if TYPE_CHECKING:
    from nrc_core.sections.canvas import Picture

NEEDED = (
    "site", "name", "nrc1", "nrc2", "nrc3", "nrc4", "network_mse", "target_variance", "feature_effective_rank",
    "target_effective_rank", "convention", "features", "doubts",
)  # fmt: skip
KINDS = {"post": "", "pre": ", before the activation", "positions": ", each position a sample"}


def report(table: pd.DataFrame) -> str:
    """Report on one network in Markdown: the sites at which each condition holds, and reasons for doubt.

    Each condition is compared with its threshold, as on the pages of the book, from the last site that feeds a weight
    to the earlier sites. Print the report, or show it in a notebook with `IPython.display.Markdown`.

    Args:
        table: result of `measure` by the careful definitions.

    Raises:
        ConfigError: `table` is not such a result.

    Example:
        >>> x = torch.randn(50, 3)
        >>> print(report(measure(nn.Linear(3, 1), x, x[:, :1])).splitlines()[0])
        * Noise suppression (NRC1), noise at most 0.05: **does not hold** at the last site.
    """
    found = _verdict(table)
    return "\n".join([*verdict_lines(found, _error(found.iloc[0])), _site_names(table), *_doubts(table)])


def plot(table: pd.DataFrame) -> Picture:
    """Plot the four conditions by site, in the layout of the book.

    A notebook shows the plot; its attributes `svg` and `png` are its content as files.

    Args:
        table: result of `measure` by the careful definitions.

    Raises:
        ConfigError: `table` is not such a result, or seaborn is not installed.

    Example:
        >>> x = torch.randn(50, 3)
        >>> picture = plot(measure(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)), x, x[:, :1]))
        >>> (tmp / "conditions.svg").write_text(picture.svg) > 0
        True
    """
    _verdict(table)
    try:
        from nrc_core.sections import network_figures
    except ModuleNotFoundError as error:
        raise ConfigError(f"a plot needs {error.name}, which is not installed: pip install seaborn") from None
    return network_figures.measured(table)


def _verdict(table: pd.DataFrame) -> pd.DataFrame:
    """The result of `verdicts` for the table of one call of `measure`, which is checked first."""
    if lacking := [name for name in NEEDED if name not in table]:
        raise ConfigError(f"this takes the table of one call of measure: got one without {', '.join(lacking)}")
    if len(table) < 2 or list(table["site"]) != list(range(len(table))) or table["name"].iloc[-1] != OUTPUT:
        raise ConfigError(
            "this takes all rows of one call of measure in their order: some are missing, or others there"
        )
    if (other := table["convention"].iloc[0]) != "careful":
        raise ConfigError(f"the thresholds are for the careful definitions: got those of {other!r}, measure without it")
    return verdicts(table.assign(key="", seed=0))


def _error(found: pd.Series) -> str:
    if math.isnan(found["unexplained"]):
        return f"* The targets are constant, so there is nothing to explain; the error is {found['network_mse']:.3g}."
    return (
        f"* The network leaves {share(found['unexplained'])} of the variance of the targets unexplained, an error of "
        f"{found['network_mse']:.3g}."
    )


def _site_names(table: pd.DataFrame) -> str:
    each = zip(table["site"][:-1], table["name"][:-1], strict=True)
    names = ", ".join(f"{site} `{name}`" if name else f"{site} (the network itself)" for site, name in each)
    return f"* Sites by the layer that they feed{KINDS[table['features'].iloc[0]]}: {names}."


def _doubts(table: pd.DataFrame) -> list[str]:
    """Each doubt with the sites at which it applies."""
    where: dict[str, list[str]] = {}
    for site, name, words in zip(table["site"], table["name"], table["doubts"], strict=True):
        for doubt in words.split("; ") if words else []:
            where.setdefault(doubt, []).append(OUTPUT if name == OUTPUT else str(site))
    places = {doubt: "everywhere" if len(at) == len(table) else f"at {', '.join(at)}" for doubt, at in where.items()}
    return [f"* **Doubt** {place}: {doubt}." for doubt, place in places.items()]
