"""The same networks by three definitions of the metrics: ours, the paper's text, the paper's released code."""

import pandas as pd

from nrc_core.config.base import CONVENTIONS
from nrc_core.results.criteria import holds, last_sites, target_dimensions, weight_sites
from nrc_core.results.results import Results

# Quantities that the definitions define differently; the other quantities are the same by all three definitions.
MEASURES = {"nrc2": "NRC2", "nrc4": "NRC4 per entry", "feature_stable_rank": "stable rank of features"}
SUMMED = "NRC4 summed over targets"  # by the printed definition


def side_by_side(results: Results) -> pd.DataFrame:
    """Every site that feeds a weight, at the end of training, with one row for each definition.

    NRC4 is given per entry for all definitions, like the network's own error; the paper's formula sums over the
    targets. The column `nrc4_as_defined` is the value by each definition.

    Returns:
        Columns of `measure`, with `key`, `seed`, `convention`, `nrc4_as_defined` and `collapsed` (whether NRC1 holds
        at the site; all definitions agree on NRC1).
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
    """Differences between the definitions at each site: the largest value minus the smallest value.

    Returns:
        Columns `key, seed, site, collapsed` and one for each of `MEASURES`; NaN if the value by a definition is NaN.
    """
    table = side_by_side(results)
    sites = table.groupby(["key", "seed", "site", "collapsed"], sort=False)[list(MEASURES)]
    return sites.agg(lambda values: values.max(skipna=False) - values.min(skipna=False)).reset_index()


def by_convention(results: Results) -> pd.DataFrame:
    """Values by each definition at the last site that feeds a weight, and the number of sites with another verdict.

    Returns:
        One row for each measure and definition: `value` (median over the networks), `lowest`, `highest`,
        `other_verdicts` and `sites`. `other_verdicts` is the number of sites, out of `sites`, at which the condition
        holds by this definition but not by the careful definition, or the reverse. It is missing for the stable rank,
        which has no threshold.
    """
    table = side_by_side(results)
    names = MEASURES | {"nrc4_as_defined": SUMMED}
    last = pd.concat([last_sites(sites) for _, sites in table.groupby("convention")])
    values = last.rename(columns=names | {"convention": "definition"}).melt(
        "definition", list(names.values()), "measure"
    )
    numbers = values.groupby(["measure", "definition"])["value"].agg(value="median", lowest="min", highest="max")
    flags = {name: holds(sites.set_index(["key", "site"])) for name, sites in table.groupby("convention")}
    others = pd.concat({name: (one != flags["careful"]).sum() for name, one in flags.items()}).swaplevel()
    # Only the printed definition sums over targets; the other two definitions are already per entry.
    repeated = [(SUMMED, convention) for convention in CONVENTIONS if convention != "printed"]
    others = others.rename(index=MEASURES, level=0).astype("Int64")
    return numbers.assign(other_verdicts=others, sites=len(flags["careful"])).drop(index=repeated)


def words(results: Results) -> str:
    """How much a number depends on the definition of its metric, in Markdown, with numbers from the results."""
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
