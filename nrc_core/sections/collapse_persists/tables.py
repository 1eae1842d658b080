"""Tables of the section on collapse despite low-rank bias."""

import pandas as pd

from nrc_core.results.results import Results
from nrc_core.sections.class_descents import SAME, full_rank_by, varied

# Structure, classes, weights, width and rank of the models whose Hessians are computed.
COMPUTED = (("collapse", 4, 2, 5, 3), ("collapse", 5, 2, 6, 4), ("collapse", 4, 3, 5, 3), ("pairs", 4, 2, 5, 2))
DECAY = 1e-3
ZERO = 1e-7  # eigenvalues below this share of the largest are zero; the next one is the decay


def by_depth(results: Results) -> pd.DataFrame:
    """The descents of the width with the most numbers of weights, see `descents`."""
    return varied(results, "depth", by="width")


def by_width(results: Results) -> pd.DataFrame:
    """The descents of the number of weights with the most widths, see `descents`."""
    return varied(results, "width", by="depth")


def best_by_depth(results: Results) -> pd.DataFrame:
    """The descent with the lowest loss for each number of weights."""
    table = by_depth(results)
    return table.loc[table.groupby("depth")["end"].idxmin()]


def hessians() -> pd.DataFrame:
    """The Hessians at known structures: one row for each of `COMPUTED`.

    Returns:
        Columns `structure, classes, depth, width, rank, smallest` (eigenvalue), `zero` (the number of eigenvalues that
        are zero), `dimension` (of the solutions, see `solution_dimension`) and `printed` (that of the source).
    """
    import torch

    from nrc_core.theory.cross_entropy import hessian, solution_dimension

    rows = []
    for structure, classes, depth, width, rank in COMPUTED:
        full = hessian(structure, classes=classes, depth=depth, decay=DECAY, width=width)
        values = torch.linalg.eigvalsh(full)
        zero = int((values.abs() < ZERO * values.max()).sum())
        dimension = solution_dimension(rank, depth=depth, width=width)
        rows.append(
            [structure, classes, depth, width, rank, values[0].item(), zero, dimension, depth * rank * (width - rank)]
        )
    names = ["structure", "classes", "depth", "width", "rank", "smallest", "zero", "dimension", "printed"]
    return pd.DataFrame(rows, columns=names)


def words(results: Results) -> str:
    """What the descents show, in a sentence for each finding."""
    wide, best = by_width(results), best_by_depth(results)
    share = full_rank_by(wide, "width")
    first, last = share.index[0], share.index[-1]
    below = (best["end"] < best["collapse"] * (1 - SAME)).sum()
    ranks = ", ".join(f"{row.rank} with {row.depth}" for row in best.itertuples())
    return "\n".join(
        [
            "**Collapse is not the best, and yet it is what wide models find: "
            f"{share[last]:.0%} of the starts at width {last}, {share[first]:.0%} at width {first}.**",
            "",
            f"* The best descent has a lower loss than collapse for {below} of {len(best)} numbers of weights.",
            f"* The rank of the best logits falls with the number of weights: {ranks}. Collapse has rank "
            f"{int(best['classes'].iloc[0]) - 1}.",
        ]
    )
