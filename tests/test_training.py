import pytest
import torch
from torch import nn

from nrc_core import MLP, RunConfig, TrainingDiverged, build_model, load_dataset, train
from nrc_core.training.loop import reproducible_arithmetic


@pytest.fixture(scope="module")
def data():
    return load_dataset("synthetic", samples=200, target_dim=2)


def config(**change) -> RunConfig:
    values = {"epochs": 6, "learning_rate": 0.05, "weight_decay": 1e-3, "width": 16, "depth": 3, "batch_size": 32}
    return RunConfig("synthetic", **(values | change))


def trained(run: RunConfig, data) -> list[torch.Tensor]:
    *_, (_, training) = train(run, data)
    return [p.detach().clone() for p in training.model.parameters()]


def test_the_network_of_the_paper():
    model = MLP(8, 256, 8, 2).double()
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert [layer.weight.shape for layer in linear] == [(256, 8), *[(256, 256)] * 6, (2, 256)]
    assert all(layer.bias is None for layer in linear)
    x = torch.randn(5, 8, dtype=torch.float64)
    hidden = x
    for layer in linear[:-1]:
        hidden = (hidden @ layer.weight.T).relu()
    torch.testing.assert_close(model(x), hidden @ linear[-1].weight.T, rtol=1e-9, atol=1e-12)
    assert MLP(2, 4, 2, 1, bias=True).layers[0].bias is not None


def test_a_network_of_one_layer_is_linear():
    assert len(MLP(3, 9, 1, 2).layers) == 1


@pytest.mark.parametrize("name", ["input_dim", "width", "depth", "target_dim"])
def test_sizes_below_one_are_refused(name):
    sizes = {"input_dim": 2, "width": 2, "depth": 2, "target_dim": 2, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be at least 1: got 0"):
        MLP(**sizes)


def test_the_same_seed_builds_the_same_network_whatever_ran_before(data):
    first = build_model(config(seed=5), data)
    torch.rand(17)
    second = build_model(config(seed=5), data)
    other = build_model(config(seed=6), data)
    assert torch.equal(first.layers[0].weight, second.layers[0].weight)
    assert not torch.equal(first.layers[0].weight, other.layers[0].weight)


def test_training_is_what_a_plain_loop_gives(data, double):
    """SGD written out: v <- 0.9 v + (g + wd w), w <- w - lr v; the rate is divided by 10 after 1/3 and 2/3."""
    run, data = config(epochs=6), double(data)
    weights = [p.detach().clone().requires_grad_() for p in build_model(run, data).parameters()]
    velocity = [torch.zeros_like(w) for w in weights]
    generator = torch.Generator().manual_seed(run.seed)
    for epoch in range(6):
        rate = run.learning_rate * 0.1 ** (epoch // 2)
        for rows in torch.randperm(160, generator=generator).split(32):
            hidden = data.x_train[rows]
            for w in weights[:-1]:
                hidden = (hidden @ w.T).relu()
            loss = ((hidden @ weights[-1].T - data.y_train[rows]) ** 2).mean()
            gradients = torch.autograd.grad(loss, weights)
            for w, v, g in zip(weights, velocity, gradients, strict=True):
                v.mul_(0.9).add_(g + run.weight_decay * w.detach())
                w.data.sub_(rate * v)
    for expected, got in zip(weights, trained(run, data), strict=True):
        torch.testing.assert_close(got, expected.detach(), rtol=1e-9, atol=1e-12)


def test_the_learning_rate_falls_at_a_third_and_two_thirds(data):
    for _, training in train(config(epochs=9), data):
        rates = [row["learning_rate"] for row in training.losses]
    assert rates == pytest.approx([0.05] * 3 + [0.005] * 3 + [0.0005] * 3)


@pytest.mark.parametrize("epochs", [1, 2])
def test_very_short_runs_start_at_the_full_rate(data, epochs):
    *_, (_, training) = train(config(epochs=epochs), data)
    assert training.losses[0]["learning_rate"] == 0.05


def test_it_pauses_at_the_epochs_to_measure(data):
    assert [epoch for epoch, _ in train(config(epochs=6, measure_epochs=(1, 4)), data)] == [1, 4, 6]


def test_losses_are_those_of_the_whole_test_set(data):
    for _, training in train(config(), data):
        expected = nn.functional.mse_loss(training.model(data.x_test), data.y_test).item()
        assert training.losses[-1]["test_mse"] == pytest.approx(expected, rel=1e-5)
    assert len(training.losses) == 6


def test_seeds_give_bit_identical_networks(data):
    with reproducible_arithmetic():
        first, second = trained(config(), data), trained(config(), data)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(data):
    with pytest.raises(
        TrainingDiverged, match=r"the loss became (nan|inf) at step \d+ \(epoch \d, .*smaller learning_rate"
    ):
        trained(config(learning_rate=1e6), data)


def test_flushing_denormals_changes_nothing_else(data):
    """The network is the same, bit for bit, with and without flushing if its weights stay normal numbers."""
    with reproducible_arithmetic():
        flushed = trained(config(), data)
        torch.set_flush_denormal(False)
        plain = trained(config(), data)
    assert all(torch.equal(a, b) for a, b in zip(flushed, plain, strict=True))


def test_weights_that_died_are_flushed_to_zero_and_only_inside():
    weight = torch.full((64, 64), 1e-42)
    assert (weight * 1.0).abs().max() > 0
    with reproducible_arithmetic():
        assert (weight * 1.0).abs().max() == 0
    assert (weight * 1.0).abs().max() > 0
