"""The page on low-rank targets: figures, the identity of the two alignments, and the table."""

import math

import pandas as pd
import pytest
import torch
from torch import nn

from nrc_core import Store, principal_angles, run
from nrc_core.metrics.sites import collect
from nrc_core.metrics.table import decompose, spectra
from nrc_core.results.results import Results
from nrc_core.sections.low_rank_targets.experiment import low_rank_targets
from nrc_core.sections.low_rank_targets.figures import low_rank, low_rank_control, noise_by_rank
from nrc_core.sections.low_rank_targets.tables import at_rank, by_width
from nrc_core.sections.page_parts import provenance
from nrc_core.sections.sweeps import by_network
from tests.pictures import check_picture, draw_nothing

RANK = 2
DRAWN = [low_rank, low_rank_control, noise_by_rank]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    options = {"samples": 100, "widths": [12, 16], "depth": 3, "epochs": 2, "seeds": [0, 1], "measurements": 1}
    return run(low_rank_targets("synthetic", **options), store=Store(tmp_path_factory.mktemp("store")))


def with_noise(results: Results, *, true: float, shuffled: float) -> Results:
    """The results with the given shares of noise at every site and rank."""
    keys = set(by_network(results).query("shuffled")["key"])
    noise = results.spectra["key"].isin(keys).map({True: shuffled, False: true})
    return Results(**{**vars(results), "spectra": results.spectra.assign(nrc1=noise)})


@pytest.fixture
def undrawn(monkeypatch) -> None:
    draw_nothing(monkeypatch, "low_rank_targets")


@pytest.mark.parametrize("draw", DRAWN)
def test_figures_are_vector_graphics_with_words_and_the_same_twice(results, draw):
    check_picture(lambda: draw(results, RANK))


@pytest.mark.usefixtures("undrawn")
def test_the_figure_says_whether_noise_is_suppressed(results):
    alt = low_rank(with_noise(results, true=0.02, shuffled=0.5), RANK).alt
    assert "Noise outside the top 2 directions is at most 0.05 from site 0 on." in alt
    alt = low_rank(with_noise(results, true=0.5, shuffled=0.02), RANK).alt
    assert "Noise outside the top 2 directions is not suppressed: 0.5 at the last site." in alt


@pytest.mark.usefixtures("undrawn")
def test_one_suppressed_network_is_not_all_of_them(results):
    noisy = with_noise(results, true=0.5, shuffled=0.5)
    first = noisy.spectra["key"] == noisy.runs["key"].iloc[0]
    one = Results(**{**vars(noisy), "spectra": noisy.spectra.assign(nrc1=noisy.spectra["nrc1"].where(~first, 0.01))})
    assert "is at most 0.05 from site 0 on (1 of 4 networks)." in low_rank(one, RANK).alt


@pytest.mark.usefixtures("undrawn")
def test_over_collapsed_networks_do_not_suppress_noise(results):
    quiet = with_noise(results, true=0.01, shuffled=0.01)
    lost = Results(**{**vars(quiet), "measurements": quiet.measurements.assign(target_effective_rank=99)})
    assert "All networks are over-collapsed." in low_rank(lost, RANK).alt
    assert "neither with true nor with shuffled targets" in low_rank_control(lost, RANK).alt
    first = quiet.measurements["key"] == quiet.runs["key"].iloc[0]
    ranks = quiet.measurements["target_effective_rank"].mask(first, 99)
    one = Results(**{**vars(quiet), "measurements": quiet.measurements.assign(target_effective_rank=ranks)})
    assert "is at most 0.05 from site 0 on (3 of 4 networks)." in low_rank(one, RANK).alt


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("true", "shuffled", "message"),
    [
        (0.01, 0.5, "with true targets only"),
        (0.5, 0.01, "with shuffled targets only"),
        (0.01, 0.01, "with shuffled targets too"),
        (0.5, 0.5, "neither with true nor with shuffled targets"),
    ],
)
def test_the_control_says_what_it_found(results, true, shuffled, message):
    alt = low_rank_control(with_noise(results, true=true, shuffled=shuffled), RANK).alt
    assert f"Noise outside the top 2 directions is at most 0.05 {message}, at the last site." in alt


@pytest.mark.usefixtures("undrawn")
def test_a_missing_control_is_refused(results):
    true = set(by_network(results).query("~shuffled")["key"])
    alone = Results(
        **{name: frame[frame["key"].isin(true)] for name, frame in vars(results).items() if hasattr(frame, "columns")},
        provenance=results.provenance,
    )
    with pytest.raises(ValueError, match="run the experiment with control=True"):
        low_rank_control(alone, RANK)
    assert "Three panels" in low_rank(alone, RANK).alt


@pytest.mark.usefixtures("undrawn")
def test_the_curve_says_how_many_directions_it_takes(results):
    falling = Results(**{**vars(results), "spectra": results.spectra.assign(nrc1=0.2 / results.spectra["k"])})
    assert "95 % of the variance lies in 4 directions (r = 2, t = 10)." in noise_by_rank(falling, RANK).alt
    flat = with_noise(results, true=0.5, shuffled=0.0)
    assert "lies in more than 12 directions" in noise_by_rank(flat, RANK).alt


def test_a_rank_that_was_not_measured_is_refused(results):
    with pytest.raises(ValueError, match="rank must be from 1 to 20: got 0"):
        at_rank(results, 0)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_the_sine_is_both_alignments_of_signal_with_noise(rank):
    """Top features against bottom weight, and top weight against bottom features, from their definitions."""
    torch.manual_seed(rank)
    model = nn.Sequential(nn.Linear(10, 9)).double()
    x = torch.randn(60, 10, dtype=torch.float64) @ torch.randn(10, 10, dtype=torch.float64)
    sites = collect(model, x, torch.randn(60, 3, dtype=torch.float64))["post"]
    curves = spectra(*decompose([sites])).query("site == 0")
    features = torch.linalg.svd((x - x.mean(0)).T)[0]
    weight = torch.linalg.svd(model[0].weight.detach().T)[0]
    for top, bottom in ((features, weight), (weight, features)):
        cosines = principal_angles(top[:, :rank], bottom[:, rank:]).cos()
        assert curves.set_index("k")["nrc3_sine"][rank] == pytest.approx(cosines.mean().item(), abs=1e-6)


def test_one_angle_has_one_sine(results):
    top = at_rank(results, 1)
    assert (top["cosine"] ** 2 + top["sine"] ** 2).to_numpy() == pytest.approx(1, abs=1e-5)


def test_the_table_is_what_one_computes_by_hand(results):
    m, s = results.measurements, results.spectra
    numbers = {
        "nrc1": m["seed"] / 10 + m["site"] / 100,
        "feature_effective_rank": 3 + m["seed"] * 2,
        "target_effective_rank": 4,
        "network_mse": 0.3,
        "target_variance": (m["split"] == "train").map({True: 1.0, False: 2.0}),
    }
    curves = {"nrc1": s["k"] / 10 + s["seed"] / 100, "nrc3": s["site"] / 4, "nrc3_sine": s["seed"] / 2}
    frames = {"measurements": m.assign(**numbers), "spectra": s.assign(**curves)}
    table = by_width(Results(**{**vars(results), **frames}), RANK)
    assert table.index.tolist() == [("true", 12), ("true", 16), ("shuffled", 12), ("shuffled", 16)]
    expected = {
        "noise at r": 0.205,  # median of 0.20 and 0.21
        "noise at t": 0.07,  # median of 0.02 and 0.12 at the last weight site, 2
        "feature directions (99 %)": 4,
        "cosine": 0.5,
        "sine": 0.25,
        "train": 0.3,
        "test": 0.15,
        "over-collapsed": 1,
    }
    pd.testing.assert_series_equal(table.loc[("true", 16), list(expected)], pd.Series(expected), check_names=False)


def test_networks_are_told_apart_by_targets_and_width(results):
    table = by_network(results)
    assert table.groupby(["shuffled", "width"])["seed"].apply(list).tolist() == [[0, 1]] * 4
    assert (table["target_stable_rank"] < RANK + 0.01).all()
    assert not table["train"].map(math.isnan).any()


def test_provenance_says_yes_or_no_of_shuffled_targets(results):
    head, _, *rows = provenance(results).splitlines()[:10]
    assert head.startswith("| shuffled | width |")
    assert sorted(row.split(" | ")[0] for row in rows) == ["| no"] * 4 + ["| yes"] * 4
