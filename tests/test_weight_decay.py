"""The page on weight decay: figures whose message follows the numbers, and a table checked by hand."""

import numpy as np
import pandas as pd
import pytest

from nrc_core import Store, run
from nrc_core.results.results import Results
from nrc_core.sections.sweeps import by_network
from nrc_core.sections.weight_decay.experiment import weight_decay
from nrc_core.sections.weight_decay.figures import weight_decay_errors, weight_decay_lines, weight_decay_map
from nrc_core.sections.weight_decay.tables import by_weight_decay
from tests.pictures import check_picture, draw_nothing

DRAWN = [weight_decay_map, weight_decay_lines, weight_decay_errors]
COLLAPSED = {"nrc1": 0.01, "nrc2": 0.95, "nrc3": 0.95, "nrc4": 0.0}
LAST = 3  # site of the last of four weights


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    options = {"samples": 80, "width": 8, "depth": 4, "epochs": 2, "seeds": [0, 1]}
    configs = weight_decay("synthetic", weight_decays=[0.0, 1e-3, 1e-2], **options)
    return run(configs, store=Store(tmp_path_factory.mktemp("store")))


def altered(results: Results, chosen: pd.Series | bool = True, **columns: object) -> Results:
    """The results with given values in the chosen rows of the measurements."""
    m = results.measurements.copy()
    rows = pd.Series(chosen, m.index)
    for name, value in columns.items():
        m[name] = m[name].where(~rows, value)
    return Results(**{**vars(results), "measurements": m})


def decay(results: Results) -> pd.Series:
    """Weight decay of every row of the measurements."""
    return results.measurements["key"].map(results.runs.set_index("key")["weight_decay"])


@pytest.fixture
def undrawn(monkeypatch) -> None:
    draw_nothing(monkeypatch, "weight_decay")


@pytest.mark.parametrize("draw", DRAWN)
def test_figures_are_vector_graphics_with_words_and_the_same_twice(results, draw):
    check_picture(lambda: draw(results))


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("draw", DRAWN)
def test_networks_that_vanish_are_drawn_as_undefined(results, draw):
    nothing = dict.fromkeys(["nrc1", "nrc2", "nrc3", "weight_stable_rank", "feature_stable_rank"], np.nan)
    assert "nan" not in draw(altered(results, decay(results) == 1e-2, **nothing)).alt


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("collapsed", "message"),
    [
        ([], "All four conditions hold together at none of the weight decays."),
        ([1e-3], "All four conditions hold together only at weight decay 0.001."),
        ([0, 1e-2], "All four conditions hold together only at weight decays 0 and 0.01."),
        ([0, 1e-3, 1e-2], "All four conditions hold together at every weight decay."),
    ],
)
def test_the_map_says_where_all_four_hold(results, collapsed, message):
    none = altered(results, nrc1=0.5)
    assert message in weight_decay_map(altered(none, decay(none).isin(collapsed), **COLLAPSED)).alt


@pytest.mark.usefixtures("undrawn")
def test_the_map_says_that_the_last_site_fails(results):
    all_four = altered(results, **COLLAPSED)
    at_the_end = all_four.measurements["site"] == LAST
    alt = weight_decay_map(altered(all_four, at_the_end, nrc3=0.1)).alt
    assert "at every weight decay, never at the last site." in alt
    alt = weight_decay_map(altered(all_four, at_the_end & (decay(all_four) > 0), nrc3=0.1)).alt
    assert "at every weight decay. At the last site they do only at weight decay 0." in alt


@pytest.mark.usefixtures("undrawn")
def test_over_collapsed_networks_do_not_count_on_the_map(results):
    lost = altered(altered(results, **COLLAPSED), decay(results) == 1e-2, target_effective_rank=99)
    assert "only at weight decays 0 and 0.001." in weight_decay_map(lost).alt


@pytest.mark.usefixtures("undrawn")
def test_half_of_the_networks_are_enough(results):
    none = altered(results, nrc1=0.5)
    one_of_two = (none.measurements["seed"] == 0) & (decay(none) == 0)
    assert "only at weight decay 0." in weight_decay_map(altered(none, one_of_two, **COLLAPSED)).alt


@pytest.mark.usefixtures("undrawn")
def test_the_lines_tell_noise_from_alignment(results):
    quiet = altered(results, nrc1=0.01, nrc3=0.5)
    aligned = altered(quiet, decay(quiet) == 1e-3, nrc3=0.95)
    assert (
        "NRC1 holds somewhere at every weight decay, NRC3 only at weight decay 0.001."
        in weight_decay_lines(aligned).alt
    )


@pytest.mark.usefixtures("undrawn")
def test_the_errors_say_where_they_are_lowest(results):
    low = altered(altered(results, network_mse=0.5, target_variance=1.0), decay(results) == 1e-3, network_mse=0.1)
    alt = weight_decay_errors(low).alt
    assert "Test error is lowest at weight decay 0.001." in alt
    assert "0.5 and 0.5 at 0, 0.1 and 0.1 at 0.001" in alt
    mean = altered(results, network_mse=1.0, target_variance=1.0)
    assert "Nothing is learned at any weight decay." in weight_decay_errors(mean).alt


@pytest.mark.usefixtures("undrawn")
def test_the_errors_count_over_collapse(results):
    full = altered(results, feature_effective_rank=3, target_effective_rank=3)
    assert "Over-collapsed: 0 of 6 networks." in weight_decay_errors(full).alt
    fallen = altered(full, decay(full) == 1e-2, feature_effective_rank=1)
    assert "Over-collapsed: 2 of 6 networks." in weight_decay_errors(fallen).alt


def test_the_table_is_what_one_computes_by_hand(results):
    m = results.measurements
    numbers = {
        "nrc1": m["site"] / 100 + m["seed"] / 50,
        "nrc3": 0.92 + m["seed"] * 0.04,
        "nrc2": 1.0,
        "nrc4": 0.0,
        "weight_stable_rank": m["site"] ** 2 + 0.0,
        "network_mse": 0.2 + 0.4 * m["seed"],
        "target_variance": np.where(m["split"] == "train", 2.0, 4.0),
        "feature_effective_rank": np.where(m["seed"] == 1, 2, 3),
        "target_effective_rank": 3,
    }
    table = by_weight_decay(Results(**{**vars(results), "measurements": m.assign(**numbers)}))
    assert table.index.tolist() == [0, 1e-3, 1e-2]
    row = table.loc[1e-3]
    assert row["networks"] == 2
    assert row["all four from"] == "0 (1 of 2)"  # the other network is over-collapsed
    assert row["noise"] == pytest.approx(0.04)  # median of 0.03 and 0.05 at site 3
    assert row["NRC3"] == pytest.approx(0.94)
    assert row["stable rank of weights"] == 2.5  # mean of 1 and 4 at sites 1 and 2
    assert row["train"] == "0.2 (0.1 to 0.3)"
    assert row["test"] == "0.1 (0.05 to 0.15)"
    assert row["over-collapsed"] == 1


def test_the_table_names_the_first_site_to_the_last(results):
    m = altered(results, **COLLAPSED).measurements
    broken = altered(
        altered(results, **COLLAPSED), (m["site"] == 1) | ((m["site"] == LAST) & (m["seed"] == 0)), nrc1=0.5
    )
    assert by_weight_decay(broken)["all four from"].tolist() == ["2 (1 of 2)"] * 3
    assert by_weight_decay(altered(results, nrc1=0.5))["all four from"].tolist() == ["no"] * 3
    both = altered(altered(results, **COLLAPSED), (m["site"] == 1) & (m["seed"] == 0), nrc1=0.5)
    assert by_weight_decay(both)["all four from"].tolist() == ["0 or 2"] * 3


def test_an_undefined_last_site_stays_undefined(results):
    lost = altered(results, results.measurements["site"] == LAST, nrc1=np.nan, nrc3=np.nan)
    assert by_network(lost)[["noise", "alignment"]].isna().all(axis=None)
    assert by_weight_decay(lost)["NRC3"].isna().all()
