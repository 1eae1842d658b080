"""The section on geometric complexity: its settings, networks in the store, tables, words, figures and checks."""

import dataclasses
import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch

from nrc_core import Store, run
from nrc_core.claims.checks import CHECKS
from nrc_core.errors import ConfigError
from nrc_core.metrics.class_bound import class_distance_bound
from nrc_core.networks.feature_map import FeatureClassifier
from nrc_core.results.runs import stored
from nrc_core.results.store import read_configuration
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.geometric_complexity import figures, scale, tables
from nrc_core.sections.geometric_complexity.experiment import BASE, GAUSSIAN, PICTURES, geometric_complexity
from tests.fakes_complexity import EACH, SMALL, changed, ideal_networks, strength
from tests.fakes_images import prepare_classes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of noise in 39 classes in place of the data set."""
    folder = tmp_path_factory.mktemp("data")
    names = [str(number) for number in range(39)]
    prepare_classes(folder, PICTURES, classes=names, per_class=40, test_per_class=7, size=(14, 14))
    return folder


@pytest.fixture(scope="module")
def configs():
    """A base and a network with a penalty, in both populations."""
    fewest = {name: [] for name in ("weight_decays", "batch_sizes", "learning_rates", "momenta")}
    return geometric_complexity(**SMALL | fewest | {"penalties": [0.1], "seeds": [1]})


@pytest.fixture(scope="module")
def ideal():
    return ideal_networks()


def test_networks_differ_from_the_base_in_one_setting():
    configs = geometric_complexity(seeds=[0])
    assert Counter(config.dataset for config in configs) == {GAUSSIAN: 14, PICTURES: 14}
    for config in configs:
        other = [name for name, value in BASE.items() if getattr(config, name) != value]
        assert len(other) <= 1 or other == ["penalty", "momentum"]
    assert sum(config.momentum == 0.9 for config in configs) == 4
    assert {config.penalty for config in configs if config.momentum == 0.9} == {0.0, 0.01}


def test_a_seed_decides_data_and_weights():
    first, second = (
        {config.dataset: config for config in geometric_complexity(seeds=[seed])} for seed in (0, 3)
    )  # the last network of each data set
    assert [one[GAUSSIAN].dataset_options["seed"] for one in (first, second)] == [0, 3]
    assert [one[PICTURES].dataset_options["train_skip"] for one in (first, second)] == [0, 180]
    assert first[PICTURES].sources != second[PICTURES].sources
    for config in (*first.values(), *second.values()):
        assert len({*config.sources, *config.targets}) == 12 + 20
    assert all(one.seed == 3 for one in second.values())


def test_networks_are_found_again(trained, configs, folder, store, monkeypatch):
    monkeypatch.setenv("NRC_DATA_DIR", str(folder))
    again, missing = stored(configs, store=store)
    assert missing == 0
    pd.testing.assert_frame_equal(again.descent, trained.descent)
    assert [read_configuration(one["config"]) for one in again.provenance.values()] == configs


def test_a_row_of_the_table_is_the_end_of_a_network(trained):
    table = tables.networks(trained)
    assert len(table) == 4
    row = table.iloc[1]
    assert row["penalty"] == 0.1
    own = trained.descent[trained.descent["key"] == row["key"]].set_index(["quantity", "index"])["value"]
    for name in tables.AT_END:
        assert row[name] == own[name, 3]
    assert row["inputs_few_shot"] == own["few_shot", -1]
    assert row["untrained_few_shot"] == own["few_shot", 0]
    ratios = own["variance"] / own["class_complexity"]
    assert row["ratio"] == pytest.approx(ratios.max(), rel=1e-12)
    gaussian, pictures = (table[table["dataset"] == name] for name in (GAUSSIAN, PICTURES))
    np.testing.assert_allclose(gaussian["test_ratio"], gaussian["v_test"] / gaussian["normalised_complexity_test"])
    assert pictures[["ratio", "test_ratio"]].isna().all(axis=None)
    assert not table["fitted"].any()  # after three steps


@pytest.mark.parametrize(
    ("dataset", "options", "expected"),
    [
        (GAUSSIAN, {"signal_spread": 0.5, "nuisance": 3}, 1.0),
        (GAUSSIAN, {"signal_spread": 3.0, "nuisance": 3}, 9.0),
        (GAUSSIAN, {"signal_spread": 0.5, "nuisance": 0}, 0.25),
        (PICTURES, {}, None),
    ],
)
def test_the_constant_is_the_largest_eigenvalue(dataset, options, expected):
    assert tables.poincare({"dataset": dataset, "dataset_options": options}) == expected


def test_the_base_is_in_every_setting_and_momentum_in_none(ideal):
    table = tables.along(ideal)
    assert (table["momentum"] == 0).all()
    own = table[(table["population"] == "pictures") & (table["seed"] == 1)]
    steps = {knob: list(rows.sort_values("step")[knob]) for knob, rows in own.groupby("knob")}
    assert steps == {
        "weight_decay": [0.0, 1e-4, 0.01],
        "batch_size": [64, 8],
        "penalty": [0.0, 0.01, 0.1],
        "learning_rate": [0.05, 0.1],
    }


def test_gains_compare_fitted_networks_only(ideal):
    gains = tables.gains(ideal)
    assert len(gains) == 2 * 2 * 2  # populations, seeds, momenta
    np.testing.assert_allclose(gains["gain"], 0.1)
    undertrained = changed(ideal, loss=lambda run: 1.0 if run["penalty"] == 0.1 else 0.01)
    left = tables.gains(undertrained)
    assert set(left["momentum"]) == {0.0}  # with momentum there is no other penalty
    np.testing.assert_allclose(left["gain"], 0.01)
    assert tables.gains(changed(ideal, loss=lambda run: 1.0)).empty


def test_rank_correlations_by_hand(ideal):
    found = tables.rank_correlations(ideal)
    assert len(found) == 4
    np.testing.assert_allclose(found[list(tables.COMPARED)], 1.0)
    turned = tables.rank_correlations(changed(ideal, v_test=strength))
    raw, same, *others = (turned[words] for words in tables.COMPARED)
    np.testing.assert_allclose(same, 1.0)  # of training rows
    np.testing.assert_allclose([raw, *others], -1.0)


def test_a_factor_on_the_last_weight_scales_the_complexity_alone():
    table = scale.scaled(1.0, 10.0, 0.25).set_index("factor")
    for factor in (10.0, 0.25):
        assert table["complexity"][factor] == pytest.approx(factor**2 * table["complexity"][1.0], rel=1e-12)
        for name in ("normalised_complexity", "v_f"):
            assert table[name][factor] == pytest.approx(table[name][1.0], rel=1e-12)


def test_the_scaled_map_is_measured_as_networks_are():
    """The same numbers from the network and the metrics of the core."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    x = 2 * generator.standard_normal((4, 10))[labels] + generator.standard_normal((120, 10))
    model = FeatureClassifier(10, width=24, depth=2, features=6, classes=2).double()
    first, last = (layer for layer in model.map.layers if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        for layer, width in ((first, 10), (last, 24)):
            layer.weight.copy_(torch.from_numpy(generator.standard_normal(layer.weight.shape) / width**0.5))
            layer.bias.zero_()
        rows = torch.from_numpy(x)
        squared, features = model.squared_jacobians(rows), model.map(rows)
    (found,) = scale.scaled(1.0).to_dict("records")
    assert found["complexity"] == pytest.approx(squared.mean().item(), rel=1e-12)
    pairs = class_distance_bound(features, labels, features, labels)
    assert found["v_f"] == pytest.approx(pairs["test"].mean(), rel=1e-12)
    means = torch.stack([features[labels == one].mean(0) for one in range(4)])
    own = [squared[labels == one].mean() for one in range(4)]
    fractions = [
        ((own[i] + own[j]) / (2 * (means[i] - means[j]).square().sum())).item() for i in range(4) for j in range(i)
    ]
    assert found["normalised_complexity"] == pytest.approx(np.mean(fractions), rel=1e-12)


def test_the_bound_holds_for_trained_networks_and_a_break_is_seen(trained):
    seen = CHECKS["variance_within_complexity"]({"page": trained}, thresholds())
    assert len(seen.rows) == 2  # the Gaussian classes
    assert seen.rows["holds"].all()
    broken = trained.descent.copy()
    first = trained.runs.loc[trained.runs["dataset"] == GAUSSIAN, "key"].iloc[0]
    chosen = (broken["key"] == first) & (broken["quantity"] == "class_complexity") & (broken["index"] == 4)
    assert chosen.sum() == 1
    broken.loc[chosen, "value"] /= 1000
    rows = CHECKS["variance_within_complexity"](
        {"page": dataclasses.replace(trained, descent=broken)}, thresholds()
    ).rows
    assert (~rows["holds"]).sum() == 1


def test_words_tell_what_the_tables_have(ideal):
    said = tables.words(ideal)
    ratios = tables.class_ratios(ideal)["ratio"]
    assert f"in {len(ratios)} of {len(ratios)} classes of {2 * EACH} networks" in said
    assert f"at most {ratios.max():.2g} times the bound.**" in said
    assert said.count("normalised complexity of test rows, V_f of test rows 1.00 ± 0.00") == 2
    assert "Pictures, momentum 0.9: a penalty of 0.1 moves few-shot accuracy on new classes by 0.10 ± 0.00" in said
    assert f"0 of {4 * EACH} networks have a training loss above 0.1." in said
    largest = max(math.exp(-0.2 * strength(run)) for run in ideal.runs.to_dict("records"))
    assert f"checked on test rows too: V_f is at most {largest:.2g} times its bound there." in said
    factor = math.exp(-100 * 0.01)
    assert f"weight decay from 0 to 0.01: {factor:.2g}, {factor**0.2:.2g}, {factor**0.4:.2g}; batch size" in said


def test_values_at_which_a_seed_is_not_fitted_are_left_out_of_the_words(ideal):
    """Means over the seeds of two values are compared, so both values need all seeds."""
    one_seed = changed(ideal, loss=lambda run: 1.0 if run["weight_decay"] == 0.01 and run["seed"] == 1 else 0.01)
    assert tables.words(one_seed).count("weight decay from 0 to 0.0001:") == 2


def test_figures_tell_their_numbers(ideal):
    slider = figures.settings(ideal)
    assert list(slider.pictures) == ["Gaussian classes", "pictures"]
    target = math.exp(-0.4 * (100 * 1e-4 + 8 + 1))
    assert f"batch size 64 complexity {math.exp(-2.01):.3g}" in slider.pictures["pictures"].alt
    assert f"and of new classes {target:.2g}" in slider.pictures["pictures"].alt
    assert "pictures, raw complexity, V_f of test rows: 1.00" in figures.complexity_and_collapse(ideal).alt
    assert "pictures, momentum 0.9, penalty 0.1: 0.600" in figures.few_shot_by_penalty(ideal).alt
    worst = tables.networks(ideal).query("momentum == 0.9 and penalty == 0.1")["ratio"].max()
    assert f"penalty 0.1, momentum 0.9 {worst:.2f}. The bound is 1." in figures.variance_over_bound(ideal).alt


def test_one_population_and_few_settings_are_enough(folder, tmp_path, monkeypatch):
    """A page of pictures only, with a base and one other network, has no bound and no penalty."""
    monkeypatch.setenv("NRC_DATA_DIR", str(folder))
    fewest = {name: [] for name in ("weight_decays", "batch_sizes", "penalties", "momenta")}
    one = SMALL | fewest | {"seeds": [0], "learning_rates": [0.05]}
    page = run(geometric_complexity([PICTURES], **one), store=Store(tmp_path))
    assert len(page.runs) == 2
    assert tables.class_ratios(page).empty
    assert "no bound is tested here" in tables.words(page)
    assert list(figures.settings(page).pictures) == ["pictures"]
    assert figures.complexity_and_collapse(page).alt
    assert figures.few_shot_by_penalty(page).alt


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"datasets": ["mnist"]}, "datasets must be of gaussian_classes, digits_and_clothes: got 'mnist'"),
        ({"datasets": []}, "datasets must be one or more different values"),
        ({"seeds": [1, 1]}, "seeds must be one or more different values"),
        ({"weight_decays": [1e-4]}, "values of weight_decay must differ from each other and from 0.0001"),
        ({"penalties": [0.1, 0.1]}, r"values of penalty must differ from each other and from 0: got \[0\.1, 0\.1\]"),
        ({"train_per_class": 501}, "train_per_class must be from 1 to the 500 rows there are of a class: got 501"),
        ({"learning_rates": [-1.0]}, "learning_rate must be positive"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        geometric_complexity(**given)
