"""The section on collapse despite low-rank bias: Hessians counted in two ways, tables, figures and checks."""

import dataclasses

import numpy as np
import pytest
import torch

from nrc_core import Store, run
from nrc_core.claims.checks import CHECKS
from nrc_core.errors import ConfigError
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.collapse_persists import figures, tables
from nrc_core.sections.collapse_persists.experiment import collapse_persists
from nrc_core.theory.cross_entropy import hessian, solution_dimension, structure_factors

COUNTED = [("collapse", 4, 2, 5, 3), ("collapse", 3, 3, 4, 2), ("pairs", 4, 2, 5, 2), ("planar", 5, 1, 4, 2)]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    configs = collapse_persists(4, depths=[1, 3], widths=[5, 9], depth=3, width=6, starts=3, iterations=3000)
    return run(configs, store=Store(tmp_path_factory.mktemp("store")))


def changed(found, quantity: str, value: float, **shape: int):
    """The same results with one value of a quantity in all descents of a shape."""
    keys = found.where(**shape).runs["key"]
    descent = found.descent.copy()
    descent.loc[(descent["quantity"] == quantity) & descent["key"].isin(keys), "value"] = value
    return {"page": dataclasses.replace(found, descent=descent)}


@pytest.mark.parametrize(("structure", "classes", "depth", "width", "rank"), COUNTED)
def test_the_dimension_of_the_solutions_in_two_ways(structure, classes, depth, width, rank):
    """Zero eigenvalues of the Hessian, and the rank of the moves that rotations between the factors make.

    The Hessian is not counted for "planar" logits: other planar logits may have the same loss.
    """
    given = {"classes": classes, "depth": depth, "decay": 1e-3, "width": width}
    expected = solution_dimension(rank, depth=depth, width=width)
    features, weights = structure_factors(structure, **given)
    factors = [features, *weights]
    moves = []
    for place in range(depth):  # a rotation after factor `place`, undone before the next
        for i in range(width):
            for j in range(i):
                turn = torch.zeros(width, width, dtype=torch.float64)
                turn[i, j], turn[j, i] = 1, -1
                moved = [torch.zeros_like(factor) for factor in factors]
                moved[place], moved[place + 1] = turn @ factors[place], -factors[place + 1] @ turn
                moves.append(torch.cat([part.flatten() for part in moved]))
    assert int(torch.linalg.matrix_rank(torch.stack(moves), rtol=1e-9)) == expected
    if structure != "planar":
        values = torch.linalg.eigvalsh(hessian(structure, **given))
        assert int((values.abs() < 1e-7 * values.max()).sum()) == expected


def test_the_checks_that_need_no_descents():
    for name, holds in (
        ("pairs_beat_collapse", True),
        ("hessian_at_collapse", True),
        ("dimensions_as_printed", False),
        ("dimensions_with_rotations", True),
    ):
        rows = CHECKS[name]({}, thresholds()).rows
        assert len(rows) >= 3
        assert rows["holds"].eq(holds).all(), name


def test_pairs_are_no_minimum_with_one_weight():
    assert torch.linalg.eigvalsh(hessian("pairs", classes=6, depth=1, decay=8e-3, width=6))[0] < -1e-4


def test_descents_stand_beside_the_structures(found):
    assert len(found.runs) == 4  # the shape of 3 weights and width 6, and the three others
    single = tables.by_depth(found).query("depth == 1")
    np.testing.assert_allclose(single["end"], single["collapse"], rtol=1e-6)
    assert single["rank"].eq(3).all()
    assert single["full_rank"].all()
    assert list(tables.by_width(found)["width"].unique()) == [5, 6, 9]
    assert tables.best_by_depth(found)["depth"].tolist() == [1, 3]


def test_figures_and_words_tell_what_the_table_has(found):
    share = tables.by_width(found).groupby("width")["full_rank"].mean()
    assert f"{share[9]:.0%} of the starts at width 9" in tables.words(found)
    assert f"{share[9]:.0%} at 9" in figures.ranks_by_width(found).alt
    assert "Best: collapse at L = 1" in figures.losses_by_depth(found).alt


def test_a_rank_falls_with_depth_if_no_descent_ends_above_collapse(found):
    rows = CHECKS["rank_falls_with_depth"]({"page": found}, thresholds()).rows
    ranks = tables.by_depth(found).pivot_table(index="seed", columns="depth", values="rank")
    assert rows.set_index("seed")["holds"].tolist() == (ranks[3] < ranks[1]).tolist()
    above = CHECKS["rank_falls_with_depth"](changed(found, "loss", 9.0, depth=3, width=6), thresholds()).rows
    assert not above["holds"].any()


@pytest.mark.parametrize(("narrow", "wide", "holds"), [(0.0, 1.0, True), (1.0, 1.0, False), (0.0, 0.0, False)])
def test_collapse_takes_over_with_width(found, narrow, wide, holds):
    """Three singular values of four classes are collapse; values of zero leave fewer directions."""
    descent = found.descent.copy()
    values = (descent["quantity"] == "singular_value") & (descent["index"] > 0) & (descent["index"] < 3)
    width = descent["key"].map(found.runs.set_index("key")["width"])
    descent.loc[values & (width == 9), "value"] = wide
    descent.loc[values & (width < 9), "value"] = narrow
    rows = CHECKS["collapse_takes_over"](
        {"page": dataclasses.replace(found, descent=descent)}, thresholds(), by="depth"
    ).rows
    assert rows["holds"].tolist() == [holds]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"depths": []}, "depths must be one or more different values"),
        ({"widths": [6, 6]}, "widths must be one or more different values"),
        ({"decay": 0.0}, "decay must be positive"),
        ({"classes": 0}, "classes must be a whole number, at least 1"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        collapse_persists(**given)


def test_a_width_below_the_rank_has_no_such_structure():
    with pytest.raises(ValueError, match="width must be at least 3, the rank of 'collapse': got 2"):
        structure_factors("collapse", classes=4, depth=2, decay=0.01, width=2)


def test_the_slider_has_a_picture_for_each_number_of_weights(found):
    slider = figures.losses_by_decay(found)
    assert list(slider.pictures) == ["1", "3"]
    assert slider.pictures["1"].alt.endswith("Best: collapse.")
