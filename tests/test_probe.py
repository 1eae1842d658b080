"""Facts about a network from its first samples: the order of samples, the weights of layers, and what it changes."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional

from nrc_core import ConfigError, measure
from tests.test_any_network import assert_site, data
from tests.tried.networks import Apply, mlp

ORDERS = {
    "sorted": lambda x: x[:, 0].argsort(),
    "reversed": lambda x: torch.arange(len(x) - 1, -1, -1),
    "shuffled": lambda x: torch.randperm(len(x)),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_samples_that_a_network_reorders_are_not_paired_with_others_targets(order, offset):
    """The output is in the original order, so that only the inputs of layers show the new order."""
    x, y = data()
    first, second = nn.Linear(6, 8), nn.Linear(8, 2)

    def run(self, inputs):
        places = ORDERS[order](inputs)
        return self.second(self.first(inputs[places]).relu())[places.argsort()]

    torch.manual_seed(0)
    with pytest.raises(ConfigError, match="layer 'first' takes the samples in another order than they were given in"):
        measure(Apply(run, first=first, second=second).double(), x.double() + offset, y)


def test_what_depends_on_the_batch_is_told_even_where_the_output_does_not(caplog):
    x, y = data()

    def run(self, inputs):
        self.aside(inputs - inputs.mean(0))
        return self.head(inputs)

    model = Apply(run, aside=nn.Linear(6, 3), head=nn.Linear(6, 2))
    table = measure(model, x, y)
    assert "Apply: the input of aside for a sample depends on chance or on the rest of its batch" in caplog.text
    assert_site(table.iloc[1], x, y, model.head.weight)


def test_tokens_first_are_not_taken_for_those_of_one_sample():
    tokens, (_, y) = torch.randn(9, 8, 3), data(9)
    model = Apply(lambda s, x: s.b(s.a(x.transpose(0, 1)).relu().mean(0)), a=nn.Linear(3, 8), b=nn.Linear(8, 2))
    with pytest.raises(ConfigError, match="cannot be told from a first batch of one: begin with a larger batch"):
        measure(model, [(tokens[:1], y[:1]), (tokens[1:], y[1:])])


class Adapted(nn.Linear):
    """A layer with an adapter that changes its output by about a hundredth."""

    def forward(self, input):
        return super().forward(input) + 0.02 * (input @ torch.ones_like(self.weight).T)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_small_adapter_is_seen_in_any_precision(dtype):
    x, y = data()
    torch.manual_seed(0)
    with pytest.raises(ConfigError, match=r"layer '0' \(Adapted\) applies another weight than the one it stores"):
        measure(nn.Sequential(Adapted(6, 8), nn.ReLU(), nn.Linear(8, 2)).to(dtype), x, y)
    measure(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)).to(dtype), x, y)


def buffered() -> nn.Module:
    model = Apply(lambda s, x: s.b((x @ s.w).relu()), b=nn.Linear(8, 2))
    model.register_buffer("w", torch.randn(6, 8))
    return model


def owning(function) -> nn.Module:
    return Apply(lambda s, x: s.b(function(x, s.w)), b=nn.Linear(8, 2), w=nn.Parameter(torch.randn(8, 6)))


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (buffered(), r"w \(a buffer\)"),
        (owning(lambda x, w: torch.ops.aten.mm.default(x, w.T)), r"w \(a parameter\)"),
        (owning(lambda x, w: (x[:, None] * w).sum(-1)), r"w \(a parameter\)"),
        (owning(lambda x, w: (-torch.cdist(x, w)).exp()), r"w \(a parameter\)"),
    ],
    ids=["buffer", "operator", "product and sum", "distances"],
)
def test_a_weight_that_no_layer_applies_is_named_however_it_is_applied(model, named, caplog):
    x, y = data()
    assert measure(model, x, y)["name"].tolist() == ["b", "output"]
    assert re.search(f"no site at {named}", caplog.text)


MIXED = {
    "reversed": lambda h: h.flip(1),
    "a fixed matrix": lambda h: h @ torch.eye(5).roll(1, 0),
    "sorted": lambda h: h.sort(1).values,
}


@pytest.mark.parametrize("way", MIXED)
def test_features_before_the_activation_are_in_the_order_of_the_weight(way):
    x, y = data()
    model = Apply(lambda s, x: s.b(MIXED[way](s.a(x)).relu()), a=nn.Linear(6, 5), b=nn.Linear(5, 2))
    with pytest.raises(ConfigError, match="'b' takes more than what one layer gave: use features='post'"):
        measure(model, x, y, features="pre")
    assert_site(measure(model, x, y).iloc[1], MIXED[way](model.a(x)).relu(), y, model.b.weight)


def test_transposed_axes_of_one_size_are_not_taken_for_each_other():
    tokens, (_, y) = torch.randn(200, 5, 5), data()
    model = Apply(
        lambda s, x: s.c(s.b(s.a(x).transpose(1, 2)).mean(1)), a=nn.Linear(5, 5), b=nn.Linear(5, 7), c=nn.Linear(7, 2)
    )
    with pytest.raises(ConfigError, match="'b' takes more than what one layer gave"):
        measure(model, tokens, y, features="pre")
    assert_site(measure(model, tokens, y).iloc[1], model.a(tokens).mean(2), y, model.b.weight)


def test_inside_of_vmap_no_layer_can_be_listened_to():
    x, y = data()
    model = Apply(lambda s, x: s.b(torch.vmap(s.a)(x).relu()), a=nn.Linear(6, 8), b=nn.Linear(8, 2))
    with pytest.raises(ConfigError, match=r"layer 'a' runs inside of torch\.func, as in vmap"):
        measure(model, x, y)


def test_a_sparse_weight_and_a_buffer_without_values_are_refused():
    x, y = data()
    model = mlp()
    model[0].weight = nn.Parameter(model[0].weight.data.to_sparse())
    with pytest.raises(ConfigError, match="the weight of layer '0' is stored as sparse Tensor"):
        measure(model, x, y)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    model[1].running_mean = torch.empty(8, device="meta")
    with pytest.raises(ConfigError, match=r"'1\.running_mean' has no values"):
        measure(model, x, y)


class Merging(nn.Linear):
    """A layer that merges its adapter in eval() and removes it in train(), as in the library loralib."""

    def __init__(self, *sizes: int):
        super().__init__(*sizes)
        self.adapter, self.merged = nn.Parameter(torch.randn_like(self.weight)), False

    def train(self, mode: bool = True):
        if mode == self.merged:
            self.weight.data += -self.adapter if mode else self.adapter
            self.merged = not mode
        return super().train(mode)

    def forward(self, input):
        return functional.linear(input, self.weight if self.merged else self.weight + self.adapter, self.bias)


def test_a_network_is_left_as_it_was_with_adapters_frozen_layers_and_buffers():
    x, y = data()
    model = nn.Sequential(Merging(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)).train()
    model[1].eval()
    before, merged = model[0].weight.clone(), (model[0].weight + model[0].adapter).detach()
    assert_site(measure(model, x, y).iloc[0], x, y, merged)
    assert [part.training for part in model] == [True, False, True, True]
    assert not model[0].merged
    torch.testing.assert_close(model[0].weight, before)


def test_what_a_network_counts_is_counted_anew():
    x, y = data()

    def run(self, inputs):
        self.seen += len(inputs)
        self.steps = self.steps + 1
        return self.a(inputs)

    model = Apply(run, a=nn.Linear(6, 2))
    model.register_buffer("seen", torch.zeros(()))
    model.register_buffer("steps", torch.zeros(()))
    measure(model, x, y)
    assert (model.seen.item(), model.steps.item()) == (0, 0)


def test_a_layer_of_two_names_is_chosen_by_either():
    x, y = data()
    layer = nn.Linear(6, 2)
    model = Apply(lambda s, x: s.b(x), a=layer, b=layer)
    assert measure(model, x, y, sites=["b"])["name"].tolist() == ["b", "output"]


@pytest.mark.parametrize("n", [9, 13, 257])
def test_a_network_that_squeezes_is_given_no_batch_of_one(n):
    maps, (_, y) = torch.randn(n, 4, 9), data(n)
    model = Apply(lambda s, x: s.b(s.c(x).mean(2).squeeze()), c=nn.Conv1d(4, 7, 3), b=nn.Linear(7, 2))
    size = 4 if n < 257 else None
    assert_site(measure(model, maps, y, batch_size=size).iloc[1], model.c(maps).mean(2), y, model.b.weight)
    with pytest.raises(ConfigError, match=r"\(does the network squeeze a batch of one\? leave none\)"):
        measure(model, [(maps[1:], y[1:]), (maps[:1], y[:1])])
    squeezed = Apply(lambda s, x: s.net(x).squeeze(), net=nn.Linear(9, 2))
    pairs = [(maps[1:, 0], y[1:]), (maps[:1, 0], y[:1])]
    assert_site(measure(squeezed, pairs).iloc[0], maps[:, 0], y, squeezed.net.weight)
