"""The section on ordinal targets: descents in the store, their table beside the theory, figures and checks."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from nrc_core import Store, run
from nrc_core.claims.checks import CHECKS
from nrc_core.config.descent import OrdinalConfig
from nrc_core.errors import ConfigError
from nrc_core.results.estimates import estimate
from nrc_core.results.runs import check_obtainable, stored
from nrc_core.results.store import read_configuration
from nrc_core.results.thresholds import thresholds
from nrc_core.sections import page_parts
from nrc_core.sections.ordinal_targets import figures, tables
from nrc_core.sections.ordinal_targets.experiment import ordinal_targets

CHECKED = ["descent_meets_equations", "ordinal_features_collapse", "latent_variables_in_order",
           "zero_exactly_from_critical", "latent_variables_in_the_middle"]  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def configs():
    return ordinal_targets([-3.0, -1.0, 1.0, 4.0], counts=[2, 1, 2], links=["logit"], shares=[0.5, 1.1], starts=3)


@pytest.fixture(scope="module")
def found(store, configs):
    return run(configs, store=store)


def test_descents_are_stored_and_found_again(store, configs, found):
    assert not check_obtainable(configs, store=store)
    again, missing = stored(configs, store=store)
    assert missing == 0
    pd.testing.assert_frame_equal(again.descent, found.descent)
    for config, record in zip(configs, found.provenance.values(), strict=True):
        assert read_configuration(record["config"]) == config
        assert record["data"] == {"identity": "none", "kind": "theory", "n_train": 5}
        assert record["device"].startswith("CPU")
    assert "Data: `none`" in page_parts.provenance(found)


def test_a_seed_gives_the_same_descents_and_starts_differ(tmp_path):
    config = OrdinalConfig(thresholds=(-1.0, 0.0, 1.0), counts=(2, 2), decay=0.05, starts=2, iterations=3)
    one, same, other = (
        run([each], store=Store(tmp_path / str(i))).descent["value"].to_numpy()
        for i, each in enumerate((config, config, dataclasses.replace(config, seed=1)))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    half = len(one) // 2
    assert not np.allclose(one[:half], one[half:])


def test_every_descent_stands_beside_the_theory(found):
    table = tables.descents(found)
    assert len(table) == 4 * 3  # two products and two shares, three starts
    assert sorted(set(table["seed"])) == [0, 1, 2]
    np.testing.assert_allclose(table["loss"], table["loss_expected"], atol=1e-9)
    np.testing.assert_allclose(np.vstack(table["latent"]), np.vstack(table["latent_expected"]), atol=1e-4)
    assert table.loc[table["share"] > 1, "norm_expected"].eq(0).all()
    assert table["middles"].iloc[0] == [-2.0, 0.0, 2.5]


def test_the_checks_hold_for_these_descents(found):
    for name in CHECKED:
        seen = CHECKS[name]({"page": found}, thresholds())
        assert set(seen.rows["group"]) == {"logit"}
        assert len(seen.rows) == 3
        assert seen.rows["holds"].all(), name


@pytest.mark.parametrize(
    ("check", "quantity", "index", "value"),
    [
        ("descent_meets_equations", "loss", 0, 9.0),
        ("descent_meets_equations", "latent", 1, 0.5),
        ("ordinal_features_collapse", "within", 0, 0.01),
        ("ordinal_features_collapse", "off_line", 0, 0.01),
        ("latent_variables_in_order", "latent", 0, 9.0),
        ("zero_exactly_from_critical", "weight_norm", 0, 0.01),
        ("zero_exactly_from_critical", "weight_norm", 0, 0.0),
        ("latent_variables_in_the_middle", "latent", 2, 2.6),
    ],
)
def test_each_check_fails_where_a_descent_is_elsewhere(found, check, quantity, index, value):
    changed = found.descent.copy()
    chosen = (changed["quantity"] == quantity) & (changed["index"] == index) & (changed["start"] == 1)
    changed.loc[chosen, "value"] = value
    rows = CHECKS[check]({"page": dataclasses.replace(found, descent=changed)}, thresholds()).rows
    assert rows.set_index("seed")["holds"].to_dict() == {0: True, 1: False, 2: True}


def test_a_check_can_look_at_some_links_only(found):
    seen = CHECKS["latent_variables_in_the_middle"]({"page": found}, thresholds(), links=["probit"])
    assert seen.rows.empty


def test_figures_and_words_tell_what_the_table_has(found):
    assert "9 of 9 descents below the critical decay" in tables.words(found)
    assert "logit: without decay, " in figures.latent_line(found).alt
    beyond = tables.descents(found).query("share >= 1")["weight_norm"].max()
    assert f"the largest is {beyond:.1g}" in figures.norm_at_transition(found).alt


def test_the_equations_go_from_the_undecayed_limit_to_zero(found):
    path = tables.latent_path(found)
    np.testing.assert_allclose(path["latent"].iloc[0], path["limit"].iloc[0], atol=5e-3)
    assert path.loc[path["share"] > 1, "weight_norm"].eq(0).all()
    assert (path["weight_norm"].diff().dropna() <= 0).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"thresholds": [0.0, 1.0, 1.0]}, "thresholds must be three or more numbers that increase"),
        ({"counts": [1, 2]}, "counts must be 5 numbers, one for each class, at least 1"),
        ({"counts": [1, 2, 0, 1, 1]}, "counts must be 5 numbers, one for each class, at least 1"),
        ({"links": ["log"]}, "link must be one of logit, probit, cloglog: got 'log'"),
        ({"links": []}, "links must be one or more different values"),
        ({"products": [0.0]}, "products must be positive"),
        ({"shares": [0.5, 0.5]}, "shares must be one or more different values"),
        ({"starts": 0}, "starts must be a whole number, at least 1"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        ordinal_targets(**given)


def test_the_time_of_descents_is_estimated_from_earlier_ones(found, configs):
    records = list(found.provenance.values())
    for record in records:
        record["seconds"] = 2.0
    twice = [dataclasses.replace(config, starts=6) for config in configs]
    assert estimate(twice, records, gpu=False).seconds == pytest.approx(2 * 2.0 * len(configs), rel=0.01)


def test_the_slider_shows_each_c_with_its_latent_variables(found):
    slider = figures.latent_by_decay(found)
    path = tables.descents(found).drop_duplicates("share").sort_values("share")
    assert list(slider.pictures) == [f"{share:.2g}" for share in path["share"]]
    first = ", ".join(f"{value:.2f}" for value in path["latent_expected"].iloc[0])
    assert f"are at {first}." in next(iter(slider.pictures.values())).alt


def test_probabilities_of_the_classes_are_those_of_the_link(found):
    """Between thresholds that are finite they do not sum to one: the rest is beyond the outer ones."""
    table = tables.class_probabilities(found, "logit")
    z = table.index.to_numpy()
    below, above = (1 / (1 + np.exp(-(b - z))) for b in (-3.0, 4.0))
    np.testing.assert_allclose(table.sum(axis=1), above - below, atol=1e-12)
