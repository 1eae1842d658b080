"""The section on collapse against low rank: descents beside the structures, figures, words and checks."""

import dataclasses
import re

import pytest

from nrc_core import Results, Store, run
from nrc_core.claims.checks import CHECKS
from nrc_core.errors import ConfigError
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.class_descents import descents
from nrc_core.sections.collapse_or_low_rank import figures, tables
from nrc_core.sections.collapse_or_low_rank.experiment import collapse_or_low_rank
from nrc_core.theory import deep_ufm_loss


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    configs = collapse_or_low_rank(
        6, depth=3, decay=0.003, init_scales=[1.0, 0.4], width=8, widths=[5, 12], init_scale=0.7, starts=3,
        iterations=300,
    )  # fmt: skip
    return run(configs, store=Store(tmp_path_factory.mktemp("store")))


def changed(found: Results, quantity: str, value: float, width: int) -> Results:
    """The same results with one value of a quantity in all descents of a width."""
    descent, keys = found.descent.copy(), found.where(width=width).runs["key"]
    descent.loc[(descent["quantity"] == quantity) & descent["key"].isin(keys), "value"] = value
    return dataclasses.replace(found, descent=descent)


def test_descents_stand_beside_the_structures(found):
    table = descents(found)
    assert len(table) == 4 * 3
    given = {"classes": 6, "depth": 3, "decay": 0.003}
    assert table["collapse"].eq(deep_ufm_loss("collapse", **given)).all()
    assert table["triangular"].eq(deep_ufm_loss("triangular", **given)).all()
    assert list(tables.by_scale(found)["init_scale"].unique()) == [1.0, 0.4]
    assert list(tables.by_width(found)["width"].unique()) == [5, 12]
    assert set(tables.smallest_starts(found)["init_scale"]) == {0.4}
    assert table["full_rank"].eq(table["rank"] == 6).all()


def test_a_kind_that_both_lists_name_is_descended_once():
    configs = collapse_or_low_rank(init_scales=[1.0, 0.7], width=30, widths=[20, 30], init_scale=0.7)
    assert [(config.init_scale, config.width) for config in configs] == [(1.0, 30), (0.7, 30), (0.7, 20)]


def test_without_a_complete_graph_there_is_no_triangular_structure(tmp_path):
    configs = collapse_or_low_rank(4, depth=3, widths=[4, 5], width=4, starts=1, iterations=2)
    few = run(configs, store=Store(tmp_path))
    assert descents(few)["triangular"].isna().all()
    assert "built on a graph" not in tables.words(few)


def test_low_rank_wins_where_the_checks_say():
    for name in ("low_rank_beats_collapse", "low_rank_from_eight_classes"):
        rows = CHECKS[name]({}, thresholds()).rows
        assert len(rows) >= 2
        assert rows["holds"].all()
    assert tables.norms(range(6, 8), range(3, 4)).gt(1).all(axis=None)


@pytest.mark.parametrize(("loss", "rank", "holds"), [(0.001, 3, True), (0.001, 6, False), (9.0, 3, False)])
def test_small_starts_end_below_collapse_in_fewer_directions(found, loss, rank, holds):
    given = changed(changed(found, "loss", loss, 8), "rank", rank, 8)
    rows = CHECKS["small_starts_end_below_collapse"]({"page": given}, thresholds()).rows
    assert rows["holds"].tolist() == [holds] * 3
    assert sorted(rows["seed"]) == [0, 1, 2]


@pytest.mark.parametrize(("narrow", "wide", "holds"), [(3, 6, True), (6, 6, False), (6, 3, False)])
def test_collapse_takes_over_with_width(found, narrow, wide, holds):
    given = changed(changed(found, "rank", narrow, 5), "rank", wide, 12)
    rows = CHECKS["collapse_takes_over"]({"page": given}, thresholds(), by="init_scale").rows
    assert rows["holds"].tolist() == [holds]


def test_ranks_by_layer_are_medians_before_and_after_every_relu(found):
    table = tables.ranks_by_layer(found)
    assert list(table.columns) == ["H1", "W1", "W1, after ReLU", "W2", "W2, after ReLU", "W3"]
    assert len(table) == 4
    given = tables.ranks_by_layer(changed(found, "rank", 2, 5))
    assert given.loc[(0.7, 5), "W2"] == 2
    assert given.loc[(0.7, 5), "W2, after ReLU"] == table.loc[(0.7, 5), "W2, after ReLU"]


def test_figures_and_words_tell_what_the_tables_have(found):
    small = tables.smallest_starts(found)
    below = small["end"] < small["collapse"]
    assert f"from small starts, {(below & ~small['full_rank']).sum()} of 3 descents" in tables.words(found)
    assert f"{below.sum()} of 3 at 0.4" in figures.losses_by_start(found).alt
    assert "at 12" in figures.ranks_by_width(found).alt
    norms = tables.norms(range(3, 12), range(3, 5))
    assert "from K = 8 at L = 3, K = 6 at L = 4" in figures.map_of_norms(norms).alt
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


def test_the_slider_says_which_structure_is_best(found):
    slider = figures.losses_by_decay(found)
    decay = float(found.runs["decay"].iloc[0])
    assert list(slider.pictures)[slider.first] == f"{decay:.3g}"
    for factor, one in zip(figures.FACTORS, slider.pictures.values(), strict=True):
        losses = {
            name: deep_ufm_loss(name, classes=28, depth=int(found.runs["depth"].iloc[0]), decay=factor * decay)
            for name in ("collapse", "triangular", "zero")
        }
        best = min(losses, key=losses.get)
        assert re.search(rf"{best} for K = [\d, ]*28", one.alt)
