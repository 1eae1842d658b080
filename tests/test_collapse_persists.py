"""The section on collapse despite low-rank bias: descents, Hessians counted in two ways, tables and checks."""

import dataclasses

import numpy as np
import pytest
import torch

from nrc_core import Store, run
from nrc_core.claims.checks import CHECKS
from nrc_core.config.descent import ClassesConfig
from nrc_core.errors import ConfigError, TrainingDiverged
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.collapse_persists import figures, tables
from nrc_core.sections.collapse_persists.experiment import collapse_persists
from nrc_core.theory.cross_entropy import hessian, solution_dimension, structure_factors
from nrc_core.training.deep_descent import _gradients, _starts, deep_descents, objectives

COUNTED = [("collapse", 4, 2, 5, 3), ("collapse", 3, 3, 4, 2), ("pairs", 4, 2, 5, 2), ("planar", 5, 1, 4, 2)]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    configs = collapse_persists(
        4, depths=[1, 3], widths=[5, 9], starts=3, starts_by_width=4, iterations=3000, iterations_by_width=3000
    )
    return run(configs, store=Store(tmp_path_factory.mktemp("store")))


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_the_gradients_are_those_of_the_objective(loss):
    config = ClassesConfig(loss, classes=4, depth=3, width=5, decay=0.01, samples=2, starts=3)
    factors = [factor.requires_grad_(True) for factor in _starts(config)]
    expected = torch.autograd.grad(objectives(config, factors).sum(), factors)
    for one, other in zip(expected, _gradients(config, [factor.detach() for factor in factors]), strict=True):
        torch.testing.assert_close(one, other, atol=1e-14, rtol=1e-12)


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_the_objective_is_that_of_the_theory(loss):
    from nrc_core.theory.cross_entropy import cross_entropy_objective
    from nrc_core.theory.deep_features import DeepFactors, deep_ufm_objective

    config = ClassesConfig(loss, classes=3, depth=3, width=4, decay=0.02, samples=2, starts=2)
    factors = _starts(config)
    for start, value in enumerate(objectives(config, factors).tolist()):
        features, *weights = [factor[start] for factor in factors]
        if loss == "squared":
            expected = deep_ufm_objective(DeepFactors(features, tuple(weights)), decay=0.02)
        else:
            expected = cross_entropy_objective([features, *weights], decay=0.02).item()
        assert value == pytest.approx(expected, abs=1e-13)


def test_a_start_does_not_depend_on_the_number_of_starts():
    one, more = (
        deep_descents(ClassesConfig("squared", classes=3, depth=2, width=4, decay=0.01, starts=starts, iterations=5))
        for starts in (1, 3)
    )
    assert [row["value"] for row in one] == pytest.approx([row["value"] for row in more if row["start"] == 0])


def test_a_learning_rate_that_is_too_large_is_told():
    config = ClassesConfig("squared", classes=3, depth=4, width=8, decay=0.01, learning_rate=50.0, iterations=50)
    with pytest.raises(TrainingDiverged, match=r"no longer finite .*learning rate 50.*smaller"):
        deep_descents(config)


@pytest.mark.parametrize(("structure", "classes", "depth", "width", "rank"), COUNTED)
def test_the_dimension_of_the_solutions_in_two_ways(structure, classes, depth, width, rank):
    """Zero eigenvalues of the Hessian, and the rank of the moves that rotations between the factors make."""
    given = {"classes": classes, "depth": depth, "decay": 1e-3, "width": width}
    expected = solution_dimension(rank, depth=depth, width=width)
    factors = structure_factors(structure, **given)
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
    if structure == "planar":
        return  # in a plane all singular values are equal only up to the classes' order, see the other structures
    values = torch.linalg.eigvalsh(hessian(structure, **given))
    assert int((values.abs() < 1e-7 * values.max()).sum()) == expected


def test_the_source_counts_too_few_dimensions():
    rows = CHECKS["dimensions_as_printed"]({}, thresholds()).rows
    assert (rows["value"] > 0).all()
    assert not rows["holds"].any()
    assert CHECKS["dimensions_with_frames"]({}, thresholds()).rows["holds"].all()


def test_collapse_is_a_minimum_and_pairs_are_none_with_one_weight():
    assert CHECKS["hessian_at_collapse"]({}, thresholds()).rows["holds"].all()
    assert torch.linalg.eigvalsh(hessian("pairs", classes=6, depth=1, decay=8e-3, width=6))[0] < -1e-4


def test_collapse_is_beaten_where_the_theorem_says():
    rows = CHECKS["collapse_beaten"]({}, thresholds()).rows
    assert rows["holds"].all()
    assert set(rows["group"]) == {"4 classes", "6 classes", "8 classes", "10 classes"}


def test_descents_stand_beside_the_structures(found):
    table = tables.descents(found)
    assert len(table) == 2 * 3 + 2 * 4
    single = tables.by_depth(found).query("depth == 1")
    np.testing.assert_allclose(single["loss"], single["collapse"], rtol=1e-6)
    assert single["rank"].eq(3).all()
    assert tables.collapsed(single).all()
    assert tables.shares(found).sum(axis=1).tolist() == [4, 4]
    assert list(tables.by_width(found)["width"].unique()) == [5, 9]


def test_figures_and_words_tell_what_the_table_has(found):
    share = tables.collapsed(tables.by_width(found)).groupby(tables.by_width(found)["width"]).mean()
    assert f"{share[9]:.0%} of the starts at width 9" in tables.words(found)
    assert f"{share[9]:.0%} of the starts at width 9" in figures.ranks_by_width(found).alt
    assert "Best: collapse at L = 1" in figures.losses_by_depth(found).alt


@pytest.mark.parametrize(
    ("check", "width", "quantity", "value"),
    [("rank_falls_with_depth", 12, "loss", 9.0), ("collapse_takes_over", 9, "loss", 9.0)],
)
def test_each_check_fails_where_descents_end_above_collapse(found, check, width, quantity, value):
    keys = found.runs.loc[found.runs["width"] == width, "key"]
    changed = found.descent.copy()
    changed.loc[(changed["quantity"] == quantity) & changed["key"].isin(keys), "value"] = value
    rows = CHECKS[check]({"page": dataclasses.replace(found, descent=changed)}, thresholds()).rows
    assert not rows["holds"].any()


def test_ranks_that_fall_with_depth_pass(found):
    rows = CHECKS["rank_falls_with_depth"]({"page": found}, thresholds()).rows
    ranks = tables.by_depth(found).pivot_table(index="seed", columns="depth", values="rank")
    assert rows.set_index("seed")["holds"].tolist() == (ranks[3] < ranks[1]).tolist()


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
