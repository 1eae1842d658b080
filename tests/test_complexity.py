"""Geometric complexity: against the Jacobian of torch, cases by hand, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from nrc_core import ConfigError, geometric_complexity
from nrc_core.metrics import complexity

SEED = 0
EXACT = 1e-10


class OneByOne(nn.Module):
    """Runs one layer twice, one layer never, and gives several results."""

    def __init__(self):
        super().__init__()
        self.shared, self.unused, self.last = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.last(self.shared(self.shared(x).relu())), x


def networks() -> dict[str, tuple[nn.Module, tuple[int, ...], str]]:
    """Networks in float64, the shape of their inputs, and the name of a layer."""
    torch.manual_seed(SEED)
    return {
        "with biases": (mlp(True), (5,), "2"),
        "without biases": (mlp(False), (5,), "4"),
        "convolutional": (
            nn.Sequential(
                nn.Conv2d(1, 3, 3, padding=1),
                nn.BatchNorm2d(3),
                nn.ReLU(inplace=True),
                nn.AvgPool2d(2),
                nn.Conv2d(3, 4, 2),
                nn.Flatten(),
                nn.Dropout(0.5),
                nn.Linear(16, 3),
            ).double(),
            (1, 6, 6),
            "4",
        ),
    }


def mlp(bias: bool) -> nn.Module:
    sizes = [(5, 7), (7, 6), (6, 3)]
    layers = [part for i, o in sizes for part in (nn.Linear(i, o, bias=bias), nn.Tanh() if o == 6 else nn.ReLU())]
    return nn.Sequential(*layers[:-1]).double()


def plain(part: nn.Module, x: torch.Tensor) -> float:
    """The mean squared norm of the Jacobian, sample by sample, by `torch.func.jacrev`."""
    each = [torch.func.jacrev(lambda row: part(row[None])[0])(row).square().sum().item() for row in x]
    return float(np.mean(each))


@pytest.mark.parametrize("name", ["with biases", "without biases", "convolutional"])
@pytest.mark.parametrize("at_layer", [False, True])
def test_it_is_the_mean_squared_norm_of_the_jacobian(name, at_layer):
    network, shape, layer = networks()[name]
    x = torch.randn(70, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(SEED))
    found = geometric_complexity(network, x, layer=layer if at_layer else None)
    part = network[: int(layer)] if at_layer else network
    expected = plain(part.eval(), x)
    assert abs(found / expected - 1) < EXACT


def test_a_linear_network_has_the_squared_norm_of_its_matrix():
    network = nn.Linear(4, 3).double()
    expected = network.weight.square().sum().item()
    for x in (np.zeros((1, 4)), np.random.default_rng(SEED).standard_normal((9, 4))):
        assert abs(geometric_complexity(network, x) - expected) < EXACT
    assert geometric_complexity(network, np.zeros((2, 4)), layer="") == 4.0  # the input itself, of four entries


def test_finite_differences_agree():
    network, shape, _ = networks()["with biases"]
    x, step = torch.randn(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(SEED)), 1e-5
    moves = step * torch.eye(5, dtype=torch.float64)
    jacobian = (network(x + moves) - network(x - moves)) / (2 * step)
    assert abs(geometric_complexity(network, x) / jacobian.square().sum().item() - 1) < 1e-6


@pytest.mark.parametrize("name", ["with biases", "convolutional"])
def test_few_samples_at_a_time_give_the_same(name, monkeypatch):
    network, shape, layer = networks()[name]
    x = torch.randn(7, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(SEED))
    whole = geometric_complexity(network, x, layer=layer)
    monkeypatch.setattr(complexity, "VECTORS_AT_ONCE", 3)
    monkeypatch.setattr(complexity, "OTHERS_AT_ONCE", 3)
    assert abs(geometric_complexity(network, x, layer=layer) / whole - 1) < EXACT


def test_single_precision_is_added_up_in_double_and_types_are_converted():
    network = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    x = np.random.default_rng(SEED).standard_normal((20, 3))
    found = geometric_complexity(network, x)
    assert abs(found / plain(network.double(), torch.from_numpy(x)) - 1) < 1e-6


def test_mode_gradients_and_buffers_are_as_before():
    network, shape, layer = networks()["convolutional"]
    network[1].eval()
    x = torch.randn(4, *shape, dtype=torch.float64)
    before, kept = {name: value.clone() for name, value in network.state_dict().items()}, x.clone()
    with torch.no_grad():
        geometric_complexity(network, x, layer=layer)
    assert [part.training for part in network] == [place != 1 for place in range(len(network))]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert torch.equal(x, kept) and all(one.grad is None and one.requires_grad for one in network.parameters())
    assert not any(part._forward_pre_hooks for part in network)


def test_a_layer_that_changes_its_input_is_given_it_as_it_was():
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 1))
    x = torch.tensor([[-1.0, 2.0]])
    assert geometric_complexity(network, x, layer="0") == 2.0
    assert geometric_complexity(network, x, layer="1") == 1.0
    assert x.tolist() == [[-1.0, 2.0]]


def test_attention_is_measured():
    torch.manual_seed(SEED)
    network = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).double()
    x = torch.randn(3, 5, 4, dtype=torch.float64)
    network.eval()
    expected = [torch.autograd.functional.jacobian(lambda one: network(one[None]), row).square().sum() for row in x]
    assert abs(geometric_complexity(network, x) / torch.stack(expected).mean().item() - 1) < EXACT


@pytest.mark.parametrize("learns", [True, False])
def test_features_that_do_not_hang_on_the_samples_have_none(learns):
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.value = nn.Parameter(torch.ones(3), requires_grad=learns)

        def forward(self, x):
            return self.value[None] * 2

    assert geometric_complexity(Constant(), torch.ones(2, 4)) == 0.0


def test_frozen_weights_change_nothing():
    network, shape, layer = networks()["convolutional"]
    x = torch.randn(4, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(SEED))
    before = geometric_complexity(network, x, layer=layer)
    assert geometric_complexity(network.requires_grad_(False), x, layer=layer) == before and not x.requires_grad


def test_a_compiled_network_is_the_one_inside():
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    x = torch.ones(1, 2)
    parallel = nn.DataParallel(network, device_ids=[])
    assert geometric_complexity(parallel, x, layer="module.1") == geometric_complexity(network, x, layer="1")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("lasst", "no layer 'lasst': did you mean 'last'"),
        ("unused", "layer 'unused' did not run"),
        ("shared", "layer 'shared' ran twice"),
        (None, "the output of OneByOne must be a tensor of real numbers: got a tuple"),
    ],
)
def test_layers_that_have_no_one_input_are_refused(layer, message):
    network = OneByOne()
    with pytest.raises(ConfigError, match=message):
        geometric_complexity(network, torch.ones(2, 3), layer=layer)
    assert network.training


def test_a_network_of_several_results_is_measured_at_a_layer():
    network = OneByOne().double()
    x = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(SEED))
    expected = plain(lambda rows: network.shared(network.shared(rows).relu()), x)
    assert abs(geometric_complexity(network, x, layer="last") / expected - 1) < EXACT


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones(3), "one row a sample"),
        (np.ones((0, 3)), "not empty"),
        (np.full((1, 3), np.nan), "must be finite"),
        (np.ones((2, 4)), r"Sequential cannot run on a sample of x of shape \(1, 4\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x, message):
    with pytest.raises(ConfigError, match=message):
        geometric_complexity(nn.Sequential(nn.Linear(3, 2)), x)


def test_tokens_have_no_derivative():
    network = nn.Sequential(nn.Embedding(5, 2), nn.Linear(2, 2))
    with pytest.raises(ConfigError, match="cannot run"):
        geometric_complexity(network, torch.ones(2, 3, dtype=torch.int64))


class Recurrent(nn.Module):
    """A recurrent layer and a head on its last output."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.recurrent, self.head = layer, nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.recurrent(x)[0][:, -1])


class Branching(nn.Module):
    """Its path depends on the values."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(5, 3), nn.Linear(5, 3)

    def forward(self, x):
        return self.first(x) if x.sum() > 0 else self.second(x).tanh()


def one_after_another() -> dict[str, tuple[nn.Module, tuple[int, ...], str]]:
    """Networks that cannot run on several samples that pass alone, the shape of their inputs, and a layer."""
    torch.manual_seed(SEED)
    return {
        "lstm": (Recurrent(nn.LSTM(3, 4, batch_first=True)), (6, 3), "head"),
        "gru": (Recurrent(nn.GRU(3, 4, num_layers=2, batch_first=True)), (6, 3), "head"),
        "branching": (Branching(), (5,), ""),
    }


@pytest.mark.parametrize("name", ["lstm", "gru", "branching"])
def test_networks_that_take_one_sample_at_a_time_are_measured(name):
    network, shape, layer = one_after_another()[name]
    network = network.double().eval()
    x = torch.randn(6, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(SEED))
    each = [torch.autograd.functional.jacobian(lambda one: network(one[None]), row).square().sum() for row in x]
    found = geometric_complexity(network, x)
    assert found > 0 and abs(found / torch.stack(each).mean().item() - 1) < EXACT
    assert geometric_complexity(network, x, layer=layer) > 0 and all(one.grad is None for one in network.parameters())


class Drawn(nn.Module):
    """Dropout that evaluation mode does not stop."""

    def forward(self, x):
        return nn.functional.dropout(x, 0.5, training=True)


@pytest.mark.parametrize("name", ["lstm", "branching"])
def test_networks_that_draw_random_numbers_are_refused(name):
    network, shape, _ = one_after_another()[name]
    for one in (nn.Sequential(Drawn(), network), nn.Sequential(nn.Flatten(), Drawn())):
        with pytest.raises(ConfigError, match="the same in every pass: the network draws random numbers"):
            geometric_complexity(one, torch.ones(2, *shape))


class Of(nn.Module):
    """A function as a network."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def spoilt(place: str) -> nn.Module:
    """A network with one weight or bias that is NaN."""
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        network.get_parameter(place).view(-1)[0] = torch.nan
    return network


@pytest.mark.parametrize(
    ("network", "row"),
    [
        (spoilt("0.weight"), 0),
        (spoilt("0.bias"), 0),  # ReLU has the derivative 0 at NaN, so the Jacobian alone would not tell
        (spoilt("2.bias"), 0),
        (Of(torch.sqrt), 2),
        (Of(lambda x: x / x.norm(dim=1, keepdim=True)), 2),
        (Of(lambda x: 1e200 * x.double()), 0),
        (Of(lambda x: x / x.norm() if x.sum() > 0 else x / 0), 2),  # one sample at a time
    ],
)
def test_what_is_not_finite_is_refused(network, row):
    x = torch.ones(4, 3)
    x[2:] = 0
    with pytest.raises(ConfigError, match=f"derivatives must be finite: .* first in row {row} of x; look for weights"):
        geometric_complexity(network, x)


def test_the_row_is_that_of_x_when_few_pass_at_a_time(monkeypatch):
    monkeypatch.setattr(complexity, "VECTORS_AT_ONCE", 2)
    with pytest.raises(ConfigError, match="first in row 4 of x"):
        geometric_complexity(Of(torch.sqrt), np.array([[1.0], [2.0], [3.0], [4.0], [0.0]]))


def test_arrays_in_a_list_or_tuple_are_refused():
    x, network = torch.ones(3, 3), nn.Linear(3, 2)
    for given in ([(x, x)], (x, x), [x, x], [x[0], x[1]], ((x, np.ones(3)),), [[np.ones(3)]]):
        with pytest.raises(ConfigError, match=r"x must be one array of samples: got a (list|tuple) of arrays; .*pairs"):
            geometric_complexity(network, given)
    rows = [[1.0, np.float64(2.0), 3.0]]
    assert geometric_complexity(network, rows) == geometric_complexity(network, np.array(rows))
