import math

import numpy as np
import pytest
import torch
from torch import nn

from nrc_core import MLP, measure, nrc1, nrc2, nrc3, nrc4, stable_rank
from nrc_core.metrics.layers import weight_matrices
from nrc_core.metrics.sites import collect
from nrc_core.metrics.table import decompose, input_spectra, spectra, tabulate
from tests import oracle


@pytest.fixture
def network() -> tuple[MLP, torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    model = MLP(5, 12, 4, 2, bias=True).double()
    x = torch.randn(200, 5, dtype=torch.float64)
    return model, x, torch.stack([x[:, 0] * x[:, 1], x[:, 2]], dim=1)


def test_one_row_a_site_and_the_fixed_columns(network):
    table = measure(*network)
    assert table["site"].tolist() == [0, 1, 2, 3, 4]
    fixed = {"site", "name", "nrc1", "nrc2", "nrc3", "nrc4", "feature_stable_rank", "weight_stable_rank"}
    assert fixed <= set(table.columns)
    assert table["name"].iloc[-1] == "output"
    assert math.isnan(table["nrc3"].iloc[-1])
    assert math.isnan(table["weight_stable_rank"].iloc[-1])


def test_equal_to_the_metrics_on_arrays(network):
    model, x, y = network
    table = measure(model, x, y, batch_size=33)
    hidden = model.layers[:4](x).detach()
    weight = model.layers[4].weight.detach()
    row = table.iloc[2]
    assert row["nrc1"] == pytest.approx(nrc1(hidden, 2), abs=1e-12)
    assert row["nrc2"] == pytest.approx(nrc2(hidden, y), abs=1e-10)
    assert row["nrc3"] == pytest.approx(nrc3(hidden, weight, 2), abs=1e-9)
    assert row["nrc4"] == pytest.approx(nrc4(hidden, y), abs=1e-10)
    assert row["feature_stable_rank"] == pytest.approx(stable_rank(hidden.double() - hidden.double().mean(0)))
    assert row["weight_stable_rank"] == pytest.approx(stable_rank(weight))


def test_network_error_is_the_mean_squared_error_per_entry(network):
    model, x, y = network
    expected = nn.functional.mse_loss(model(x), y).item()
    assert measure(model, x, y)["network_mse"].iloc[0] == pytest.approx(expected, rel=1e-5)


def test_the_output_predicts_no_worse_than_the_network(network):
    table = measure(*network)
    assert table["nrc4"].iloc[-1] <= table["network_mse"].iloc[-1] + 1e-12


def test_the_rank_is_a_parameter_and_no_condition_holds_by_it_alone(network):
    """If the rank is larger than the number of directions, NRC1 is 0, which looks like perfect collapse."""
    table = measure(*network, rank=3)
    assert table["rank"].tolist() == [3, 3, 3, 3, 3]
    assert (table["nrc1"].iloc[:4] <= measure(*network, rank=2)["nrc1"].iloc[:4]).all()
    assert table[["nrc1", "nrc2", "nrc3"]].iloc[-1].isna().all()
    assert "fewer features (2) than r = 3" in table["doubts"].iloc[-1]
    assert table["nrc4"].equals(measure(*network)["nrc4"])


def test_the_released_convention_is_what_the_released_code_computes(network):
    model, x, y = network
    careful, released = measure(model, x, y), measure(model, x, y, convention="released")
    hidden = model.layers[:4](x).detach().double().numpy()
    assert released["nrc2"].iloc[2] == pytest.approx(oracle.released_cka(hidden, y.numpy()), abs=1e-9)
    assert released["nrc4"].iloc[2] == pytest.approx(oracle.released_error(hidden, y.numpy()), abs=1e-9)
    values = np.linalg.eigvalsh(np.cov(hidden.T, bias=True))
    assert released["feature_stable_rank"].iloc[2] == pytest.approx((values**2).sum() / values.max() ** 2)
    targets = np.linalg.eigvalsh(np.cov(y.double().numpy().T, bias=True))
    assert released["target_stable_rank"].iloc[0] == pytest.approx((targets**2).sum() / targets.max() ** 2)
    assert released["nrc1"].equals(careful["nrc1"])
    assert released["nrc3"].equals(careful["nrc3"])


def test_the_released_cka_of_dead_units_is_zero():
    # A collapsed layer whose first two of three units are dead: projected CKA sees the targets.
    y = torch.randn(100, 2)
    mix = torch.tensor([[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, -2.0, 1.0]])
    model = nn.Sequential(nn.Linear(4, 2, bias=False))
    assert measure(model, y @ mix, y)["nrc2"].iloc[0] == pytest.approx(1, abs=1e-6)
    assert measure(model, y @ mix, y, convention="released")["nrc2"].iloc[0] < 1e-6


def test_the_tolerance_of_nrc4_is_reported(network):
    table = measure(*network, tolerance=1e-3)
    assert (table["nrc4_tolerance"] == 1e-3).all()
    assert (table["nrc4_directions"] <= measure(*network)["nrc4_directions"]).all()
    assert (table["nrc4"] >= measure(*network)["nrc4"] - 1e-12).all()


def test_spectra_hold_the_metrics_as_curves_in_the_rank(network):
    model, x, y = network
    table = spectra(*decompose([collect(model, x, y)["post"]]), most=6)
    curve = table[table["site"] == 2].set_index("k")
    hidden, weight = model.layers[:4](x).detach(), model.layers[4].weight.detach()
    assert curve.index.tolist() == [1, 2, 3, 4, 5, 6]
    for k, row in curve.iterrows():
        assert row["nrc1"] == pytest.approx(nrc1(hidden, k), rel=1e-5)
        assert row["nrc2"] == pytest.approx(nrc2(hidden, y, k), rel=1e-5)
        assert row["nrc3"] == pytest.approx(nrc3(hidden, weight, k), rel=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_the_sines_are_the_alignment_with_the_bottom_directions(network, rank):
    """The top r feature directions against the weight's bottom h - r: the same angles, seen from the other side."""
    model, x, y = network
    site = decompose([collect(model, x, y)["post"]])[0][2]
    bottom = site.inputs.vectors[:, rank:]
    expected = torch.linalg.svdvals(site.spectrum.vectors[:, :rank].T @ bottom).mean().item()
    curve = spectra([site], most=rank)
    assert curve["nrc3_sine"].iloc[rank - 1] == pytest.approx(expected, rel=1e-5)


def test_a_networks_input_spectra_serve_every_view(network):
    model, x, y = network
    (shared,) = decompose([collect(model, x, y)["post"]], input_spectra([weight_matrices(model)]))
    table = tabulate(shared, rank=None)
    assert table.equals(measure(model, x, y)[table.columns])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank must be a whole number, at least 1: got 0"),
        ({"convention": "paper"}, "convention must be one of careful, printed, released: got 'paper'"),
        ({"features": "psot"}, "features must be one of post, pre, positions: got 'psot'"),
    ],
)
def test_errors_teach(network, options, message):
    with pytest.raises(ValueError, match=message):
        measure(*network, **options)


def test_an_error_leaves_the_network_in_its_mode():
    network = nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 2)).train()
    with pytest.raises(RuntimeError):
        collect(network, torch.randn(9, 5), torch.randn(9, 2))
    assert network.training


def test_as_many_outputs_as_targets():
    with pytest.raises(ValueError, match="as many outputs as there are targets: got 2 for 3"):
        measure(nn.Linear(3, 2), torch.randn(9, 3), torch.randn(9, 3))


def test_sites_are_names_of_layers():
    network = nn.Sequential(nn.Linear(3, 2))
    network.sites = ["O"]
    with pytest.raises(ValueError, match=r"`sites` names no linear or convolutional layer with 'O': there is 0"):
        measure(network, torch.randn(9, 3), torch.randn(9, 2))


def test_a_layer_that_did_not_run_is_told(caplog):
    class Skips(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.skipped = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x):
            return self.used(x)

    assert measure(Skips(), torch.randn(9, 3), torch.randn(9, 2))["name"].tolist() == ["used", "output"]
    assert "Skips: no site at skipped, which did not run as layers" in caplog.text
