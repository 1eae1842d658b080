"""Text and figures of a page on ResNets: both readings, two kinds of sites, and data that stand in for other data."""

import math

import pandas as pd
import pytest

from nrc_core import Store, deep_nrc_resnet, run
from nrc_core.results import criteria
from nrc_core.results.criteria import is_inner, residual_stream, weight_sites
from nrc_core.sections import network_figures, page_parts
from nrc_core.sections.experiments import EXPERIMENTS
from tests.fakes import prepare_images

STAGES = [f"layer{stage}.{block}.conv{conv}" for stage in (1, 2, 3, 4) for block in (0, 1) for conv in (1, 2)]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    prepare_images(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NRC_DATA_DIR", str(folder / "data"))
        configs = EXPERIMENTS["weight_decay"]("car_racing", weight_decays=[0.0, 0.1], width=4, epochs=6, seeds=[0, 1])
        return run(configs, store=Store(folder / "store"))


def test_the_views_of_a_resnet(results):
    views = results.measurements.groupby(["split", "features"]).size()
    assert views.to_dict() == {("test", "post"): 72, ("train", "positions"): 72, ("train", "post"): 72}
    names = weight_sites(results.final()).drop_duplicates("site")["name"]
    assert names.tolist() == [*STAGES, "fc"]


def test_readings_differ_where_there_are_positions_and_agree_where_there_are_none(results):
    post, each = (
        weight_sites(results.final(features=kind)).set_index(["key", "site"]) for kind in ("post", "positions")
    )
    different = (post["nrc1"] - each["nrc1"]).abs() > 1e-9
    assert different.groupby("site").all().tolist() == [True] * 16 + [False]  # the head is after the pooling
    assert (post["weight_stable_rank"] - each["weight_stable_rank"]).abs().max() == 0


def test_the_residual_stream_is_half_of_the_sites_and_keeps_its_numbers(results):
    stream = residual_stream(results)
    kept = weight_sites(stream.final())
    assert kept["name"].unique().tolist() == [name for name in [*STAGES, "fc"] if not name.endswith("conv2")]
    whole = weight_sites(results.final())
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), whole[~is_inner(whole["name"])].reset_index(drop=True))
    assert len(criteria.summary(stream)) == len(criteria.summary(results)) == 4


def test_the_setting_says_what_stands_in_and_what_is_smaller(results):
    text = page_parts.setting(results)
    assert "car_racing (stand-in): noise |" in text
    assert "32 x 36 x 3 pixels, 40 for training, 8 for test, blocked split" in text
    assert "ResNet-18 from scratch, 4 channels in its first stage, linear head" in text
    assert "weight decay 0 or 0.1, batches of 128, 6 epochs" in text
    assert "**Not the paper's Appendix A for CARLA, which these data stand in for**: width 4, there 64" in text


def test_runs_that_are_older_than_a_field_have_its_default(results):
    text = page_parts.setting(results)
    younger = ("precision", "head", "architecture")
    for record in results.provenance.values():
        record["config"] = {name: value for name, value in record["config"].items() if name not in younger}
    assert page_parts.setting(results) == text


def test_the_doubts_say_what_weight_decay_can_do_at_all(results):
    """One step of 40 images an epoch; rates 0.01, 0.001 and 0.0001, two epochs each; momentum 0.9."""
    share = 1 - math.exp(-0.1 * 2 * (0.01 + 0.001 + 0.0001) / (1 - 0.9))
    text = page_parts.caveats(results)
    assert f"0.00% at 0, {share:.2%} at 0.1." in text
    assert "CarRacing stands in for CARLA" in text
    assert "6 laps of a scripted driver (100% driven)" in text
    assert "a random split" not in text
    leaking = results.where(weight_decay=0.0)
    leaking.runs["split"] = "random"
    assert "fall on both sides of a random split" in page_parts.caveats(leaking)


def test_faces_are_spoken_of_in_years(results):
    key = results.runs["key"].iloc[0]
    data = dict(results.provenance[key]["data"]) | {"kind": "real", "target_spread": [20.0], "skipped": {"torn": 3}}
    record = results.provenance[key] | {"data": data}
    faces = results.where(key=key)
    faces.provenance[key] = record
    faces.runs["dataset"] = "utkface"
    text = page_parts.caveats(faces)
    train = faces.final().iloc[0]["network_mse"] * 400
    assert f"In years squared the mean squared error is {train:.3g} in training" in text
    assert "the ages have a variance of 400" in text
    assert "3 faces were left out: torn" in text
    assert "stands in" not in text


def test_ages_in_years_give_the_same_errors_as_standardised_ages_and_logarithms_none(results):
    key = results.runs["key"].iloc[0]
    data = results.provenance[key]["data"] | {"kind": "real", "target_spread": [20.0], "skipped": {}}
    texts = {}
    for scale, square in (("standardised", 1), ("raw", 400), ("log", 1)):
        faces = results.where(key=key)
        faces.provenance[key] = results.provenance[key] | {"data": data}
        faces.runs["dataset"], faces.runs["dataset_options"] = "utkface", [{"target_scale": scale}]
        faces.measurements[["network_mse", "target_variance"]] *= square
        words = {"raw": ", targets in their own unit |", "log": ", standardised logarithms of the targets |"}
        assert words.get(scale, "(real): noise |") in page_parts.setting(faces)
        texts[scale] = [line for line in page_parts.caveats(faces).splitlines() if "In years squared" in line]
    assert len(texts["standardised"]) == 1
    assert texts["raw"] == texts["standardised"]
    assert texts["log"] == []


def test_simulated_data_need_no_expert(results):
    key = results.runs["key"].iloc[0]
    data = {name: value for name, value in results.provenance[key]["data"].items() if name != "expert"}
    spring = results.where(key=key)
    spring.provenance[key] = results.provenance[key] | {"data": data | {"kind": "simulated"}}
    spring.runs["dataset"], spring.runs["split"] = "spring", "random"
    text = page_parts.caveats(spring)
    assert "fall on both sides of a random split" in text
    assert "expert" not in text


def test_the_layers_are_listed_by_number(results):
    text = page_parts.sites(results)
    assert "| 0 | `layer1.0.conv1` | 4 | residual stream |" in text
    assert "| 15 | `layer4.1.conv2` | 32 | inside a block |" in text
    assert "| 16 | `fc` | 32 | residual stream |" in text


def test_figures_show_the_readings_there_are(results):
    one = results.where(weight_decay=0.1)
    conditions, views = network_figures.conditions(one), network_figures.views(one)
    assert "every position a sample" in views.alt
    assert "before the activation" not in views.alt
    assert views.alt.count("training") == 2
    assert conditions.svg.count("<path") > network_figures.conditions(residual_stream(one)).svg.count("<path")
    noise = weight_sites(one.final("test")).query("site == 16")["nrc1"].mean()
    assert f"{noise:.2g} (test" in views.alt


def test_the_words_leave_out_what_was_not_measured(results):
    text = criteria.words(results.where(weight_decay=0.0))
    assert "Noise at the last site, 16:" in text
    assert "after the activation" in text
    assert "before it" not in text


def test_a_page_of_one_resnet_has_the_recipe_of_carla():
    (config,) = deep_nrc_resnet("car_racing")
    (other,) = deep_nrc_resnet("carla2d")
    assert (config.width, config.depth, config.learning_rate) == (other.width, other.depth, other.learning_rate)
    assert config.dataset_options == {"split": "blocked"}
    assert other.dataset_options == {"split": "random"}
