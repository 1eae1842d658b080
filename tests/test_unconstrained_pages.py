"""The section on unconstrained features: flows and last layers in the store, their tables, figures and checks."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from nrc_core import RunConfig, Store, run
from nrc_core.claims.checks import CHECKS
from nrc_core.errors import ConfigError
from nrc_core.metrics.last_layer import last_layer
from nrc_core.metrics.sites import collect
from nrc_core.results.runs import stored
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.unconstrained_features import figures, tables
from nrc_core.sections.unconstrained_features.experiment import unconstrained_features
from nrc_core.theory.last_layer import form_distance

NETWORKS = {"datasets": ["synthetic"], "depths": [2, 3], "width": 8, "epochs": 2, "seeds": [0, 1]}


@pytest.fixture(scope="module")
def configs():
    return unconstrained_features(
        [1.5, 0.4, 0.2], products=[0.02, 0.3, 2.0], decays=[0.3, 0.1, 0.05], scales=[1.0, 0.01], samples=12, features=9,
        starts=2, **NETWORKS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(configs, tmp_path_factory):
    return run(configs, store=Store(tmp_path_factory.mktemp("store")))


def test_flows_and_networks_are_on_one_page(found, configs):
    assert len(configs) == 3 + 3 + 2 + 4
    assert found.runs["task"].value_counts().to_dict() == {"regression features": 8, "regression": 4}
    assert found.last_layer.groupby("key").ngroups == 4
    assert len(tables.flows(found)) == 16


def test_the_last_layer_is_measured_at_the_end_as_by_hand():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2, bias=False)).double()
    x, y = torch.randn(20, 4, dtype=torch.float64), torch.randn(20, 2, dtype=torch.float64)
    table = last_layer(collect(model, x, y, features=("post",))["post"])
    with torch.no_grad():
        h, w, errors = model[:2](x), model[2].weight, y - model(x)
    by_hand = {
        "weight_gram": w @ w.T,
        "target_covariance": torch.cov(y.T, correction=0),
        "error_covariance": torch.cov(errors.T, correction=0),
        "feature_energy": h.square().sum(1).mean().reshape(1, 1),
    }
    assert list(dict.fromkeys(table["quantity"])) == list(by_hand)
    for name, expected in by_hand.items():
        own = table[table["quantity"] == name].pivot(index="row", columns="column", values="value")
        np.testing.assert_allclose(own.to_numpy(), expected.detach().numpy(), atol=1e-12)


def test_a_network_without_a_last_weight_is_refused():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 2))
    sites = collect(model, torch.randn(9, 4), torch.randn(9, 2), features=("post",))["post"]
    with pytest.raises(ValueError, match="the site before the output must have a weight: 'output' has none"):
        last_layer([sites[-1], sites[-1]])


def test_a_stored_network_without_its_last_layer_is_measured_again(tmp_path):
    """The last layer changes no other number, so both have one key."""
    store, plain = (
        Store(tmp_path),
        RunConfig("synthetic", 2, 0.05, 0.001, width=8, depth=2, dataset_options={"samples": 60}),
    )
    wanted = dataclasses.replace(plain, last_layer=True)
    first = run([plain], store=store)
    assert stored([wanted], store=store)[1] == 1
    again = run([wanted], store=store)
    assert again.runs["key"].tolist() == first.runs["key"].tolist()
    pd.testing.assert_frame_equal(first.measurements, again.measurements)
    assert not again.last_layer.empty
    assert stored([plain], store=store)[1] == stored([wanted], store=store)[1] == 0


def test_every_flow_stands_beside_the_minimum(found):
    table = tables.flows(found)
    to_minimum = table[table["kind"] == tables.TO_MINIMUM].sort_values("product")
    assert list(dict.fromkeys(to_minimum["regime"])) == ["all directions kept", "some kept", "none kept"]
    np.testing.assert_allclose(to_minimum["loss"], to_minimum["loss_expected"], atol=1e-8)
    assert to_minimum["gram_error"].max() < 1e-6
    kept = to_minimum[to_minimum["regime"] == "all directions kept"]
    np.testing.assert_allclose(kept["gamma"], 0.02, atol=1e-6)
    np.testing.assert_allclose(np.vstack(kept["kept"]), [np.sqrt([1.5, 0.4, 0.2]) - np.sqrt(0.02)] * 2, atol=1e-6)
    lines = tables.expected(found)
    assert lines.query("root > 1.23")["kept"].max() == 0
    assert lines.query("direction == 1")["error_variance"].max() == pytest.approx(0.4)


def test_the_time_to_collapse_is_read_between_measurements():
    times, values = np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.1, 0.001])
    assert tables._first_below(times, values, 0.01) == pytest.approx(1.5)
    assert np.isnan(tables._first_below(times, values, 1e-4))
    assert np.isnan(tables._first_below(times, values, 2.0))


def test_the_checks_hold_for_these_flows(found):
    expected = {
        "flow_meets_minimum": ["all directions kept", "some kept", "none kept"],
        "form_with_the_decays": ["all directions kept"],
        "form_fails": ["some kept"],
        "noise_stays_without_decay": ["starts of size 1", "starts of size 0.01"],
        "small_start_looks_collapsed": ["flows"],
        "time_goes_as_one_over_decay": ["flows"],
        "imbalance_decays": ["flows"],
    }
    for name, groups in expected.items():
        rows = CHECKS[name]({"page": found}, thresholds()).rows
        assert list(dict.fromkeys(rows["group"])) == groups, name
        assert rows["holds"].all(), name
        assert len(rows) == 2 * len(groups), name


@pytest.mark.parametrize(
    ("check", "quantity", "value"),
    [
        ("flow_meets_minimum", "loss", 5.0),
        ("flow_meets_minimum", "weight_gram", 3.0),
        ("form_with_the_decays", "weight_gram", 3.0),
        ("noise_stays_without_decay", "noise", 0.0),
        ("small_start_looks_collapsed", "nrc1", 0.2),
        ("imbalance_decays", "imbalance_error", 0.1),
    ],
)
def test_each_check_fails_for_a_start_that_ends_elsewhere(found, check, quantity, value):
    changed = found.descent.copy()
    changed.loc[last_of(changed, quantity) & (changed["start"] == 1), "value"] = value
    rows = CHECKS[check]({"page": dataclasses.replace(found, descent=changed)}, thresholds()).rows
    held = rows.groupby("seed")["holds"].all()
    assert held.to_dict() == {0: True, 1: False}


def last_of(table: pd.DataFrame, quantity: str) -> pd.Series:
    """The rows with the last index of a quantity; all entries of a matrix but the last stay."""
    own = table["quantity"] == quantity
    return own & (table["index"] == table.loc[own, "index"].max())


def test_a_form_that_fits_everywhere_would_be_noticed(found):
    """Where some directions are lost, a weight of the form with gamma = 0.1 breaks the claim that no gamma fits."""
    changed = found.descent.copy()
    gram = np.diag(np.sqrt([1.5, 0.4, 0.2]) - 0.1**0.5).ravel()
    for place, value in enumerate(gram):
        changed.loc[(changed["quantity"] == "weight_gram") & (changed["index"] == place), "value"] = value
    rows = CHECKS["form_fails"]({"page": dataclasses.replace(found, descent=changed)}, thresholds()).rows
    assert not rows["holds"].any()


def test_two_targets_say_nothing_about_the_form_where_one_is_lost(tmp_path):
    """A weight of rank one has the form with gamma equal to the least variance, whatever the decays are."""
    two = unconstrained_features([1.5, 0.4], products=[0.9], samples=12, features=5, starts=1)[:1]
    page = run(two, store=Store(tmp_path))
    assert tables.flows(page)["form"].max() < 1e-10
    assert CHECKS["form_fails"]({"page": page}, thresholds()).rows.empty


def test_times_that_do_not_scale_are_noticed(found):
    changed = found.descent.copy()
    slow = found.runs.loc[found.runs["weight_decay"] == 0.05, "key"].iloc[0]
    late = (changed["key"] == slow) & (changed["quantity"] == "nrc1") & (changed["index"] < 70)
    changed.loc[late, "value"] = 0.9
    rows = CHECKS["time_goes_as_one_over_decay"](
        {"page": dataclasses.replace(found, descent=changed)}, thresholds()
    ).rows
    assert not rows["holds"].any()


def test_last_layers_of_networks_stand_beside_the_theory(found):
    table = tables.last_layers(found)
    assert table.groupby("depth").size().to_dict() == {2: 2, 3: 2}
    one = table.iloc[0]
    rows = found.last_layer[found.last_layer["key"] == one["key"]]
    gram, covariance, _, energy = (tables._matrix(rows, name) for name in dict.fromkeys(rows["quantity"]))
    decay = one["weight_decay"] * len(gram) / 2
    assert one["product"] == pytest.approx(decay**2 * np.trace(gram) / energy.item())
    assert one["product"] < np.linalg.eigvalsh(covariance)[0]  # so the minimum has the form of NRC3
    assert one["distance"] == pytest.approx(form_distance(gram, covariance, one["product"]))
    entries = [np.array(one[name]) for name in ("measured", "expected")]
    assert ((entries[0] - entries[1]) ** 2).sum() == pytest.approx(one["distance"])


@pytest.mark.parametrize(("off", "holds"), [(0.0, True), (1.0, False)])
def test_a_last_weight_has_the_form_of_the_theory_or_not(found, off, holds):
    """The weight of the theory, and the same with its directions in the wrong order."""
    changed = found.last_layer.copy()
    for key, rows in changed.groupby("key"):
        covariance = tables._matrix(rows, "target_covariance")
        values, vectors = np.linalg.eigh(covariance)
        sizes = np.sqrt(values[::-1] if off else values)
        gram = (vectors * sizes) @ vectors.T
        own = (changed["key"] == key) & (changed["quantity"] == "weight_gram")
        changed.loc[own, "value"] = gram[changed.loc[own, "row"], changed.loc[own, "column"]]
    rows = CHECKS["last_weight_has_the_form"](
        {"page": dataclasses.replace(found, last_layer=changed)}, thresholds()
    ).rows
    assert rows["holds"].eq(holds).all()
    assert set(rows["group"]) == {"synthetic, 2 layers", "synthetic, 3 layers"}


def test_the_form_of_shared_decay_depends_on_the_depth(found):
    """Weights with the power 1 / 3 of the covariance hold for three layers, and less for two."""
    changed = found.last_layer.copy()
    for key, rows in changed.groupby("key"):
        values, vectors = np.linalg.eigh(tables._matrix(rows, "target_covariance"))
        gram = (vectors * values ** (1 / 3)) @ vectors.T
        own = (changed["key"] == key) & (changed["quantity"] == "weight_gram")
        changed.loc[own, "value"] = gram[changed.loc[own, "row"], changed.loc[own, "column"]]
    page = dataclasses.replace(found, last_layer=changed)
    rows = CHECKS["last_weight_shares_the_decay"]({"page": page}, thresholds()).rows
    values = rows.groupby("group")["value"].max()
    assert values["synthetic, 3 layers"] < 1e-12 < 1e-3 < values["synthetic, 2 layers"]


def test_errors_are_compared_with_what_free_features_would_leave(found):
    rows = CHECKS["errors_beyond_the_decays"]({"page": found}, thresholds()).rows
    assert rows["value"].tolist() == tables.last_layers(found)["errors_over_product"].tolist()
    assert rows["holds"].all()


def test_figures_and_words_tell_what_the_tables_have(found):
    words = tables.words(found)
    assert "3 at c = 0.02; 2 at c = 0.3; 0 at c = 2" in words
    assert "synthetic, 2 layers: " in words
    assert "Directions kept: 3 at c = 0.02, 2 at c = 0.3, 0 at c = 2." in figures.kept_by_decay(found).alt
    times = tables.flows(found).query("kind == @tables.EQUAL")["scaled_time"]
    assert f"{times.min():.2f} to {times.max():.2f}" in figures.time_to_collapse(found).alt
    assert "times the bound" in figures.noise_by_start(found).alt
    assert "median: synthetic " in figures.last_weights(found).alt


def test_the_slider_shows_what_is_kept_at_each_c(found):
    slider = figures.directions_by_decay(found)
    assert list(slider.pictures) == ["0.02", "0.3", "2"]
    deviations = np.sqrt([1.5, 0.4, 0.2])
    kept = (deviations - 0.3**0.5).clip(min=0)
    told = ", ".join(f"{one:.2f} of {whole:.2f}" for one, whole in zip(kept, deviations, strict=True))
    assert f"keeps {told} of" in slider.pictures["0.3"].alt


def test_a_start_that_does_not_look_collapsed_is_not_said_to():
    assert tables._start_words(pd.Series({0.01: 3e-4, 1.0: 0.6})) == (
        "* Yet a small start looks collapsed: without decay, NRC1 ends at 0.0003 from starts of size 0.01 and 0.6 from "
        "starts of size 1."
    )
    assert tables._start_words(pd.Series({1.0: 0.6})) == "* Without decay, NRC1 ends at 0.6 from starts of size 1."


def test_equal_variances_are_two_directions(tmp_path):
    equal = unconstrained_features([1.0, 1.0], products=[0.1], samples=12, features=5, starts=1)[:1]
    page = run(equal, store=Store(tmp_path))
    assert "keeps 0.68 of 1.00, 0.68 of 1.00 of" in figures.directions_by_decay(page).pictures["0.1"].alt
    assert "Directions kept: 2 at c = 0.1." in figures.kept_by_decay(page).alt


def test_flows_without_noise_have_no_time_to_collapse(tmp_path):
    """With as many features as targets there is no direction for noise."""
    given = {"products": [0.1], "decays": [0.1, 0.05], "scales": [1.0], "samples": 12, "features": 2, "starts": 1}
    page = run(unconstrained_features([1.0, 0.5], **given)[:4], store=Store(tmp_path))
    words = tables.words(page)
    assert "Collapse takes" not in words
    assert "cannot go away" not in words
    assert CHECKS["time_goes_as_one_over_decay"]({"page": page}, thresholds()).rows.empty


def test_a_page_without_networks_is_about_flows_only(found):
    alone = found.where(task="regression features")
    assert tables.last_layers(alone).empty
    assert "trained networks" not in tables.words(alone)
    assert CHECKS["last_weight_has_the_form"]({"page": alone}, thresholds()).rows.empty


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"variances": [1.0, -1.0]}, "variances must be one or more positive numbers"),
        ({"products": [0.1, 0.1]}, "products must be one or more different values"),
        ({"decays": [0.0]}, "decays must be positive"),
        ({"scales": []}, "scales must be one or more different values"),
        ({"starts": 0}, "starts must be a whole number, at least 1"),
        ({"depths": []}, "depths must be one or more different values"),
        ({"datasets": []}, "datasets must be one or more different values"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        unconstrained_features(**given)
