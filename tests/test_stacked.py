"""Stacked networks compared with single networks; the reference is a plain loop of torch.optim.SGD."""

import copy

import pandas as pd
import pytest
import torch
from torch import nn

from nrc_core import MLP, RunConfig, Store, TrainingDiverged, load_dataset, run, stored
from nrc_core.metrics.sites import collect
from nrc_core.metrics.table import decompose, tabulate
from nrc_core.training import computing
from nrc_core.training.computing import compute, stack_size
from nrc_core.training.loop import train_together
from nrc_core.training.single import SingleNetwork
from nrc_core.training.stacked import StackedMLP

RATES, DECAYS = [0.1, 0.03, 0.1], [0.0, 1e-3, 5e-2]
CPU = torch.device("cpu")


def networks(*, bias: bool = False, depth: int = 4, dtype: torch.dtype = torch.float64) -> list[MLP]:
    torch.manual_seed(7)
    return [MLP(5, 12, depth, 2, bias=bias).to(dtype) for _ in RATES]


def samples(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(11)
    return torch.randn(70, 5, generator=generator, dtype=dtype), torch.randn(70, 2, generator=generator, dtype=dtype)


def orders() -> torch.Tensor:
    return torch.stack([torch.randperm(70, generator=torch.Generator().manual_seed(seed)) for seed in range(3)])


def trained_one_by_one(each: list[MLP], epochs: int) -> list[list[float]]:
    """Losses of every batch: 8 batches an epoch, the last with 7 rows; the rate is divided by 10 in the second half."""
    x, y = samples()
    losses = []
    for network, rate, decay, order in zip(each, RATES, DECAYS, orders(), strict=True):
        optimiser = torch.optim.SGD(network.parameters(), rate, momentum=0.9, weight_decay=decay)
        own = []
        for epoch in range(epochs):
            if epoch == epochs // 2:
                optimiser.param_groups[0]["lr"] = rate / 10
            for rows in order.split(9):
                optimiser.zero_grad()
                loss = nn.functional.mse_loss(network(x[rows]), y[rows])
                loss.backward()
                optimiser.step()
                own.append(loss.item())
        losses.append(own)
    return losses


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("depth", [1, 4])
def test_a_stack_does_what_separate_optimisers_do(bias, depth):
    """The networks agree after 104 steps in float64; each has its own rate, weight decay and order of batches."""
    stacked, separate = (networks(bias=bias, depth=depth) for _ in range(2))
    stack = StackedMLP(stacked, rates=RATES, weight_decays=DECAYS)
    x, y = samples()
    losses = []
    for epoch in range(13):
        stack.scale_rates(0.1 if epoch >= 6 else 1.0)
        losses.append(stack.epoch(x, y, orders(), 9))
    expected = trained_one_by_one(separate, 13)
    torch.testing.assert_close(torch.cat(losses, 1), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12)
    for one, other in zip(stacked, separate, strict=True):
        for got, wanted in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)


def test_a_network_of_a_stack_is_the_one_that_is_a_stack_of_itself():
    together, alone = networks(), networks()
    x, y = samples()
    StackedMLP(together, rates=RATES, weight_decays=DECAYS).epoch(x, y, orders(), 9)
    for place, network in enumerate(alone):
        one = StackedMLP([network], rates=RATES[place : place + 1], weight_decays=DECAYS[place : place + 1])
        one.epoch(x, y, orders()[place : place + 1], 9)
        for got, wanted in zip(together[place].parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-14)


def test_a_member_that_diverges_leaves_the_others_as_they_are():
    x, y = samples()
    wild, tame = networks(), networks()
    losses = StackedMLP(wild, rates=[0.1, 1e12, 0.1], weight_decays=DECAYS).epoch(x, y, orders(), 9)
    calm = StackedMLP(tame, rates=[0.1, 0.0, 0.1], weight_decays=DECAYS).epoch(x, y, orders(), 9)
    assert not losses[1].isfinite().all()
    for place in (0, 2):
        assert torch.equal(losses[place], calm[place])
        assert all(torch.equal(a, b) for a, b in zip(wild[place].parameters(), tame[place].parameters(), strict=True))


def test_errors_do_not_depend_on_how_many_rows_go_through_at_once(monkeypatch):
    x, y = samples()
    each = networks(bias=True)
    stack = StackedMLP(each, rates=RATES, weight_decays=DECAYS)
    whole = stack.evaluate(x, y)
    monkeypatch.setattr("nrc_core.training.stacked.rows_at_once", lambda x: 9)
    assert stack.evaluate(x, y) == pytest.approx(whole, rel=1e-12)
    monkeypatch.setattr("nrc_core.training.single.rows_at_once", lambda x: 9)
    for network, expected in zip(each, whole, strict=True):
        assert SingleNetwork(network, rate=0.1, weight_decay=0.0).evaluate(x, y)[0] == pytest.approx(expected)


@pytest.mark.parametrize("bias", [False, True])
def test_the_sites_of_a_stack_are_those_that_hooks_see(bias):
    each = networks(bias=bias)
    x, y = samples()
    found = StackedMLP(each, rates=RATES, weight_decays=DECAYS).collect(x, y, features=("post", "pre"))
    for network, sites in zip(each, found, strict=True):
        for kind, expected in collect(network, x, y, features=("post", "pre")).items():
            assert [site.name for site in sites[kind]] == [site.name for site in expected]
            tables = [tabulate(one, rank=2) for one in decompose([sites[kind], expected])]
            pd.testing.assert_frame_equal(*tables, rtol=1e-8, atol=1e-12)


def test_networks_decomposed_at_once_are_decomposed_as_alone():
    x, y = samples()
    each = [collect(network, x, y, features=("post",))["post"] for network in networks()]
    for sites, together in zip(each, decompose(each), strict=True):
        pd.testing.assert_frame_equal(
            tabulate(*decompose([sites]), rank=2), tabulate(together, rank=2), rtol=1e-9, atol=1e-12
        )


def test_the_networks_themselves_are_what_is_trained():
    each = networks()
    before = copy.deepcopy(each)
    x, y = samples()
    StackedMLP(each, rates=RATES, weight_decays=DECAYS).epoch(x, y, orders(), 9)
    assert not any(torch.equal(a.layers[0].weight, b.layers[0].weight) for a, b in zip(each, before, strict=True))
    assert each[0].state_dict().keys() == before[0].state_dict().keys()


def test_the_state_of_a_member_is_all_that_it_needs():
    x, y = samples()
    first, second = (StackedMLP(networks(), rates=RATES, weight_decays=DECAYS) for _ in range(2))
    first.epoch(x, y, orders(), 9)
    for member in range(3):
        second.restore(member, first.state(member))
    assert torch.equal(first.epoch(x, y, orders(), 9), second.epoch(x, y, orders(), 9))


def test_bfloat16_products_are_close_to_single_precision():
    x, y = samples(torch.float32)
    exact, mixed = (
        StackedMLP(networks(dtype=torch.float32), rates=RATES, weight_decays=DECAYS, mixed=mixed).epoch(
            x, y, orders(), 9
        )
        for mixed in (False, True)
    )
    torch.testing.assert_close(mixed, exact, rtol=0.03, atol=0.03)
    assert not torch.equal(mixed, exact)


def test_networks_of_several_shapes_are_no_stack():
    with pytest.raises(ValueError, match=r"networks of one shape.*got 2 networks of 2 shapes"):
        StackedMLP([MLP(5, 12, 4, 2), MLP(5, 13, 4, 2)], rates=[0.1] * 2, weight_decays=[0.0] * 2)
    with pytest.raises(ValueError, match="1 rates and 3 weight decays"):
        StackedMLP(networks(), rates=[0.1], weight_decays=DECAYS)


def config(**change) -> RunConfig:
    values = {"epochs": 6, "learning_rate": 0.05, "weight_decay": 1e-3, "width": 16, "depth": 3, "batch_size": 32}
    return RunConfig("synthetic", **(values | {"measure_epochs": (2,)} | change))


@pytest.fixture(scope="module")
def data():
    return load_dataset("synthetic", samples=200, target_dim=2)


def test_results_do_not_depend_on_who_was_trained_along(data, double):
    """Metrics of three seeds and weight decays, together and alone."""
    data = double(data)
    configs = [config(seed=0), config(seed=1, weight_decay=0.0), config(seed=2, learning_rate=0.01)]
    together = compute(configs, data, device=CPU, checkpoints=[None] * 3)
    for one, found in zip(configs, together, strict=True):
        (alone,) = compute([one], data, device=CPU, checkpoints=[None])
        assert (found.stacked, alone.stacked) == (3, 1)
        for name, expected in alone.tables.items():
            # Spectra and errors are kept in single precision.
            pd.testing.assert_frame_equal(found.tables[name], expected, rtol=1e-6, atol=1e-9)


def test_a_diverged_run_is_reported_and_stored_as_one_as_are_the_others(tmp_path, monkeypatch):
    options = {"samples": 200, "target_dim": 2}
    configs = [config(dataset_options=options, learning_rate=rate) for rate in (0.05, 1e6, 0.02)]
    store = Store(tmp_path)
    results = run(configs, store=store)
    assert results.runs["learning_rate"].tolist() == [0.05, 0.02]
    assert [one["stacked"] for one in results.provenance.values()] == [3, 3]
    ((who, why),) = results.failures.items()
    assert "the loss became" in why and "synthetic" in who
    monkeypatch.setattr(computing, "compute", None)  # none of them is tried again
    again = run(configs, store=store)
    assert again.runs["cached"].all() and again.failures == results.failures
    with pytest.raises(TrainingDiverged, match="the loss became"):
        run(configs[1:2], store=store)
    found, missing = stored(configs, store=store)
    assert found is not None and (found.failures, missing) == (results.failures, 0)
    assert stored(configs[1:2], store=store) == (None, 0)


def test_a_run_that_is_wanted_twice_is_trained_once(tmp_path):
    options = {"samples": 100}
    twice = [config(dataset_options=options), config(dataset_options=options, measure_epochs=(4,))]
    results = run(twice, store=Store(tmp_path))
    assert results.runs["cached"].tolist() == [False, True]
    assert sorted(results.measurements["epoch"].unique()) == [2, 4, 6]


def test_only_networks_that_share_their_shape_and_data_are_trained_together(data):
    with pytest.raises(ValueError, match=r"have in common dataset, .*width"):
        next(train_together([config(), config(width=8)], data))


def test_small_networks_are_stacked_on_a_cpu_and_all_mlps_on_a_gpu():
    assert stack_size(config(), CPU) > 100
    assert stack_size(config(width=256, depth=8), CPU) == 1
    assert stack_size(config(width=256, depth=8), torch.device("cuda")) == 64
    assert stack_size(config(architecture="resnet", depth=18), torch.device("cuda")) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_a_captured_step_on_a_gpu_is_the_step():
    x, y = (one.cuda() for one in samples())
    plain, captured = (StackedMLP([n.cuda() for n in networks()], rates=RATES, weight_decays=DECAYS) for _ in range(2))
    rows = orders().cuda()
    for _ in range(3):
        losses = torch.stack([plain.step(x, y, batch) for batch in rows.split(9, dim=1)], dim=1)
        torch.testing.assert_close(captured.epoch(x, y, rows, 9), losses, rtol=1e-9, atol=1e-12)
