"""Exposure to weight decay: what it predicts, and the page's table, words and figures on networks made by hand."""

import dataclasses
import math

import pandas as pd
import pytest

from nrc_core import ConfigError, RunConfig, Store, run
from nrc_core.results.exposure import ALIGNED, NOT_ALIGNED, TURNING, predicted
from nrc_core.results.results import Results
from nrc_core.results.runs import all_stored
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.exposure import figures
from nrc_core.sections.exposure.experiment import exposure
from nrc_core.sections.exposure.tables import all_settings, by_setting, by_site, penultimate, rule, words
from tests.fakes import network, results
from tests.pictures import check_picture

COLLAPSED = {"nrc1": [0.3, 0.2, 0.001, 0.0], "nrc2": 0.95}  # k* is 3
SOME = {"bias": False, "init_scale": 1.0, "learning_rate": 0.1}


def made(*networks: tuple[float, float, dict]) -> Results:
    """Networks of an exposure and an NRC3 at every rank, with other columns; `bias` is a field of the run."""
    parts, fields = [], []
    for seed, (given, nrc3, columns) in enumerate(networks):
        fields.append({name: columns.get(name, value) for name, value in SOME.items()})
        others = {name: value for name, value in columns.items() if name not in SOME}
        parts.append(network(seed=seed, exposure=given, spectra=COLLAPSED | {"nrc3": nrc3}, **others))
    found = results(*parts)
    runs = found.runs.assign(**pd.DataFrame(fields).to_dict("list"))
    return dataclasses.replace(found, runs=runs)


@pytest.fixture(scope="module")
def mixed() -> Results:
    """Networks for which the rule is right, wrong and silent, one with biases, and one that learned nothing."""
    return made(
        (0.0, 0.4, {"weight_decay": 0.0}),
        (0.5, 0.95, {"weight_decay": 1e-4}),
        (1.5, 0.95, {"weight_decay": 1e-3}),
        (3.0, 0.99, {"weight_decay": 2e-3}),
        (9.0, 0.92, {"bias": True, "weight_decay": 5e-3}),
        (9.0, 0.60, {"weight_decay": 5e-3, "feature_effective_rank": 1}),
        (90.0, 0.99, {"weight_decay": 0.5, "train": 0.995}),
    )


def test_the_prediction_has_three_ranges_with_the_thresholds_in_the_upper_one():
    limits = thresholds()
    enough, little = limits["exposure_enough"], limits["exposure_too_little"]
    assert little < enough
    assert [predicted(value) for value in (0.0, math.nextafter(little, 0))] == [NOT_ALIGNED] * 2
    assert [predicted(value) for value in (little, math.nextafter(enough, 0))] == [TURNING] * 2
    assert [predicted(value) for value in (enough, 1e9)] == [ALIGNED] * 2


@pytest.mark.parametrize("value", [-1e-9, math.nan])
def test_an_exposure_that_cannot_be_is_refused(value):
    with pytest.raises(ValueError, match=f"an exposure is zero or positive: got {value}"):
        predicted(value)


def test_the_same_weight_decay_on_a_tenth_of_the_rows_has_a_tenth_of_the_exposure():
    config = RunConfig("synthetic", epochs=30, learning_rate=0.1, weight_decay=1e-3)
    # 10 epochs at each of 0.1, 0.01 and 0.001, 100 or 10 batches of 128, over 1 - 0.9.
    assert config.exposure(12_800) == pytest.approx(1e-3 * (1 + 0.1 + 0.01) * 100 / 0.1)
    assert config.exposure(1_280) == pytest.approx(config.exposure(12_800) / 10)


def test_every_network_has_its_prediction_and_whether_it_is_right(mixed):
    rows = by_site(mixed)[lambda sites: sites["from_last"] == 1]
    assert rows["site"].tolist() == [2] * 7
    assert rows["predicted"].tolist() == [NOT_ALIGNED, NOT_ALIGNED, TURNING, *[ALIGNED] * 4]
    assert rows["found"].tolist() == [NOT_ALIGNED, *[ALIGNED] * 4, NOT_ALIGNED, ALIGNED]
    assert rows["right"].tolist() == [True, False, pd.NA, True, pd.NA, False, True]
    assert rows["learned"].tolist() == [True] * 6 + [False]
    assert rows["over_collapsed"].tolist() == [False] * 5 + [True, False]
    assert len(penultimate(by_site(mixed))) == 6


def test_alignment_is_that_of_the_penultimate_site_at_rank_k_star():
    found = made((5.0, 0.99, {}))
    at_k_star = (found.spectra["site"] == 2) & (found.spectra["k"] == 3)
    spectra = found.spectra.assign(nrc3=at_k_star.map({True: 0.2, False: 0.99}))
    assert "right for 0 of 1 network" in words(by_site(dataclasses.replace(found, spectra=spectra)))
    spectra = spectra.assign(nrc3=at_k_star.map({True: 0.99, False: 0.2}))
    assert "right for 1 of 1 network" in words(by_site(dataclasses.replace(found, spectra=spectra)))


def test_without_a_known_k_star_nothing_is_right_or_wrong():
    found = made((5.0, 0.99, {}))
    rows = by_site(dataclasses.replace(found, spectra=found.spectra.assign(nrc1=0.4)))
    assert rows["found"].isna().all()
    assert rows["right"].isna().all()
    assert by_setting(rows)[["NRC3 at k*", "k*", "right", "learned"]].iloc[0].tolist() == ["-", "-", "-", "1 of 1"]


def test_networks_beside_those_of_the_page_are_added_once(mixed):
    own = mixed.where(weight_decay=0.0)
    rows = by_site(own, mixed)
    assert rows.groupby("key")["own"].first().tolist() == [True] + [False] * 6
    assert rows["key"].value_counts().unique().tolist() == [4]
    assert by_site(own)["own"].all()


def test_the_words_count_the_networks_of_the_page_first(mixed):
    text = words(by_site(mixed.where(weight_decay=0.0), mixed))
    first, second, *_ = text.splitlines()
    assert first == (
        "* **This page's networks**: the prediction is right for 1 of 1 network without biases, and for every "
        "network in 1 of 1 setting."
    )
    assert (
        "all published networks**: the prediction is right for 2 of 4 networks without biases (2 of 3 without the"
        in second
    )
    assert (
        "for every network in 2 of 4 settings; nothing is predicted for 1 more. Where it is wrong, E is 0.5 or 9."
        in second
    )
    assert (
        "**without biases**: with too little exposure, 1 of 2 are aligned (median NRC3 0.675); with exposure b" in text
    )
    assert "**with biases**: with enough exposure, 1 of 1 are aligned (median NRC3 0.920)." in text
    assert "without biases 1 of 1 have more directions than the targets, and 1 have between" in text
    assert "Left out: 1 network, 0 of them of this page. At least 99% of" in text


def test_words_of_networks_that_all_learned_nothing_count_nothing():
    text = words(by_site(made((30.0, 0.99, {"train": 1.0}))))
    assert "right for 0 of 0 networks" in text
    assert "Left out: 1 network, 1 of them of this page." in text
    assert "correlation" not in text


def test_the_table_has_a_row_for_each_setting_in_order_of_the_exposure():
    pair = ((3.0, 0.99, {}), (3.0, 0.85, {}), (0.1, 0.3, {"weight_decay": 1e-5}), (3.0, 0.98, {"bias": True}))
    sites = by_site(made(*pair))
    table = by_setting(sites)
    assert table["exposure"].tolist() == [0.1, 3.0, 3.0]
    assert table["network"].tolist() == ["8 x 256", "8 x 256", "8 x 256, biases"]
    assert table["NRC3 at k*"].tolist() == ["0.300", "0.920 (0.850 to 0.990)", "0.980"]
    assert table["k*"].tolist() == ["3"] * 3
    assert table["right"].tolist() == ["1 of 1", "1 of 2", "-"]
    assert table["predicted"].tolist() == [NOT_ALIGNED, ALIGNED, "-"]
    assert all_settings(sites) == ""
    beside = by_site(made(*pair).where(weight_decay=1e-5), made(*pair))
    assert all_settings(beside).count("\n| swimmer |") == 2


def test_a_table_of_ones_own_has_its_file_name_and_options_are_told():
    found = made((3.0, 0.99, {}), (3.0, 0.99, {}))
    runs = found.runs.assign(
        dataset=["/some/folder/mine.csv", "swimmer"],
        dataset_options=[{"split": "random"}, {"split": "blocked", "samples": 40}],
    )
    table = by_setting(by_site(dataclasses.replace(found, runs=runs)))
    assert table["data"].tolist() == ["mine.csv", "swimmer (split blocked, samples 40)"]


def test_the_rule_is_told_with_its_thresholds():
    limits = thresholds()
    assert f"From E = {limits['exposure_enough']:g} on" in rule()
    assert f"Below E = {limits['exposure_too_little']:g}," in rule()


@pytest.mark.parametrize("draw", [figures.alignment, figures.directions, figures.conditions])
def test_figures_are_vector_graphics_with_words(mixed, draw):
    check_picture(lambda: draw(by_site(mixed.where(bias=False), mixed)))


def test_the_messages_follow_the_numbers(mixed):
    sites = by_site(mixed)
    assert "penultimate site: rule right for 2 of 4, rank correlation" in figures.alignment(sites).alt
    assert "Left out: 1 network that learned nothing." in figures.alignment(sites).alt
    assert "Without biases: k* above the rank in 1 of 1 with" in figures.directions(sites).alt
    # Six settings; at rank t the noise of 0.2 is too much, NRC2 is the same at both ranks, NRC3 as well.
    told = figures.conditions(sites).alt
    assert "Of 6 settings, noise (NRC1) holds in 0 at t; targets (NRC2) holds in 6 at t, 6 at k*" in told
    assert "swimmer, E = 9, biases: 0.92 and 0.92" in told


def test_a_page_without_networks_that_learned_has_its_figures():
    sites = by_site(made((30.0, 0.99, {"train": 1.0})))
    for draw in (figures.alignment, figures.directions, figures.conditions):
        assert "nan" not in draw(sites).alt


def test_every_data_set_has_each_weight_decay_and_a_pair_at_its_recipe():
    configs = exposure(["swimmer", "reacher"], weight_decays=[0.0, 5e-3], seeds=[0, 1])
    found = [(one.dataset, one.weight_decay, one.bias) for one in configs if one.seed == 1]
    assert found == [
        ("swimmer", 0.0, False), ("swimmer", 5e-3, False), ("reacher", 0.0, False), ("reacher", 5e-3, False),
        ("swimmer", 5e-3, True), ("reacher", 1e-4, False), ("reacher", 1e-4, True),
    ]  # fmt: skip
    assert len(configs) == len(set(map(str, configs))) == 14
    alone = exposure(["reacher"], weight_decays=[0.0], bias=False)
    assert [(one.weight_decay, one.bias) for one in alone] == [(0.0, False)]
    with pytest.raises(ConfigError, match="weight_decays must be one or more different values"):
        exposure(weight_decays=[])


def test_all_stored_runs_of_a_kind_are_read_without_training(tmp_path):
    store = Store(tmp_path)
    configs = exposure(["synthetic"], weight_decays=[0.0, 1e-3], samples=60, width=8, depth=2, epochs=1, bias=False)
    run(configs, store=store)
    found = all_stored(store, lambda config: config.weight_decay > 0)
    assert found is not None
    assert found.runs["weight_decay"].tolist() == [1e-3]
    assert found.runs["exposure"].item() == pytest.approx(configs[1].exposure(48))
    assert all_stored(store, lambda config: config.weight_decay > 1) is None
    assert all_stored(Store(tmp_path / "nowhere"), lambda config: True) is None
