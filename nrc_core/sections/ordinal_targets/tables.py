"""Tables of the section on ordinal targets: descents beside the equations of the theory.

The theory is imported where it is used, because SciPy takes a second to import.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.results.results import Results

# The values of c over C for which the equations are drawn: closer to each other near 0 and near 1.
SHARES = np.unique(np.r_[np.geomspace(1e-6, 0.1, 30), np.linspace(0.1, 0.9, 17), np.linspace(0.9, 1.2, 31)])
COLUMNS = ("link", "decay", "thresholds", "counts")


def descents(results: Results) -> pd.DataFrame:
    """The end of every descent beside the minimum of the theory: one row for each.

    Returns:
        Columns `key, link, seed` (the start), `decay`, `share` (c over its critical value), `loss`, `weight_norm`,
        `within`, `off_line`, `latent` (a list, in the order of the classes), and of the theory `loss_expected`,
        `norm_expected`, `latent_expected`, `middles` (of the classes).
    """
    return results.once("ordinal descents", _descents).copy()


def _descents(results: Results) -> pd.DataFrame:
    ends = results.descent.drop(columns="seed").rename(columns={"start": "seed"})
    single = ends[ends["quantity"] != "latent"].pivot(index=["key", "seed"], columns="quantity", values="value")
    latent = ends[ends["quantity"] == "latent"].sort_values("index").groupby(["key", "seed"])["value"].agg(list)
    table = single.join(latent.rename("latent")).reset_index()
    theory = pd.DataFrame([{"key": row["key"], **_theory(row)} for row in results.runs.to_dict("records")])
    return table.merge(theory, on="key", sort=False).rename_axis(columns=None)


def _theory(run: dict[str, Any]) -> dict[str, Any]:
    """The theory of a run, with its link and decay."""
    from nrc_core.theory.ordinal import critical_decay, ordinal_ufm_minimum

    link, decay, b, counts = (run[name] for name in COLUMNS)
    thresholds, shares = np.array(b, dtype=float), np.array(counts, dtype=float) / np.sum(counts)
    found = ordinal_ufm_minimum(thresholds, decay=decay, link=link, shares=shares)
    limit = critical_decay(thresholds, link=link, shares=shares)
    return {
        "link": link,
        "decay": decay,
        "share": (decay / limit) ** 2,
        "loss_expected": found.loss,
        "norm_expected": found.weight_norm,
        "latent_expected": found.latent.tolist(),
        "middles": ((thresholds[1:] + thresholds[:-1]) / 2).tolist(),
    }


def latent_path(results: Results) -> pd.DataFrame:
    """The latent variables and the norm of w by c, from the equations, for each link of the results.

    Returns:
        Columns `link`, `share` (c over its critical value), `product` (c), `weight_norm`, `latent` (a list),
        `limit` (the latent variables without decay, a list).
    """
    from nrc_core.theory.ordinal import critical_decay, ordinal_ufm_minimum, undecayed_latent

    rows = []
    for run in results.runs.drop_duplicates("link").to_dict("records"):
        link, _, b, counts = (run[name] for name in COLUMNS)
        thresholds, shares = np.array(b, dtype=float), np.array(counts, dtype=float) / np.sum(counts)
        critical = critical_decay(thresholds, link=link, shares=shares)
        undecayed = undecayed_latent(thresholds, link=link).tolist()
        for share in SHARES:
            decay = critical * math.sqrt(share)
            found = ordinal_ufm_minimum(thresholds, decay=decay, link=link, shares=shares)
            rows.append(
                {
                    "link": link, "share": share, "product": decay**2, "weight_norm": found.weight_norm,
                    "latent": found.latent.tolist(), "limit": undecayed,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def class_probabilities(results: Results, link: str) -> pd.DataFrame:
    """The probability of each class (columns, from 0) by the latent variable (index), with a link of the results."""
    from nrc_core.theory.ordinal import likelihood

    thresholds = np.array(results.runs["thresholds"].iloc[0], dtype=float)
    model = likelihood(link, thresholds[:-1], thresholds[1:])
    places = np.linspace(thresholds[0], thresholds[-1], 200)
    return pd.DataFrame([np.exp(-model.loss(np.full(len(thresholds) - 1, z))) for z in places], index=places)


def words(results: Results) -> str:
    """What the descents show, in a sentence for each finding."""
    table = descents(results)
    below, beyond = table[table["share"] < 1], table[table["share"] >= 1]
    ordered = sum(bool((np.diff(latent) > 0).all()) for latent in below["latent"])
    shares = below[["within", "off_line"]].max().max()
    lines = [
        f"**Ordered classes collapse onto one line, in their order: {ordered} of {len(below)} descents below the "
        f"critical decay**, with at most {shares:.1g} of the features' energy within classes or off the line of w."
    ]
    if not beyond.empty:
        lines.append(
            f"From the critical decay on nothing is left: the largest norm of w is {beyond['weight_norm'].max():.1g}."
        )
    for link, rows in below.groupby("link", sort=False):
        first = rows.sort_values("decay").iloc[0]
        off = np.abs(np.subtract(first["latent"], first["middles"])).max()
        lines.append(
            f"With the link {link} and the smallest decay, latent variables are at most {off:.2g} from the middle of "
            "their class."
        )
    error = (table["loss"] - table["loss_expected"]).abs().max()
    return "\n".join(
        [
            *lines[:1],
            "",
            *[f"* {line}" for line in lines[1:]],
            f"* Descents and equations differ by at most {error:.1g} in the loss.",
        ]
    )
