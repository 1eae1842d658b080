import json
import math

import pandas as pd
import pytest

from nrc_core.claims import multiverse
from nrc_core.claims.checks import CHECKS
from nrc_core.claims.multiverse import analyses, choices, claims, combinations, draw
from nrc_core.claims.multiverse_curves import Curve, all_shares, curve, effects
from nrc_core.claims.multiverse_runs import added, make, planned
from nrc_core.claims.multiverse_table import RANKS, Networks, default_folder
from nrc_core.config.regression import RunConfig
from nrc_core.errors import ConfigError, DataDamaged
from nrc_core.results.runs import run, stored
from nrc_core.results.store import Store
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.deep_nrc_mlp.experiment import deep_nrc_mlp

LEVELS = {"bias": ["no", "yes"], "split": ["a", "b", "c"], "scale": ["s", "t", "u"]}


def test_a_block_has_each_level_equally_often_and_no_combination_twice():
    found = draw(LEVELS, 12, [1], taken=[])
    assert len({tuple(one.values()) for one in found}) == 12
    for block in (found[:6], found[6:]):
        assert [sum(one["bias"] == level for one in block) for level in LEVELS["bias"]] == [3, 3]
        assert [sum(one["split"] == level for one in block) for level in LEVELS["split"]] == [2, 2, 2]


def test_more_combinations_do_not_change_those_before_and_another_seed_gives_others():
    assert draw(LEVELS, 12, [1], taken=[])[:6] == draw(LEVELS, 6, [1], taken=[])
    assert draw(LEVELS, 6, [1], taken=[]) != draw(LEVELS, 6, [2], taken=[])
    taken = draw(LEVELS, 6, [1], taken=[])
    assert not any(one in taken for one in draw(LEVELS, 6, [1], taken=taken))


def test_more_combinations_than_there_are_are_an_error():
    with pytest.raises(ConfigError, match="7 combinations were asked for, and there are not enough"):
        draw({"bias": ["no", "yes"], "split": ["a", "b", "c"]}, 7, [1], taken=[])


def test_the_networks_of_the_pages_come_first_and_a_sweep_has_every_weight_decay():
    found = combinations("swimmer")
    pages = deep_nrc_mlp("swimmer", seeds=[0, 1])
    assert [one.network.identity() for one in found[:2]] == [config.identity() for config in pages]
    assert [one.own for one in found[:3]] == [True, True, False]
    assert sorted(found[0].networks) == [0, 0.0001, 0.001, 0.005, 0.025]
    assert len(found) == 32 and sum(one.sweep for one in found) == 8
    with pytest.raises(ConfigError, match="the multiverse has the data sets swimmer"):
        combinations("sgemm")


def test_every_network_is_planned_once():
    # 32 + 8 x 4 of Swimmer, 14 + 8 x 2 of Reacher, 14 + 2 x 2 of Hopper, 14 + 8 x 3 of synthetic data
    every = planned()
    assert len(every) == 64 + 30 + 18 + 38
    assert len({str(config.identity()) for config in every}) == len(every)


def test_analyses_are_all_combinations_or_a_sample_that_begins_with_the_pages():
    assert [one.limits for one in analyses("F5-8", ["gap_most"])] == [
        {"gap_most": 0.05},
        {"gap_most": 0.02},
        {"gap_most": 0.1},
    ]
    assert len(analyses("F2-S1", ["noise_most"])) == 2 * 3 * 3
    four = ["noise_most", "alignment_least", "error_factor", "error_share"]
    many = analyses("A01", four)  # of 2 x 3 x 3^4
    assert len(many) == len({tuple(one.levels.values()) for one in many}) == 25
    for level in ("0.05", "0.01", "0.1"):
        assert sum(one.levels["noise_most"] == level for one in many[1:]) == 8
    first = many[0]
    assert (first.features, first.rank, first.arguments) == ("post", "t", {})
    assert all(value == thresholds()[name] for name, value in first.limits.items())
    with pytest.raises(ConfigError, match="claim 'T2-1' is not in the multiverse"):
        curve("T2-1", Networks.read(default_folder() / "none"))


def test_each_choice_has_a_reason_and_each_claim_known_choices():
    assert all(choice.why and len(choice.levels) > 1 for choice in choices().values())
    assert all(
        set(one["choices"]) <= {n for n, c in choices().items() if c.of == "analysis"} for one in claims().values()
    )
    assert len(claims()) >= 20


def test_eta_squared_of_a_balanced_table_is_the_share_of_the_sum_of_squares():
    # Two levels of a, three of b, two of each: a alone decides, b has a mean of 1/2 in each level.
    table = pd.DataFrame({"a": list("xxxxxxyyyyyy"), "b": list("uuvvwwuuvvww"), "holds": [True] * 6 + [False] * 6})
    assert dict(effects(table, ["a", "b"]).values) == pytest.approx({"a": 1.0, "b": 0.0}, abs=1e-12)
    # Total 12 x 1/4 = 3. Level u of b always holds, v and w in half: between the levels 4 (1/3)^2 + 8 (1/6)^2 = 2/3,
    # of a total of 8 - 12 (2/3)^2 = 8/3.
    table["holds"] = [True, True, True, False, True, False, True, True, True, False, True, False]
    assert dict(effects(table, ["a", "b"]).values) == pytest.approx({"b": 1 / 4, "a": 0.0}, abs=1e-12)


def test_eta_squared_is_undefined_where_all_answers_are_the_same():
    table = pd.DataFrame({"a": list("xxxyyyy"), "b": list("uvuvuvu"), "holds": [True] * 7})
    assert effects(table, ["a", "b"])["eta_squared"].isna().all()


def test_a_curve_counts_the_answers_and_names_the_choice_that_matters_most():
    rows = pd.DataFrame(
        {
            "bias": ["without a bias", "without a bias", "with a bias", "with a bias", "with a bias"],
            "seed": ["first seed", "second seed", "first seed", "second seed", "second seed"],
            "network": [0, 1, 2, 3, 3],
            "own": [True, True, False, False, False],
            "value": [0.2, 0.3, 0.01, 0.02, math.nan],
            "limit": 0.05,
            "holds": [False, False, True, True, None],
        }
    )
    one = Curve("F2-S1", rows, ("bias", "seed"), "noise", False)
    assert one.as_dict() == {
        "share": 0.5, "universes": 4, "silent": 1, "networks": 4, "matters_most": "bias", "eta_squared": 1.0,
        "by_level": {"without a bias": 0.0, "with a bias": 1.0},
    }  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A store with one trained network of two targets, and its configuration."""
    store = Store(tmp_path_factory.mktemp("store"))
    options = {"split": "random", "samples": 120, "target_dim": 2}
    config = RunConfig("synthetic", 3, 0.05, 1e-3, width=12, depth=4, dataset_options=options)
    run([config], store=store, device="cpu")
    return store, config


@pytest.fixture
def table(tiny):
    store, config = tiny
    return added(Networks.read(store.folder / "none"), config, store)


def test_results_from_the_table_give_what_the_run_gives(tiny, table, tmp_path):
    store, config = tiny
    table.write(tmp_path / "table", {})
    (original, _), kept = stored([config], store=store), Networks.read(tmp_path / "table").results({7: [config]})
    for split in ("train", "test"):
        before, after = original.final(split), kept.final(split)
        columns = ["site", "name", "width", "rank", *multiverse_quantities()]
        expected = before[columns].astype(dict.fromkeys(multiverse_quantities(), "float32"))
        pd.testing.assert_frame_equal(after[columns], expected, check_dtype=False)
    assert set(kept.final()["seed"]) == set(kept.runs["seed"]) == {7}
    assert kept.runs["exposure"].tolist() == original.runs["exposure"].tolist()
    for name in ("sites_below_the_last", "trend_with_depth", "collapsed_means_predictive", "generalisation_gap"):
        limits = thresholds() | {"noise_most": 0.5, "alignment_least": 0.5}
        one, other = (CHECKS[name]({"page": own}, limits).rows for own in (original, kept))
        assert one["holds"].tolist() == other["holds"].tolist()
        assert one["value"].tolist() == pytest.approx(other["value"].tolist(), rel=1e-6)


def multiverse_quantities():
    return ["nrc1", "nrc2", "nrc3", "nrc4", "feature_stable_rank", "weight_stable_rank", "network_mse"]


def test_another_rank_takes_the_metrics_at_that_rank(tiny, table):
    store, config = tiny
    original, _ = stored([config], store=store)
    curves = original.final_spectra().set_index(["site", "k"])
    last = curves.loc[3]
    noise = last["nrc1"] <= thresholds()["k_star_noise_most"]
    k = min([*noise.index[noise], 2 * 2])
    kept = table.results({0: [config]}, rank="k_star").final()
    hidden = kept[kept["site"] < 4].set_index("site")
    assert set(hidden["rank"]) == {k} and k in RANKS
    for name in ("nrc1", "nrc2", "nrc3"):
        assert hidden[name].tolist() == [curves.loc[(site, k), name] for site in hidden.index]


def test_features_before_the_activation_take_their_place(tiny, table):
    store, config = tiny
    before = stored([config], store=store)[0].final(features="pre")
    assert table.results({0: [config]}, features="pre").final()["nrc1"].tolist() == pytest.approx(
        before["nrc1"].tolist()
    )


def test_a_network_that_is_not_in_the_table_is_left_out(tiny, table):
    other = RunConfig("synthetic", 3, 0.05, 1e-3, width=13, depth=4)
    assert table.key(other) is None
    assert len(table.results({0: [other]}).runs) == 0


def test_files_that_hold_something_else_are_named_in_the_error(tmp_path):
    (tmp_path / "networks.parquet").write_text("no table")
    with pytest.raises(DataDamaged, match="does not hold the networks"):
        Networks.read(tmp_path)


def test_only_networks_that_no_store_has_are_trained_and_no_more_than_asked_for(tiny, tmp_path, monkeypatch):
    store, config = tiny
    other = RunConfig("synthetic", 1, 0.05, 1e-3, width=8, depth=4, dataset_options=config.dataset_options)
    monkeypatch.setattr("nrc_core.claims.multiverse_runs.planned", lambda: [config, other])
    scratch = Store(tmp_path / "scratch")
    assert make(tmp_path / "table", scratch, [store], lambda networks: {}, most=0) == (1, 2)
    assert scratch.all_keys() == []
    assert make(tmp_path / "table", scratch, [store], lambda networks: {}, most=1) == (2, 2)
    assert len(scratch.all_keys()) == 1


def test_a_network_that_diverged_is_known_and_says_nothing(tmp_path, monkeypatch):
    config = RunConfig("synthetic", 2, 1e9, 0.0, width=8, depth=4, dataset_options={"samples": 100})
    monkeypatch.setattr("nrc_core.claims.multiverse_runs.planned", lambda: [config])
    assert make(tmp_path / "table", Store(tmp_path / "scratch"), [], all_shares) == (1, 1)
    kept = Networks.read(tmp_path / "table")
    assert kept.records[kept.key(config)]["failure"] and kept.results({0: [config]}).runs.empty


def test_the_published_shares_are_what_the_code_computes():
    networks = Networks.read(default_folder())
    if not networks.records:
        pytest.skip("no table of the multiverse is published")
    published = json.loads((default_folder() / "shares.json").read_text())
    assert set(published) <= set(multiverse.claims())
    for claim in ("F2-S1", "F4-6", "F5-8"):
        assert published[claim] == curve(claim, networks).as_dict()


def test_without_networks_there_are_no_shares(tmp_path):
    assert all_shares(Networks.read(tmp_path / "none")) == {}


def test_choices_that_matter_alike_keep_their_order_and_one_without_effect_has_none():
    """Three choices, of which the last is idle; rounding errors of least squares neither order nor name them."""
    levels = [(a, b, idle) for a in "uvw" for b in "uvw" for idle in "uvw"]
    table = pd.DataFrame(levels, columns=["first", "second", "idle"])
    table["holds"] = (table["first"] == "u") | (table["second"] == "u")
    found = effects(table, ["second", "first", "idle"])
    assert found["choice"].tolist() == ["second", "first", "idle"]
    assert found["eta_squared"].tolist() == [0.4, 0.4, 0.0]
