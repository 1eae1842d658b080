"""Tables of the section on deeper residual networks: every network beside the minimum of the features model.

The theory is imported where it is used, because SciPy takes a second to import.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.config.residual import ATTENTION, CONSTANT, ONE_MAP, OVER_DEPTH, TWO_MAPS, paid_decay
from nrc_core.results.phrases import counted, span, with_spread
from nrc_core.results.results import Results

CASES = {
    (ONE_MAP, CONSTANT): "one map",
    (TWO_MAPS, CONSTANT): "two maps",
    (TWO_MAPS, OVER_DEPTH): "two maps, decay / L",
    (ATTENTION, CONSTANT): "Transformer",
}
ONE, TWO, LESS, TRANSFORMER = CASES.values()
FIELDS = ["block", "decay_rule", "depth", "decay", "iterations", "digits"]
MEASURES = {
    "variance_ratio": "NC1, ratio of traces",
    "nc1": "NC1 with the pseudo-inverse",
    "nc2_norms": "NC2, lengths",
    "nc2_angles": "NC2, angles",
    "nc3": "NC3",
    "excess": "objective minus that of the features model",
}
FITTED_FROM = 2  # blocks; a slope is fitted from here on


def networks(results: Results) -> pd.DataFrame:
    """Every network at its end beside the features model: one row for each.

    Returns:
        Columns `key, seed, case` (one of `CASES`), `block, decay_rule, depth, decay` (before it is divided),
        `iterations`, the quantities of `nrc_core.training.residual.residual`, `paid` (the decay that every weight
        pays), `floor` and `floor_head` (objective of the features model with this decay, and norm of its head), and
        `excess` (loss minus floor). Ordered by case, then depth.
    """
    return results.once("residual networks", _networks).copy()


def _networks(results: Results) -> pd.DataFrame:
    ends = results.descent.pivot(index=["key", "seed"], columns="quantity", values="value").reset_index()
    table = ends.merge(results.runs[["key", *FIELDS]], on="key", sort=False).rename_axis(columns=None)
    table["case"] = [CASES[pair] for pair in zip(table["block"], table["decay_rule"], strict=True)]
    theory = pd.DataFrame([_theory(row) for row in table.to_dict("records")], index=table.index)
    table = table.drop(columns="digits").join(theory)
    table["excess"] = table["loss"] - table["floor"]
    order = {case: place for place, case in enumerate(CASES.values())}
    return table.sort_values(["case", "depth"], key=lambda column: column.replace(order), kind="stable")


def _theory(row: dict[str, Any]) -> dict[str, float]:
    from nrc_core.theory.normalised_features import normalised_features_minimum

    paid = paid_decay(row["decay"], row["decay_rule"], row["depth"])
    found = normalised_features_minimum(len(row["digits"]), decay=paid)
    return {"paid": paid, "floor": found.loss, "floor_head": found.weight_norm}


def shortest(results: Results) -> pd.DataFrame:
    """The `networks` with the fewest iterations, which the page draws by depth."""
    table = networks(results)
    return table[table["iterations"] == table["iterations"].min()]


def slope(rows: pd.DataFrame, quantity: str, fewest: int = FITTED_FROM) -> float:
    """The slope of the logarithm of a quantity in that of the depth, by least squares from `fewest` blocks on.

    NaN with fewer than two different depths from there on, or a value that is not positive.

    Example:
        >>> rows = pd.DataFrame({"depth": [1, 2, 4, 8], "nc3": [9.0, 0.2, 0.1, 0.05]})
        >>> round(slope(rows, "nc3"), 12)
        -1.0
    """
    fitted = rows[rows["depth"] >= fewest]
    if fitted["depth"].nunique() < 2 or not (fitted[quantity] > 0).all():
        return math.nan
    return float(np.polyfit(np.log(fitted["depth"]), np.log(fitted[quantity]), 1)[0])


def slopes(results: Results) -> pd.DataFrame:
    """The mean over seeds of the `slope` of every measure (columns, in words), for each case (index)."""
    rows = [
        {"case": case} | {name: slope(own, one) for one, name in MEASURES.items()}
        for (case, _), own in shortest(results).groupby(["case", "seed"], sort=False)
    ]
    return pd.DataFrame(rows).groupby("case", sort=False).mean()


def means(results: Results) -> pd.DataFrame:
    """Means and standard deviations over seeds of all networks, as text, by iterations, case and depth."""
    columns = ["loss", "floor", "excess", "block_decay", "head_norm", "floor_head", *list(MEASURES)[:-1], "error"]
    ordered = networks(results).sort_values("iterations", kind="stable")
    return ordered.groupby(["iterations", "case", "depth"], sort=False)[columns].agg(_written)


def _written(values: pd.Series) -> str:
    """Mean and standard deviation; only the mean of what theory gives, which is the same for all seeds."""
    return f"{values.mean():.3g}" if "floor" in str(values.name) else with_spread(values, ".3g", ".1g")


def words(results: Results) -> str:
    """What the networks show, in a sentence for each finding."""
    table, every = shortest(results), networks(results)
    falls = {case: _fall(rows) for case, rows in table.groupby("case", sort=False)}
    first = f"**With one map a block, mean NC1 goes {falls[ONE]}. With two maps, it goes {falls[TWO]}.**"
    lines = [f"With two maps and the decay divided by the depth L, it goes {falls[LESS]}."]
    if TRANSFORMER in falls:
        lines.append(f"In the small Transformer it goes {falls[TRANSFORMER]}.")
    deepest = [_deepest(rows) for _, rows in table.groupby("case", sort=False)]
    lines.append(
        f"Collapse is loose at these depths: in the deepest networks, mean NC1 is {span(deepest, '{:.2g}'.format)}."
    )
    below, least = int((every["excess"] < 0).sum()), every["excess"].min()
    lines.append(
        f"{below} of {counted(len(every), 'network')} have a lower objective than the features model. The smallest "
        f"difference is {least:.2g}."
    )
    fitted = slopes(results).loc[ONE, MEASURES["variance_ratio"]]
    if math.isfinite(fitted):
        later = _last(table)
        lines.append(f"With one map, NC1 goes as L to the power {fitted:.2f} from {FITTED_FROM} blocks on{later}.")
    lines += _longer(results)
    return "\n".join([first, "", *[f"* {line}" for line in lines]])


def _last(table: pd.DataFrame) -> str:
    """The mean slope of NC1 with one map over the three largest depths, if there are more to fit."""
    own = table[table["case"] == ONE]
    depths = sorted(depth for depth in set(own["depth"]) if depth >= FITTED_FROM)
    if len(depths) < 4:
        return ""
    first = depths[-3]
    each = [slope(rows, "variance_ratio") for _, rows in own[own["depth"] >= first].groupby("seed")]
    return f", and {np.mean(each):.2f} from {first} on"


def _deepest(rows: pd.DataFrame) -> float:
    """The mean NC1 of the networks with the most blocks."""
    return float(rows.loc[rows["depth"] == rows["depth"].max(), "variance_ratio"].mean())


def _fall(rows: pd.DataFrame) -> str:
    """From which NC1 to which, from the fewest blocks to the most."""
    by_depth = rows.groupby("depth")["variance_ratio"].mean()
    (low, high), (start, end) = (by_depth.index[[0, -1]], by_depth.iloc[[0, -1]])
    return f"from {start:.2g} to {end:.2g} ({span((low, high), str)} blocks)"


def _longer(results: Results) -> list[str]:
    """What more iterations change, in the deepest networks that were trained for longer."""
    table = networks(results)
    long = table[table["iterations"] == table["iterations"].max()]
    if long["iterations"].max() == table["iterations"].min():
        return []
    deepest = long[long["depth"] == long["depth"].max()]
    short = shortest(results).groupby(["case", "depth"])["variance_ratio"].mean()
    told = [
        f"{case} {short[case, depth]:.2g} to {rows['variance_ratio'].mean():.2g}"
        for (case, depth), rows in deepest.groupby(["case", "depth"], sort=False)
        if (case, depth) in short.index
    ]
    few, many = table["iterations"].min(), table["iterations"].max()
    depth = counted(int(deepest["depth"].iloc[0]), "block")
    return [f"With {many} iterations in place of {few}, NC1 with {depth} changes: {'; '.join(told)}."] if told else []
