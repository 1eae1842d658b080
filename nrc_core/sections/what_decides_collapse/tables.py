"""Networks that differ from a first one in one respect each: what decides whether they collapse."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from nrc_core.results.criteria import error_most, last_sites, target_dimensions, verdicts
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds

RECIPE = "the recipe"


def variant_names(results: Results) -> pd.Series:
    """Difference of each run from the first run, by key in the order of the runs: "with a bias", "4 layers", ...

    Only the values that the experiment varies are compared. A run with the same values as the first is "the recipe".
    """
    rows = [{**row, **_options(row["dataset_options"])} for row in results.runs.to_dict("records")]
    return pd.Series({row["key"]: _difference(row, rows[0]) for row in rows}, name="variant")


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the data that the experiment varies; `seed`, which decides the split, is named `split_seed`."""
    usual = {"target_scale": "standardised", "teacher_seed": 0, "seed": 0}
    found = {name: given.get(name, value) for name, value in usual.items()}
    return found | {"split_seed": found.pop("seed")}


def _difference(row: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    words = {
        "bias": "with a bias" if row["bias"] else "without a bias",
        "init_scale": f"initial weights x {row['init_scale'] / first['init_scale']:g}",
        "depth": f"{row['depth']} layers",
        "width": f"{row['width']} wide",
        "target_scale": f"{row['target_scale']} targets",
        "weight_decay": f"weight decay {row['weight_decay']:g}",
        "teacher_seed": f"teacher {row['teacher_seed']}",
        "split_seed": f"split {row['split_seed']}",
    }
    return ", ".join(text for name, text in words.items() if row[name] != first[name]) or RECIPE


def at_last_site(results: Results) -> pd.DataFrame:
    """The last site that feeds a weight in every network, at the end of training: one row for each run.

    Returns:
        Columns of `measure`, with `key`, `seed`, `variant`, `before` (NRC1 before the activation), `at_2t` (NRC1
        at a rank of twice the number of targets), `error_share` (NRC4 divided by its limit: the condition holds up to
        1), `collapsed_from`, `deep`, `unexplained` and
        `over_collapsed` as in `verdicts`.
    """
    last, before = last_sites(results.final()), last_sites(results.final(features="pre"))
    judged = verdicts(results.final())
    doubled = (2 * target_dimensions(results.final())).clip(upper=last["width"])
    curves = results.final_spectra().set_index(["key", "site", "k"])["nrc1"]
    return last.assign(
        variant=variant_names(results),
        before=before["nrc1"],
        at_2t=[curves.get((key, row.site, doubled[key])) for key, row in last.iterrows()],
        error_share=last["nrc4"] / error_most(last, thresholds()),
        **judged[["collapsed_from", "deep", "unexplained", "over_collapsed"]],
    ).reset_index()


def by_variant(results: Results) -> pd.DataFrame:
    """One row for each variant; numbers are medians over its networks.

    Returns:
        Index `variant`; columns `networks` (number of networks), `all_four` (for every network the first site from
        which on the four conditions hold together, or "no"), `noise_after` and `noise_after_2t` (NRC1 at the last site
        after the activation, at a rank of t and of 2t for t targets), `noise_before` (NRC1 before the activation at a
        rank of t), `over_collapsed` (number of networks) and `unexplained` (training error as a share of the target
        variance).
    """
    return (
        at_last_site(results)
        .groupby("variant", sort=False)
        .agg(
            networks=("key", "size"),
            all_four=(
                "collapsed_from",
                lambda sites: ", ".join("no" if pd.isna(site) else str(site) for site in sites),
            ),
            noise_after=("nrc1", "median"),
            noise_after_2t=("at_2t", "median"),
            noise_before=("before", "median"),
            over_collapsed=("over_collapsed", "sum"),
            unexplained=("unexplained", "median"),
        )
    )


def words(results: Results) -> str:
    """Variants that collapse or over-collapse, and the effect of the activation on the noise, in Markdown."""
    table, most = at_last_site(results), thresholds()["noise_most"]
    lines = [f"* All four conditions hold below the last layer in {_where(table, table['deep'])}."]
    only_before = (table["before"] <= most) & (table["nrc1"] > most)
    lines.append(
        f"* At the last site the noise is at most {most:g} before the activation, but not after it, in "
        f"{_where(table, only_before)}."
    )
    nothing = table["unexplained"] >= thresholds()["nothing_learned_least"]
    lines.append(f"* Over-collapsed: {_where(table, table['over_collapsed'] & ~nothing)}.")
    if nothing.any():
        lines.append(f"* Nothing learned, so no targets to collapse to: {_where(table, nothing)}.")
    return "\n".join(lines)


def _where(table: pd.DataFrame, flags: pd.Series) -> str:
    """Number of flagged networks, and the variants to which they belong."""
    counts = flags.groupby(table["variant"], sort=False).agg(["sum", "size"])
    named = [f"{variant} ({row['sum']} of {row['size']})" for variant, row in counts.iterrows() if row["sum"]]
    return f"{flags.sum()} of {len(flags)} networks" + (f": {', '.join(named)}" if named else "")
