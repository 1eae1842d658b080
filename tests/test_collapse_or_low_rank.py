"""The section on collapse against low rank: descents beside the structures, figures, words and checks."""

import dataclasses

import pytest

from nrc_core import Store, run
from nrc_core.claims.checks import CHECKS
from nrc_core.errors import ConfigError
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.collapse_or_low_rank import figures, tables
from nrc_core.sections.collapse_or_low_rank.experiment import collapse_or_low_rank
from nrc_core.theory import deep_ufm_loss


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    configs = collapse_or_low_rank(
        6, depth=3, decay=0.003, init_scales=[1.0, 0.4], width=8, widths=[5, 12], init_scale=0.7, starts=3,
        iterations=300, iterations_by_width=300,
    )  # fmt: skip
    return run(configs, store=Store(tmp_path_factory.mktemp("store")))


def changed(found, *, loss: float | None = None, rank: int | None = None, width: int):
    """The same results with one loss or one rank in all descents of a width."""
    descent, keys = found.descent.copy(), found.runs.loc[found.runs["width"] == width, "key"]
    chosen = descent["key"].isin(keys)
    if loss is not None:
        descent.loc[chosen & (descent["quantity"] == "loss"), "value"] = loss
    if rank is not None:
        descent.loc[chosen & (descent["quantity"] == "rank"), "value"] = rank
    return {"page": dataclasses.replace(found, descent=descent)}


def test_descents_stand_beside_the_structures(found):
    table = tables.descents(found)
    assert len(table) == 4 * 3
    given = {"classes": 6, "depth": 3, "decay": 0.003}
    assert table["collapse"].eq(deep_ufm_loss("collapse", **given)).all()
    assert table["triangular"].eq(deep_ufm_loss("triangular", **given)).all()
    assert list(tables.by_scale(found)["init_scale"].unique()) == [1.0, 0.4]
    assert list(tables.by_width(found)["width"].unique()) == [5, 12]
    assert table["rank"].between(0, 6).all()


def test_without_a_complete_graph_there_is_no_triangular_structure(tmp_path):
    configs = collapse_or_low_rank(4, depth=3, widths=[4, 5], width=4, starts=1, iterations=2, iterations_by_width=2)
    few = run(configs, store=Store(tmp_path))
    assert tables.descents(few)["triangular"].isna().all()
    assert "built on a graph" not in tables.words(few)


def test_low_rank_wins_where_the_checks_say():
    for name in ("low_rank_beats_collapse", "low_rank_from_eight_classes"):
        rows = CHECKS[name]({}, thresholds()).rows
        assert len(rows) >= 2
        assert rows["holds"].all()


@pytest.mark.parametrize(("loss", "rank", "holds"), [(0.001, 3, True), (0.001, 6, False), (9.0, 3, False)])
def test_small_starts_end_below_collapse_in_fewer_directions(found, loss, rank, holds):
    rows = CHECKS["small_starts_end_below_collapse"](changed(found, loss=loss, rank=rank, width=8), thresholds()).rows
    assert rows["holds"].tolist() == [holds] * 3
    assert sorted(rows["seed"]) == [0, 1, 2]


@pytest.mark.parametrize(("narrow", "wide", "holds"), [(3, 6, True), (6, 6, False), (6, 3, False)])
def test_full_rank_takes_over_with_width(found, narrow, wide, holds):
    first = dataclasses.replace(found, descent=changed(found, rank=narrow, width=5)["page"].descent)
    rows = CHECKS["full_rank_takes_over"](changed(first, rank=wide, width=12), thresholds()).rows
    assert rows["holds"].tolist() == [holds]


def test_figures_and_words_tell_what_the_tables_have(found):
    scales = tables.by_scale(found)
    small = scales[scales["init_scale"] == 0.4]
    below = int((small["loss"] < small["collapse"]).sum())
    assert f"from small starts, {below} of 3 descents" in tables.words(found)
    assert f"{below} of 3 at 0.4" in figures.losses_by_start(found).alt
    assert "at 12" in figures.ranks_by_width(found).alt
    norms = tables.norms(range(3, 12), range(3, 5))
    assert "3 weights: from 8 classes on; 4 weights: from 6 classes on" in figures.map_of_norms(norms).alt
    alt = figures.graph_structure().alt
    assert "features rank 5, before ReLU rank 5, after it rank 10, output rank 10" in alt


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"init_scales": [0.5, 0.5]}, "init_scales must be one or more different values"),
        ({"widths": []}, "widths must be one or more different values"),
        ({"starts": 0}, "starts must be a whole number, at least 1"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        collapse_or_low_rank(**given)
