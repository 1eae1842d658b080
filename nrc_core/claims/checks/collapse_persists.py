"""Checks of statements about collapse despite low-rank bias: closed forms, Hessians, and descents."""

import pandas as pd

from nrc_core.claims.checks.constructed import Rows, case
from nrc_core.claims.checks.observation import Found, Items, check
from nrc_core.claims.checks.subjects import parts, rank_correlation
from nrc_core.results.results import Results
from nrc_core.sections.class_descents import SAME
from nrc_core.sections.collapse_persists.tables import by_depth, hessians


@case(limit=1.0, strict=True)
def pairs_beat_collapse() -> Rows:
    """Loss of pairs over that of collapse."""
    from nrc_core.theory.cross_entropy import cross_entropy_ufm_loss

    found = []
    for classes, depth in [(4, 3), (4, 5), (6, 2), (6, 3), (8, 2), (8, 5), (10, 2), (10, 3)]:
        pairs, collapse = (
            cross_entropy_ufm_loss(one, classes=classes, depth=depth, decay=1e-6) for one in ("pairs", "collapse")
        )
        found.append({"group": f"{classes} classes, {depth} weights", "seed": -1, "value": pairs / collapse})
    return found


def _per_start(results: Results) -> Items:
    """Yield the descents by depth of one random start."""
    yield from parts(by_depth(results).assign(dataset="descents"), "seed", order="depth")


@check(limit="trend_least", over=_per_start, at_least=True, reads="descent")
def rank_falls_with_depth(rows: pd.DataFrame) -> Found:
    """Rank correlation of the number of weights with a lower rank of the logits (no loss may be above collapse)."""
    none_above = (rows["end"] <= rows["collapse"] * (1 + SAME)).all()
    return -rank_correlation(rows["depth"], rows["rank"]), none_above


@case(limit="rounding_most")
def hessian_at_collapse() -> Rows:
    """Size of the most negative eigenvalue of the Hessian at collapse, zero if there is none."""
    table = hessians()
    return [
        {"group": _named(row), "seed": -1, "value": max(0.0, -row["smallest"])}
        for row in table[table["structure"] == "collapse"].to_dict("records")
    ]


@case(limit=0.0)
def dimensions_as_printed() -> Rows:
    """Zero eigenvalues of the Hessian beyond the dimensions L r (d - r)."""
    return [
        {"group": _named(row), "seed": -1, "value": row["zero"] - row["printed"]}
        for row in hessians().to_dict("records")
    ]


@case(limit=0.0)
def dimensions_with_rotations() -> Rows:
    """Difference between the zero eigenvalues of the Hessian and the dimensions L (r d - r (r + 1) / 2)."""
    return [
        {"group": _named(row), "seed": -1, "value": abs(row["zero"] - row["dimension"])}
        for row in hessians().to_dict("records")
    ]


def _named(row: dict[str, object]) -> str:
    return f"{row['structure']}, {row['classes']} classes, {row['depth']} weights"
