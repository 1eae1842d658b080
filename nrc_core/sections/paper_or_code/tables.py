"""The same networks by three definitions of the metrics: ours, the paper's text, the paper's released code."""

from __future__ import annotations

import pandas as pd

from nrc_core.config.base import CONVENTIONS
from nrc_core.results.criteria import holds, last_sites, target_dimensions, weight_sites
from nrc_core.results.results import Results

# What the definitions disagree on; the others are the same in all three.
MEASURES = {"nrc2": "NRC2", "nrc4": "NRC4 per entry", "feature_stable_rank": "stable rank of features"}
SUMMED = "NRC4 summed over targets"  # by the printed definition


def side_by_side(results: Results) -> pd.DataFrame:
    """Every site that feeds a weight, at the end of training, once a definition.

    NRC4 is made comparable: per entry, like the network's own error, whereas the paper's formula sums
    over the targets. `nrc4_as_defined` is the number that each definition gives.

    Returns:
        Columns of `measure`, with `key`, `seed`, `convention`, `nrc4_as_defined` and `collapsed` (whether
        NRC1, in which the definitions agree, holds there).
    """
    frames = []
    for convention in CONVENTIONS:
        table = results.final(convention=convention)
        targets = target_dimensions(table)
        table = weight_sites(table).assign(nrc4_as_defined=lambda rows: rows["nrc4"])
        if convention == "printed":
            table["nrc4"] /= table["key"].map(targets)
        frames.append(table.assign(collapsed=holds(table)["nrc1"]))
    return pd.concat(frames, ignore_index=True)


def differences(results: Results) -> pd.DataFrame:
    """How far the definitions are apart at each site: the largest value less the smallest.

    Returns:
        Columns `key, seed, site, collapsed` and one for each of `MEASURES`; NaN where a definition is.
    """
    table = side_by_side(results)
    sites = table.groupby(["key", "seed", "site", "collapsed"], sort=False)[list(MEASURES)]
    return sites.agg(lambda values: values.max(skipna=False) - values.min(skipna=False)).reset_index()


def by_convention(results: Results) -> pd.DataFrame:
    """What each definition says of the last site that feeds a weight, and where its verdict is another.

    Returns:
        One row a definition and measure: `value` (median over the networks), `lowest`, `highest`, and
        `other_verdicts` of `sites`: at how many sites the condition's threshold is passed here but not by
        the careful definition, or the reverse (missing for the stable rank, which has no threshold).
    """
    table = side_by_side(results)
    names = MEASURES | {"nrc4_as_defined": SUMMED}
    last = pd.concat([last_sites(sites) for _, sites in table.groupby("convention")])
    values = last.rename(columns=names | {"convention": "definition"}).melt(
        "definition", list(names.values()), "measure"
    )
    numbers = values.groupby(["measure", "definition"])["value"].agg(value="median", lowest="min", highest="max")
    flags = pd.concat([table[["key", "site", "convention"]], holds(table)], axis=1)
    flags = flags.pivot(index=["key", "site"], columns="convention")
    others = {
        (name, convention): (flags[column, convention] != flags[column, "careful"]).sum()
        for column, name in MEASURES.items()
        if column in flags
        for convention in CONVENTIONS
    }
    # The sum over targets is the paper's definition; the two others are per entry as they stand.
    repeated = [(SUMMED, convention) for convention in CONVENTIONS if convention != "printed"]
    return numbers.assign(other_verdicts=pd.Series(others, dtype="Int64"), sites=len(flags)).drop(index=repeated)


def words(results: Results) -> str:
    """How much of a reported number is the metric's definition, in Markdown, every number taken from the results."""
    apart, table = differences(results), by_convention(results)
    last = apart.groupby("key").tail(1)
    lines = []
    for column, name in MEASURES.items():
        careful = table.loc[(name, "careful")]
        spread = careful["highest"] - careful["lowest"]
        everywhere, collapsed = apart[column].max(), apart.loc[apart["collapsed"], column].max()
        where = f", at most {collapsed:.2g} at sites that are collapsed by NRC1" if apart["collapsed"].any() else ""
        seeds = f"; seeds alone move it by {spread:.2g}" if len(last) > 1 else ""
        lines.append(
            f"* **{name}**: the definition moves it by at most {everywhere:.2g}{where}. At the last site it is "
            f"{careful['value']:.3g} by the careful definition, and the three are {last[column].median():.2g} "
            f"apart{seeds}."
        )
    others = table.dropna(subset="other_verdicts")
    for convention in CONVENTIONS[1:]:
        here = others.xs(convention, level="definition")
        counts = " and ".join(f"{row.other_verdicts} of {row.sites} sites for {row.Index}" for row in here.itertuples())
        lines.append(
            f"* The *{convention}* definition passes a threshold where ours does not, or the reverse, at {counts}."
        )
    return "\n".join(lines)
