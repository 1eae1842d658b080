"""`measure` on any network: the right rows, layer by layer, or a refusal in one line; values from plain numpy."""

import copy
import logging
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from nrc_core import ConfigError, measure
from tests import oracle
from tests.tried.networks import Apply, attention, ensemble, folded, frames, mlp, on, padded, recurrent
from tests.tried.wrappers import Around, LoRALinear, compiled, gives

SITES = ["nrc1", "nrc2", "nrc3", "nrc4"]


def data(n: int = 200, d: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(7))
    return x, torch.stack([x[:, 0] * x[:, 1], x[:, 2]], 1)


def assert_site(row: pd.Series, features: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None = None) -> None:
    """Compare a row of the table with features (n, h), computed by hand, and the weight that they enter."""
    h, targets, t = features.detach().double().numpy(), y.double().numpy(), y.shape[1]
    assert row["width"] == h.shape[1]
    assert row["nrc1"] == pytest.approx(oracle.noise(h, t), rel=1e-5)
    assert row["nrc2"] == pytest.approx(oracle.gram_cka(oracle.project(h, t), targets), rel=1e-5)
    assert row["nrc4"] == pytest.approx(oracle.prediction_error(h, targets), rel=1e-5)
    if weight is not None:
        expected = oracle.mean_cosine(h, weight.detach().double().numpy(), t)
        assert row["nrc3"] == pytest.approx(expected, rel=1e-4)


def test_rows_of_x_and_y_must_be_equal():
    x, y = data()
    for targets in (y[:100], torch.cat([y, y[:60]])):
        with pytest.raises(ValueError, match=f"x has 200 and y {len(targets)}"):
            measure(mlp(), x, targets, batch_size=50)


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU(inplace=True), "relu_", "mul_", "+="])
def test_features_before_the_activation_are_so_whatever_writes_over_them(activation):
    x, y = data()
    first, second = nn.Linear(6, 5), nn.Linear(5, 2)  # no wider than x, so that its rank is no matter of rounding

    def run(self, inputs):
        hidden = self.first(inputs)
        if activation == "relu_":
            hidden.relu_()
        elif activation == "mul_":
            hidden.mul_(torch.sigmoid(hidden))
        elif activation == "+=":
            hidden += 3 * hidden.tanh()
        else:
            hidden = activation(hidden)
        return self.second(hidden)

    row = measure(Apply(run, first=first, second=second), x, y, features="pre").iloc[1]
    assert_site(row, first(x), y, second.weight)


def test_a_network_that_writes_to_its_inputs_leaves_those_of_its_user():
    x, y = data()
    model, before = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 2)), x.clone()
    table = measure(model, x, y)
    assert torch.equal(x, before)
    assert_site(table.iloc[0], before.relu(), y)


def test_before_the_activation_is_what_made_the_features_not_what_ran_last():
    """Query, key and value all take the output of the same layer; none takes the output of another one of them."""
    tokens, (_, y) = torch.randn(200, 5, 3), data()

    def run(self, inputs):
        hidden = self.embed(inputs).relu()
        return self.head((self.query(hidden) * self.key(hidden)).mean(1))

    model = Apply(run, embed=nn.Linear(3, 3), query=nn.Linear(3, 3), key=nn.Linear(3, 3), head=nn.Linear(3, 2))
    with pytest.raises(ConfigError, match="'head' takes more than what one layer gave: use features='post'"):
        measure(model, tokens, y, features="pre")
    table = measure(model, tokens, y, features="pre", sites=["embed", "query", "key"])
    for number, layer in ((1, model.query), (2, model.key)):
        assert_site(table.iloc[number], model.embed(tokens).mean(1), y, layer.weight)


@pytest.mark.parametrize("by", ["sample", "token"])
@pytest.mark.parametrize("options", [{}, {"batch_size": 33}, {"batch_size": 9}])
def test_tokens_in_one_axis_with_samples_are_those_of_their_sample(by, options):
    tokens = torch.randn(200, 5, 3)
    y = torch.stack([tokens[:, :, 0].mean(1), tokens[:, 0, 1]], 1)
    model = folded(by)
    table = measure(model, tokens, y, **options)
    assert_site(table.iloc[0], tokens.mean(1), y, model.embed.weight)
    assert_site(table.iloc[1], model.embed(tokens).relu().mean(1), y, model.head.weight)
    each = measure(model, tokens, y, features="positions", **options)
    assert_site(each.iloc[0], tokens.flatten(0, 1), y.repeat_interleave(5, 0), model.embed.weight)


@pytest.mark.parametrize("length", [7, 8, 200])
def test_tokens_first_are_not_taken_for_samples(length):
    """The number of tokens equals the number of samples, or of probe samples, so that shapes do not identify them."""
    tokens = torch.randn(200, length, 3)
    y = tokens[:, 0, :2].contiguous()
    model = Apply(lambda s, x: s.b(s.a(x.transpose(0, 1)).relu().mean(0)), a=nn.Linear(3, 8), b=nn.Linear(8, 2))
    assert_site(measure(model, tokens, y).iloc[0], tokens.mean(1), y, model.a.weight)


def test_frames_in_one_axis_with_samples_are_those_of_their_sample():
    video, (_, y), model = torch.randn(200, 3, 4, 6, 6), data(), frames()
    table = measure(model, video, y)
    matrix = model.conv.weight.permute(0, 2, 3, 1).reshape(-1, 4)
    assert_site(table.iloc[0], video.mean((1, 3, 4)), y, matrix)


def test_which_rows_are_of_which_sample_is_told_or_refused():
    """All tokens are equal, so that no value shows their order."""
    tokens, (_, y) = torch.randn(1, 1, 3).expand(50, 5, -1), data(50)
    with pytest.raises(ConfigError, match=r"'embed' takes \(250, 3\) for 50 samples, and which rows"):
        measure(folded("token"), tokens, y)


@pytest.mark.parametrize("output", [None, lambda out: out.mean(2)])
def test_an_output_is_not_averaged_over_whatever_axis_there_is(output):
    x, y = data()
    model = Apply(lambda s, x: s.a(x).unflatten(1, (3, 2)), a=nn.Linear(6, 6))  # three steps of two targets
    with pytest.raises(ConfigError, match=r"got (\(n, 3, 2\)|3 for 2)"):
        measure(model, x, y, output=output)
    table = measure(model, x, y, output=lambda out: out[:, -1])
    expected = nn.functional.mse_loss(model(x)[:, -1], y).item()
    assert table["network_mse"].iloc[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", ["square", "wide"])
def test_a_transposed_output_is_refused(shape):
    n = 6 if shape == "square" else 20
    x = torch.randn(n, 6)
    model = Apply(lambda s, x: s.a(x).T, a=nn.Linear(6, 6))
    with pytest.raises(ConfigError, match="one row a sample"):
        measure(model, x, torch.randn(n, 6))


def test_an_adapter_is_another_weight_and_none_at_zero_is_not():
    x, y = data()
    model = nn.Sequential(LoRALinear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    with pytest.raises(ConfigError, match=r"layer '0' \(LoRALinear\) applies another weight than the one it stores"):
        measure(model, x, y)
    model[0].b.data.zero_()
    assert_site(measure(model, x, y).iloc[0], x, y, model[0].weight)
    assert measure(model, x, y, sites=["2"])["name"].tolist() == ["2", "output"]


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm, nn.utils.spectral_norm])
def test_a_reparametrised_weight_is_the_one_that_is_applied(norm):
    x, y = data()
    torch.manual_seed(0)
    model = nn.Sequential(norm(nn.Linear(6, 16)), nn.ReLU(), nn.Linear(16, 2)).eval()
    model(x)
    applied = (model[0](torch.eye(6)) - model[0](torch.zeros(6))).T
    assert_site(measure(model, x, y).iloc[0], x, y, applied)


CONVOLUTIONS = {
    nn.Conv1d: (4, 9),
    nn.Conv2d: (4, 5, 6),
    nn.Conv3d: (4, 4, 3, 5),
    nn.ConvTranspose1d: (4, 9),
    nn.ConvTranspose2d: (4, 5, 6),
    nn.ConvTranspose3d: (4, 4, 3, 5),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS, ids=lambda kind: kind.__name__)
def test_every_convolution_is_a_site_with_a_column_an_input_channel(kind):
    """The columns come from the layer's outputs: a unit in one channel at one place gives the channel's filters."""
    shape = CONVOLUTIONS[kind]
    x, (_, y) = torch.randn(200, *shape), data()
    layer = kind(4, 7, 2)
    model = Apply(lambda s, x: s.head(s.conv(x).flatten(2).mean(2)), conv=layer, head=nn.Linear(7, 2))
    units = torch.zeros(4, *shape)
    for channel in range(4):
        units[(channel, channel, *(size // 2 for size in shape[1:]))] = 1
    columns = (layer(units) - layer(torch.zeros(4, *shape))).flatten(1).T  # each filter once, and zeros
    assert_site(measure(model, x, y).iloc[0], x.flatten(2).mean(2), y, columns)


def test_recurrent_layers_are_named_and_those_after_them_measured(caplog):
    x, (_, y), model = torch.randn(200, 20, 3), data(), recurrent(nn.LSTM)
    table = measure(model, x, y)
    assert table["name"].tolist() == ["head", "output"]
    assert "Apply: no site at rnn (LSTM): only the inputs of linear and convolutional layers are" in caplog.text
    assert_site(table.iloc[0], model.rnn(x)[0][:, -1], y, model.head.weight)


def test_one_convolution_is_enough():
    x, (_, y) = torch.randn(200, 1, 20), data()
    table = measure(nn.Sequential(nn.Conv1d(1, 2, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten()), x, y)
    assert table["name"].tolist() == ["0", "output"]


def test_compiled_networks_are_measured_as_the_ones_inside():
    given = compiled()
    inside = given["model"]._orig_mod
    expected = measure(inside, given["x"], given["y"])
    assert measure(**given).equals(expected)
    inside.sites = ["2", "4"]
    assert measure(**given)["name"].tolist() == ["2", "4", "output"]
    assert measure(**given, sites=["_orig_mod.0"])["name"].tolist() == ["0", "output"]
    itself = compiled(itself=True)
    plain = copy.deepcopy(itself["model"])
    assert measure(**itself).equals(measure(plain, itself["x"], itself["y"]))


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda net: nn.DataParallel(torch.compile(net, backend="eager"))])
def test_sites_are_chosen_through_any_wrapper(wrap):
    x, y = data()
    net = mlp()
    net.sites = ["2", "4"]
    assert measure(wrap(net), x, y)["name"].tolist() == ["2", "4", "output"]
    assert measure(wrap(net), x, y, sites=["4"])["name"].tolist() == ["4", "output"]
    assert measure(Around(), x, y)["name"].tolist() == ["net.2", "net.4", "output"]


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ("fc", "`sites` must be a list of names of layers: got 'fc'"),
        ([], r"`sites` must be a list of names of layers: got \[\]"),
        (["rn"], "no linear or convolutional layer with 'rn': there is head"),
        (["rnn"], "no linear or convolutional layer with 'rnn': it is a LSTM, there is head"),
    ],
)
def test_sites_are_names_of_layers(sites, message):
    with pytest.raises(ConfigError, match=message):
        measure(recurrent(nn.LSTM), torch.randn(9, 5, 3), torch.randn(9, 2), sites=sites)


def test_a_layer_called_by_keyword_is_measured():
    x, y = data()
    model = Apply(lambda s, x: s.b(input=s.a(x).relu()), a=nn.Linear(6, 16), b=nn.Linear(16, 2))
    assert_site(measure(model, x, y).iloc[1], model.a(x).relu(), y, model.b.weight)


@pytest.mark.parametrize("n", [2, 3, 9])
def test_few_samples_are_enough(n):
    x, y = data(n)
    assert measure(mlp(), x, y)["name"].tolist() == ["0", "2", "4", "output"]


@pytest.mark.parametrize("of", ["a tuple", "a dictionary"])
def test_the_predictions_are_chosen_from_what_the_network_gives(of):
    given, part = on(gives(of), 6), {"a tuple": 0, "a dictionary": "pred"}[of]
    plain = measure(given["model"].net, given["x"], given["y"])
    with pytest.raises(ConfigError, match=f"output={part!r}"):
        measure(**given)
    for output in (part, lambda result: result[part]):
        assert measure(**given, output=output)[SITES].equals(plain[SITES])
    with pytest.raises(ConfigError, match="which has no part 0: leave output out"):
        measure(given["model"].net, given["x"], given["y"], output=0)
    with pytest.raises(ConfigError, match=r"fails on .*ZeroDivisionError"):
        measure(**given, output=lambda result: 1 / 0)


def test_a_batch_of_fixed_size_in_the_network_is_measured():
    x, y = data(100)
    model = Apply(lambda s, x: s.b(s.a(x).view(50, 5)), a=nn.Linear(6, 5), b=nn.Linear(5, 2))
    assert_site(measure(model, x, y, batch_size=50).iloc[1], model.a(x), y, model.b.weight)


def test_a_networks_own_error_is_the_cause_of_ours():
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 2)).train()
    with pytest.raises(ConfigError, match=r"cannot run on x of \(9, 5\) of torch.float32: RuntimeError: ") as caught:
        measure(model, torch.randn(9, 5), torch.randn(9, 2))
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert model.training
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in model.modules())


@pytest.mark.parametrize("model", [attention(), mlp().double(), mlp().bfloat16()], ids=["attention", "double", "half"])
def test_sound_networks_are_measured_without_a_word(model, caplog):
    x = torch.randn(50, *((5, 3) if hasattr(model, "query") else (6,)))
    assert set(measure(model, x, torch.randn(50, 2))["doubts"]) == {""}
    assert caplog.text == ""


def test_a_layer_that_runs_for_some_batches_only_is_refused():
    x, y = data()
    x[:100, 0], x[100:, 0] = 1, -1
    model = Apply(lambda s, x: s.a(x) if x[0, 0] > 0 else s.b(x), a=nn.Linear(6, 2), b=nn.Linear(6, 2))
    with pytest.raises(ConfigError, match=r"layer 'b' runs for some samples only"):
        measure(model, x, y, batch_size=100)
    model = Apply(lambda s, x: s.a(s.b(x) if x[0, 0] > 0 else x), a=nn.Linear(6, 2), b=nn.Linear(6, 6))
    with pytest.raises(ConfigError, match=r"layer 'b' ran in some batches only"):
        measure(model, x, y, batch_size=100)


def test_the_first_call_imports_nothing_heavy():
    """Only torch and pandas take noticeable time to import; the modules of torch.compile would take seconds."""
    code = (
        "import sys, torch, pandas, nrc_core; before = set(sys.modules);"
        "nrc_core.measure(torch.nn.Linear(3, 2), torch.randn(9, 3), torch.randn(9, 2));"
        "heavy = {'seaborn', 'matplotlib', 'scipy', 'sklearn', 'torchvision', 'torch._dynamo', 'torch._inductor'};"
        "print(heavy & set(sys.modules), len(set(sys.modules) - before) < 60)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set() True"


def test_padding_is_computed_as_it_is_written():
    """In evaluation, torch would use tensors whose rows have different lengths, and so leave out the padding."""
    given = padded()
    model, (tokens, padding) = given["model"].double().eval(), given["x"]
    tokens = tokens.double()  # so that the rank that LayerNorm leaves is no matter of rounding
    fused = torch.backends.mha.get_fastpath_enabled()
    table = measure(model, (tokens, padding), given["y"])
    assert torch.backends.mha.get_fastpath_enabled() == fused
    first = model.encoder.layers[0]
    mixed = first.norm1(tokens + first.self_attn(tokens, tokens, tokens, key_padding_mask=padding)[0])
    row = table[table["name"] == "encoder.layers.0.linear1"].iloc[0]
    assert_site(row, mixed.mean(1), given["y"], first.linear1.weight)


def test_what_cannot_be_followed_is_told(caplog):
    """The weights of an ensemble are applied within a transformation of torch, where no hook sees them."""
    model = ensemble()
    measure(model, *data())
    assert "Apply: how the input of head is made cannot be followed" in caplog.text


def test_a_network_that_mixes_the_samples_of_a_batch_is_told(caplog):
    caplog.set_level(logging.WARNING)
    x, (_, y) = torch.randn(200, 5, 3), data()
    model = Apply(lambda s, x: s.b(s.rnn(x)[0].mean(1)), rnn=nn.GRU(3, 8), b=nn.Linear(8, 2))  # no batch_first
    measure(model, x, y)
    assert "its output for a sample depends on chance or on the rest of its batch" in caplog.text


def test_what_it_says_of_data_is_what_numpy_says():
    x, y = data()
    table = measure(mlp(), x, y)
    assert table["target_variance"].iloc[0] == pytest.approx(np.var(y.double().numpy(), axis=0).mean())
    assert table["convention"].unique().tolist() == ["careful"]
    assert table["features"].unique().tolist() == ["post"]
