"""The names of variants and their results, on networks with known numbers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from nrc_core import Results, Store, run
from nrc_core.sections.what_decides_collapse.experiment import what_decides_collapse
from nrc_core.sections.what_decides_collapse.figures import cone, noise_before_and_after, variants
from nrc_core.sections.what_decides_collapse.tables import at_last_site, by_variant, variant_names, words
from nrc_core.theory.bounds import cone_noise
from tests.pictures import check_picture


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    """The recipe and one variant of each kind, with two networks each and three targets."""
    options = {"init_scales": [0.5], "depths": [4], "widths": [16], "epochs": 2, "samples": 60, "seeds": [0, 1]}
    configs = what_decides_collapse("synthetic", **options)
    small = [dataclasses.replace(config, width=16 if config.width == 16 else 20) for config in configs]
    return run(small, store=Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def known(results) -> Results:
    """All four conditions hold everywhere, except with a bias, and at site 0 of the recipe's second network."""
    m = results.label(results.measurements, "bias").assign(
        nrc1=0.01, nrc2=0.95, nrc3=0.95, nrc4=0.2, network_mse=0.1, target_variance=2.0,
        feature_effective_rank=3, target_effective_rank=3,
    )  # fmt: skip
    m.loc[m["features"] == "pre", "nrc1"] = 0.002
    m.loc[m["bias"] & (m["features"] == "post"), "nrc1"] = 0.3
    m.loc[m["bias"] & (m["name"] == "output") & (m["seed"] == 1), "feature_effective_rank"] = 1
    m.loc[(m["key"] == results.runs["key"].iloc[1]) & (m["site"] == 0), "nrc3"] = 0.5
    return Results(**{**vars(results), "measurements": m.drop(columns="bias")})


NAMES = ["the recipe", "with a bias", "initial weights x 0.5", "4 layers", "16 wide"]


def test_variants_are_named_by_how_they_differ_from_the_first(results):
    assert variant_names(results).tolist() == [name for name in NAMES for _ in range(2)]
    later = results.where(depth=4)
    assert variant_names(later).tolist() == ["the recipe"] * 2


def test_several_differences_and_a_bias_left_out():
    runs = pd.DataFrame(
        {"key": ["a", "b"], "bias": [True, False], "init_scale": [2.0, 3.0], "depth": [8, 8], "width": [64, 32],
         "weight_decay": 0.1, "dataset_options": [{}, {"target_scale": "raw", "teacher_seed": 0, "seed": 3}]}
    )  # fmt: skip
    empty = pd.DataFrame()
    found = variant_names(Results(runs, empty, empty, empty, provenance={}))
    assert found.to_dict() == {
        "a": "the recipe",
        "b": "without a bias, initial weights x 1.5, 32 wide, raw targets, split 3",
    }


def test_the_last_site_of_every_network(known):
    table = at_last_site(known)
    assert table["variant"].tolist() == [name for name in NAMES for _ in range(2)]
    assert table["site"].tolist() == [7, 7, 7, 7, 7, 7, 3, 3, 7, 7]
    # The limit of NRC4 is 2 * 0.1 + 0.01 * 2.
    np.testing.assert_allclose(table["error_share"], 0.2 / 0.22)
    assert (table["before"] == 0.002).all()
    s = known.final_spectra()
    row = table.iloc[6]
    assert row["at_2t"] == s[(s["key"] == row["key"]) & (s["site"] == 3) & (s["k"] == 6)]["nrc1"].item()


def test_features_that_vanish_have_no_noise_not_that_of_the_site_before(known):
    m = known.measurements.copy()
    m.loc[m["site"] == 7, "nrc1"] = np.nan
    table = at_last_site(Results(**{**vars(known), "measurements": m}))
    assert table["nrc1"].isna().tolist() == [True] * 6 + [False] * 2 + [True] * 2
    assert table["site"].tolist() == [7, 7, 7, 7, 7, 7, 3, 3, 7, 7]


def test_networks_that_learned_nothing_are_told_from_those_that_over_collapsed(known):
    m = known.measurements.copy()
    lost = m["key"].isin(known.runs["key"].iloc[2:4])  # the networks with a bias
    m.loc[lost, "network_mse"] = 2.0
    m.loc[lost, ["nrc1", "nrc2", "nrc3"]] = np.nan
    changed = Results(**{**vars(known), "measurements": m})
    assert "Over-collapsed: 0 of 10 networks." in words(changed)
    assert "Nothing learned, so no targets to collapse to: 2 of 10 networks: with a bias (2 of 2)." in words(changed)
    assert "with a bias, median noise undefined" in variants(changed).alt
    assert "Nothing learned" not in words(known)


def test_the_table_by_variant(known):
    table = by_variant(known)
    assert table.index.tolist() == NAMES
    assert table["networks"].tolist() == [2] * 5
    assert table["all_four"].tolist() == ["0, 1", "no, no", "0, 0", "0, 0", "0, 0"]
    assert table["noise_after"].tolist() == [0.01, 0.3, 0.01, 0.01, 0.01]
    assert table["noise_before"].tolist() == [0.002] * 5
    assert table["over_collapsed"].tolist() == [0, 1, 0, 0, 0]
    np.testing.assert_allclose(table["unexplained"], 0.05)


def test_the_words_follow_the_numbers(known):
    text = words(known)
    assert "hold below the last layer in 8 of 10 networks: the recipe (2 of 2), initial weights x 0.5 (2 of 2)" in text
    assert "at most 0.05 before the activation, but not after it, in 2 of 10 networks: with a bias (2 of 2)." in text
    assert "Over-collapsed: 1 of 10 networks: with a bias (1 of 2)." in text
    calm = Results(**{**vars(known), "measurements": known.measurements.assign(nrc1=0.9)})
    assert "hold below the last layer in 0 of 10 networks.\n" in words(calm)


@pytest.mark.parametrize("draw", [variants, noise_before_and_after, cone])
def test_figures_are_vector_graphics_with_words(known, draw):
    check_picture(lambda: draw(known))


def test_the_message_follows_the_numbers(known):
    assert "NRC1 holds in 8 of 10, NRC2 holds in 10 of 10" in variants(known).alt
    assert "over-collapsed: 1. The recipe, median noise 0.01; with a bias, median noise 0.3" in variants(known).alt
    assert "The activation adds noise in 10 of 10 networks" in noise_before_and_after(known).alt
    assert "with a bias: 0.002 before, 0.3 after" in noise_before_and_after(known).alt


def test_the_curves_in_the_rank_are_those_of_the_last_site(known):
    s = known.spectra
    last = s["site"].eq(7) & s["features"].eq("post")
    shares = np.where(last, 1 / s["k"], 0.7)
    alt = cone(Results(**{**vars(known), "spectra": s.assign(nrc1=shares)})).alt
    assert "t = 3. The recipe: 0.33 at t, 0.17 at 2t; before the activation 0.7 at t. With a bias: 0.33 at t" in alt
    alone = cone(known.where(bias=False)).alt
    assert "With a bias" not in alone


def test_balanced_pairs_of_independent_gaussian_signals_have_the_noise_of_the_dashed_line():
    signals = np.random.default_rng(0).standard_normal((200_000, 2))
    pairs = np.concatenate([signals, -signals], axis=1).clip(min=0)
    values = np.linalg.eigvalsh(np.cov(pairs.T))[::-1]
    assert values[2:].sum() / values.sum() == pytest.approx(cone_noise(), abs=5e-3)
    assert values[3] > 0.1 * values[0]  # rank 2t, not t
