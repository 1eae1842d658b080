"""The text follows from the numbers, and the figures contain their message."""

import dataclasses
import importlib

import pandas as pd
import pytest
from matplotlib import rc_params_from_file

from nrc_core import Store, deep_nrc_mlp, run
from nrc_core.results.criteria import first_site, holds, summary, verdicts, words
from nrc_core.results.results import Results
from nrc_core.sections import canvas, network_figures, page_parts
from nrc_core.sections.four_conditions.figures import collapsing_cloud
from tests.fakes import network
from tests.fakes import results as made
from tests.pictures import check_picture


def sites(**columns: list) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    base = {
        "key": "k",
        "seed": 0,
        "site": range(n),
        "name": [*[f"layer{i}" for i in range(n - 1)], "output"],
        "nrc1": 0.0,
        "nrc2": 1.0,
        "nrc3": 1.0,
        "nrc4": 0.0,
        "network_mse": 0.1,
        "target_variance": 1.0,
        "feature_effective_rank": 2,
        "target_effective_rank": 2,
    }
    return pd.DataFrame(base | columns)


def test_thresholds_include_their_limit():
    table = sites(nrc1=[0.05, 0.0501], nrc2=[0.9, 0.8999], nrc3=[0.9, 0.8999], nrc4=[0.21, 0.2101])
    flags = holds(table)
    assert flags.iloc[0].all()
    assert not flags.iloc[1].any()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [([True, True], 0), ([True, False, True], 2), ([True, False], None), ([False], None)],
)
def test_first_site(flags, expected):
    assert first_site(pd.Series(flags), pd.Series(range(len(flags)))) == expected


def test_the_output_is_no_layer():
    verdict = verdicts(sites(nrc1=[0.5, 0.5, 0.0])).loc["k"]
    assert pd.isna(verdict["nrc1"])
    assert verdict["last_site"] == 1


def test_four_conditions_together():
    verdict = verdicts(sites(nrc1=[0.5, 0.0, 0.0, 0.0], nrc3=[1.0, 0.5, 1.0, 1.0])).loc["k"]
    assert verdict[["nrc1", "nrc2", "nrc3", "nrc4"]].tolist() == [1, 0, 2, 0]
    assert verdict["collapsed_from"] == 2
    assert not verdict["deep"]
    assert verdicts(sites(nrc1=[0.0] * 3)).loc["k", "deep"]
    assert not verdicts(sites(nrc2=[0.0] * 3)).loc["k", "deep"]


def test_over_collapse_is_an_output_of_fewer_directions():
    assert verdicts(sites(feature_effective_rank=[2, 2, 1])).loc["k", "over_collapsed"]
    assert not verdicts(sites(feature_effective_rank=[1, 1, 2])).loc["k", "over_collapsed"]


def test_over_collapse_does_not_count_as_collapse():
    """All conditions hold at all sites, but the output has one direction for targets of two."""
    verdict = verdicts(sites(feature_effective_rank=[2, 2, 1])).loc["k"]
    assert verdict[["nrc1", "nrc2", "nrc3", "nrc4"]].tolist() == [0, 0, 0, 0]
    assert pd.isna(verdict["collapsed_from"])
    assert not verdict["deep"]


def test_constant_targets_leave_nothing_to_explain():
    assert pd.isna(verdicts(sites(target_variance=[0.0] * 3)).loc["k", "unexplained"])


def test_each_network_has_a_row_in_the_order_of_the_measurements():
    both = pd.concat([sites(nrc1=[0.5, 0.0, 0.0]).assign(key="z"), sites(nrc1=[0.0] * 4).assign(key="a")])
    assert verdicts(both)["nrc1"].to_dict() == {"z": 1, "a": 0}
    assert verdicts(both).index.tolist() == ["z", "a"]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    options = {"samples": 80, "width": 8, "depth": 4, "epochs": 5, "measurements": 3, "seeds": [0, 1]}
    return run(deep_nrc_mlp("synthetic", **options), store=Store(tmp_path_factory.mktemp("store")))


def with_final(results: Results, **columns: float) -> Results:
    return Results(**{**vars(results), "measurements": results.measurements.assign(**columns)})


def test_words_for_a_collapsed_network(results):
    text = words(with_final(results, nrc1=0.01, nrc2=0.95, nrc3=0.95, nrc4=0.0))
    assert "**appears in every network here**" in text
    assert "holds from site 0 to the last (3) in 2 of 2 networks" in text


def test_words_for_a_network_that_learned_nothing(results):
    text = words(with_final(results, nrc4=1.0, network_mse=0.995, target_variance=1.0))
    assert "**Doubt**: 2 of 2 networks predict little but the mean of the targets" in text
    assert "Doubt" not in words(with_final(results, network_mse=0.98, target_variance=1.0))


def test_words_for_fewer_rows_than_features(results):
    provenance = {
        key: record | {"data": record["data"] | {"n_train": rows}}
        for (key, record), rows in zip(results.provenance.items(), (4, 400), strict=True)
    }
    learned = with_final(results, width=5, network_mse=0.1, target_variance=1.0)
    few = dataclasses.replace(learned, provenance=provenance)
    assert "**Doubt** at sites 0, 1, 2, 3: no more different rows (4) than features: NRC4 is low" in words(few)
    assert "**Doubt** at sites 0, 1, 2, 3: no more different rows (4) than r + 1 = 4: NRC1 is 0" in words(few)
    assert "Doubt" not in words(learned)


def test_words_for_a_network_that_is_not(results):
    text = words(with_final(results, nrc1=0.01, nrc2=0.5, nrc3=0.95, nrc4=0.0))
    assert "**does not appear here**; what fails below it: Signal-target alignment (NRC2)" in text
    assert "**does not hold** at the last site of any of 2 networks" in text


def test_words_for_over_collapse(results):
    text = words(with_final(results, feature_effective_rank=1, target_effective_rank=3))
    assert (
        "**Over-collapse** in 2 of 2 networks: 99 % of the output's variance lies in 1, of the targets' in 3 directions"
        in text
    )
    lost = with_final(results, nrc1=0.01, nrc2=0.95, nrc3=0.95, nrc4=0.0, target_effective_rank=99)
    assert "**does not appear here**" in words(lost)
    assert "collapse, all four conditions below the last layer, in 0 of 2" in network_figures.strip(lost).alt
    assert "No layer is collapsed at the end" in network_figures.losses(lost).alt


def test_the_summary_has_a_row_a_network(results):
    table = summary(with_final(results, nrc1=0.01, nrc3=0.1))
    assert table["NRC1"].tolist() == ["0 to 3"] * 2
    assert table["NRC3"].tolist() == ["no"] * 2


def test_reports_say_where_they_leave_the_paper(results):
    assert "The paper states no network" in page_parts.setting(results)
    runs = {**vars(results)}
    key = results.runs["key"].iloc[0]
    record = results.provenance[key]
    data = {**record["data"], "kind": "real"}
    runs["provenance"] = {key: {**record, "data": data}}
    runs["runs"] = results.runs.assign(dataset="sgemm")
    text = page_parts.setting(Results(**runs))
    assert "**Not the paper's Appendix A**" in text
    assert "width 8, there 512" in text
    assert "epochs 5, there 200" in text


def test_a_smaller_network_for_targets_of_rank_two_is_said_to_be_one(results):
    runs = results.runs.assign(dataset_options=[{"target_dim": 10}] * len(results.runs))
    text = page_parts.setting(Results(**{**vars(results), "runs": runs.assign(width=128, depth=10)}))
    assert "**Not the paper's**: width 128, there 1024. The paper states depth, width and teacher" in text
    text = page_parts.setting(Results(**{**vars(results), "runs": runs.assign(width=1024, depth=10)}))
    assert "Not the paper's" not in text and "The paper states depth, width and teacher" in text


def test_reports_name_failures_and_keys(results):
    failed = Results(**{**vars(results), "failures": {"synthetic, seed 9": "the loss became nan"}})
    assert "No result for synthetic, seed 9: the loss became nan" in page_parts.caveats(failed)
    assert results.runs["key"].iloc[1] in page_parts.provenance(results)


def test_provenance_has_a_column_of_devices_only_where_they_differ(results):
    one = results.runs["device"].iloc[0]
    assert f"Computed on {one}. Code: commit" in page_parts.provenance(results)
    assert page_parts.provenance(results).count(one) == 1
    mixed = results.runs.assign(device=["a GPU", *results.runs["device"].iloc[1:]], date="2026-11-22T05:04:39+00:00")
    text = page_parts.provenance(Results(**{**vars(results), "runs": mixed}))
    assert "| device |" in text and "| a GPU |" in text and "Computed on" not in text
    assert text.count("| 2026-11-22 05:04 |") == len(mixed)


DRAWN = ["strip", "conditions", "losses", "stable_ranks", "dynamics", "spectrum", "views"]


@pytest.mark.parametrize("name", DRAWN)
def test_figures_are_vector_graphics_with_words(results, name):
    check_picture(lambda: getattr(network_figures, name)(results))
    picture = getattr(network_figures, name)(results)
    data, metadata = picture._repr_mimebundle_()
    assert metadata["image/svg+xml"]["alt"] == picture.alt
    assert data["image/svg+xml"] == picture.svg
    assert len(repr(picture)) < 600


def test_the_figure_of_the_landing_page_has_its_message_in_words(results):
    three_curves = importlib.import_module("book.builder.assemble").three_curves
    check_picture(lambda: three_curves(results))
    assert "Three curves by layer. NRC1 " in three_curves(results).alt


def test_texts_and_lines_have_a_grey_that_is_visible_on_light_and_on_dark_pages():
    style = rc_params_from_file(canvas.STYLE, use_default_template=False)
    assert {style[name] for name in style if name.endswith("color") and "face" not in name} == {canvas.NEUTRAL}
    assert {style[name] for name in style if name.endswith("facecolor")} == {"none"}


def test_titles_are_computed(results):
    assert "NRC2 fails at the last site" in network_figures.conditions(with_final(results, nrc2=0.2)).alt
    assert "NRC2 holds from site 0 on" in network_figures.conditions(with_final(results, nrc2=0.95)).alt


def test_the_worked_example_closes_in_on_a_line():
    numbers = [float(part.split(",")[0].rstrip(".")) for part in collapsing_cloud(0, 200).alt.split("= ")[1:]]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[-1] < 0.01


def test_the_test_error_is_told_as_a_share_of_the_training_variance():
    """Targets in years, say: a variance of 400, errors of 20 and 100."""
    own = made(network(train=20.0, test=100.0, target_variance=400.0))
    own.provenance[own.runs["key"].iloc[0]] = {"data": {"n_train": 800}}
    text = words(own)
    assert "leaves 5% of the variance of the training targets unexplained" in text
    assert "an error of 0.25 on test data (in units of the training variance)" in text
