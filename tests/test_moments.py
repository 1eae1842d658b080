import math

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from nrc_core import MLP, Moments, measure
from nrc_core.metrics.layers import weight_matrix
from nrc_core.metrics.moments import BLOCK_ROWS
from nrc_core.metrics.sites import collect


def samples(seed: int, n: int, h: int, t: int, offset: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(n, h, generator=generator, dtype=torch.float64) + offset
    return h, torch.randn(n, t, generator=generator, dtype=torch.float64)


def assert_equal(moments: Moments, h: torch.Tensor, y: torch.Tensor, rtol: float = 1e-12) -> None:
    joint = torch.cat([h, y], dim=1).numpy()
    dense = np.cov(joint.T, bias=True)
    assert moments.n == len(h)
    np.testing.assert_allclose(moments.mean.numpy(), joint.mean(0), rtol=1e-12, atol=1e-14)
    scale = np.abs(dense).max()
    np.testing.assert_allclose((moments.scatter / moments.n).numpy(), dense, rtol=rtol, atol=rtol * scale)


def test_by_hand():
    moments = Moments.of(torch.tensor([[0.0], [2.0], [4.0]]), torch.tensor([[1.0], [0.0], [2.0]]))
    assert moments.feature_mean.item() == 2
    assert moments.feature_covariance.item() == pytest.approx(8 / 3)
    assert moments.cross_covariance.item() == pytest.approx(2 / 3)
    assert moments.target_covariance.item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("batch", [1, 7, 100, 1000])
def test_batches_give_the_dense_moments(batch):
    h, y = samples(0, 503, 6, 2)
    moments = Moments(6, 2)
    for part in range(0, len(h), batch):
        moments.update(h[part : part + batch], y[part : part + batch])
    assert_equal(moments, h, y)


def test_merged_parts_give_the_whole():
    h, y = samples(1, 90, 4, 3)
    first, second, empty = Moments.of(h[:20], y[:20]), Moments.of(h[20:], y[20:]), Moments(4, 3)
    first.merge(second)
    first.merge(empty)
    assert_equal(first, h, y)
    empty.merge(first)
    assert_equal(empty, h, y)


def test_a_large_mean_costs_no_accuracy():
    h, y = samples(2, 2000, 5, 2, offset=1e6)
    moments = Moments(5, 2)
    for part in range(0, len(h), 128):
        moments.update(h[part : part + 128], y[part : part + 128])
    assert_equal(moments, h, y, rtol=1e-9)


def test_float32_features_are_summed_in_float64():
    h, y = samples(3, 4000, 3, 1, offset=1000.0)
    moments = Moments.of(h.float(), y.float())
    assert moments.scatter.dtype == torch.float64
    assert_equal(moments, h.float().double(), y.float().double(), rtol=1e-11)


@pytest.mark.parametrize(("rows", "most"), [(3 * BLOCK_ROWS + 1, 1e-14), (BLOCK_ROWS - 1, 1e-12), (100, 1e-12)])
def test_a_mean_of_ten_thousand_spreads_costs_no_accuracy(rows, most):
    """Comparison with two passes in extended precision; batches are combined by means of about 1e4 with rounding."""
    n, offset = 3 * BLOCK_ROWS + 1, 1e4
    h, y = (part.float() for part in samples(5, n, 6, 2, offset))
    moments = Moments(6, 2)
    for part in range(0, n, rows):
        moments.update(h[part : part + rows], y[part : part + rows])
    joint = torch.cat([h, y], dim=1).numpy().astype(np.longdouble)
    centred = joint - joint.mean(0)
    exact = centred.T @ centred
    scale = np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))
    assert np.abs((moments.scatter.numpy() - exact) / scale).max() < most
    # Adding a batch rounds the mean by half an epsilon at most, and the mean of a batch has an error of its own.
    rounding = (math.ceil(n / rows) / 2 + 2) * np.finfo(np.float64).eps
    np.testing.assert_allclose(moments.mean.numpy(), joint.mean(0).astype(np.float64), rtol=rounding, atol=rounding)


@pytest.mark.parametrize("members", [None, 2])
def test_a_long_and_wide_batch_is_the_same_in_blocks_and_strips(members, monkeypatch):
    h, y = samples(6, 503, 9, 2) if members is None else stacked(members, 503, 9, 2)
    whole = Moments.of(h, y)
    monkeypatch.setattr("nrc_core.metrics.moments.BLOCK_ROWS", 100)
    monkeypatch.setattr("nrc_core.metrics.moments.STRIP_COLUMNS", 4)
    blocks = Moments.of(h, y)
    assert blocks.n == 503
    torch.testing.assert_close(blocks.mean, whole.mean, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(blocks.scatter, whole.scatter, rtol=1e-13, atol=1e-11)


@pytest.mark.parametrize("rows", [7, 2 * BLOCK_ROWS + 1])
def test_constant_features_have_a_variance_of_exactly_zero(rows):
    moments = Moments(2, 1)
    for _ in range(3):
        moments.update(torch.full((rows, 2), 0.1, dtype=torch.float64), torch.rand(rows, 1))
    assert moments.feature_covariance.abs().max() == 0


def test_no_samples_change_nothing():
    moments = Moments.of(*samples(4, 10, 2, 1))
    before = moments.scatter.clone()
    moments.update(torch.zeros(0, 2), torch.zeros(0, 1))
    assert moments.n == 10
    assert torch.equal(moments.scatter, before)


def test_different_sizes_do_not_merge():
    with pytest.raises(ValueError, match=r"same sizes: \(h, t\) = \(2, 1\) here, \(h, t\) = \(3, 1\) given"):
        Moments(2, 1).merge(Moments(3, 1))


def stacked(members: int, n: int, h: int, t: int) -> tuple[torch.Tensor, torch.Tensor]:
    pairs = [samples(seed, n, h, t, offset=10.0 * seed) for seed in range(members)]
    features, targets = zip(*pairs, strict=True)
    return torch.stack(features), torch.stack(targets)


def assert_members(moments: Moments, plain: list[Moments]) -> None:
    assert len(moments.each()) == len(plain)
    for member, expected in zip(moments.each(), plain, strict=True):
        assert (member.n, member.width) == (expected.n, expected.width)
        for name in ("feature_mean", "feature_covariance", "cross_covariance", "target_covariance"):
            found, wanted = getattr(member, name), getattr(expected, name)
            torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12 * wanted.abs().max().item())


@pytest.mark.parametrize("shared", [True, False])
def test_members_are_separate_moments(shared):
    h, y = stacked(3, 250, 6, 2)
    moments, plain = Moments(6, 2, members=3), [Moments(6, 2) for _ in range(3)]
    for part in (slice(0, 100), slice(100, 101), slice(101, 250)):
        moments.update(h[:, part], y[0, part] if shared else y[:, part])
        for number, one in enumerate(plain):
            one.update(h[number, part], y[0 if shared else number, part])
    assert_members(moments, plain)


def test_merged_members_are_merged_moments():
    h, y = stacked(2, 90, 4, 3)
    moments = Moments.of(h[:, :30], y[:, :30])
    moments.merge(Moments.of(h[:, 30:], y[:, 30:]))
    assert_members(moments, [Moments.of(h[0], y[0]), Moments.of(h[1], y[1])])


def test_members_are_views():
    moments = Moments.of(*stacked(2, 9, 4, 3))
    for number, one in enumerate(moments.each()):
        assert one.mean.data_ptr() == moments.mean[number].data_ptr()
        assert one.scatter.data_ptr() == moments.scatter[number].data_ptr()


def test_constant_features_of_members_have_a_variance_of_exactly_zero():
    moments = Moments(2, 1, members=3)
    for _ in range(3):
        moments.update(torch.tensor([0.1, 0.7, 1e9])[:, None, None].expand(3, 7, 2), torch.rand(7, 1))
    assert moments.feature_covariance.abs().max() == 0


def test_moments_of_one_network_have_no_members():
    with pytest.raises(ValueError, match="have no members"):
        Moments(2, 1).each()


@pytest.mark.parametrize("features", [(7, 2), (2, 7, 2), (1, 7, 2)])
def test_features_of_other_members_are_refused(features):
    with pytest.raises(ValueError, match=r"must come as \(3, 'n', 2\)"):
        Moments(2, 1, members=3).update(torch.zeros(features), torch.zeros(7, 1))


@pytest.mark.parametrize(("width", "targets"), [(1, 2), (4, 2), (3, 1)])
def test_a_width_of_one_is_not_spread_over_the_columns(width, targets):
    with pytest.raises(ValueError, match=r"must come as \(3, 'n', 3\), targets with 2 columns"):
        Moments(3, 2, members=3).update(torch.zeros(3, 7, width), torch.zeros(7, targets))


def test_moments_merge_only_with_as_many_members():
    with pytest.raises(ValueError, match=r"2 members, \(h, t\) = \(2, 1\) here, \(h, t\) = \(2, 1\) given"):
        Moments(2, 1, members=2).merge(Moments(2, 1))


def test_sites_are_the_inputs_of_the_weight_layers_and_the_output():
    # In double precision: products of batches of 16 rows and of 50 may differ in their last bits.
    model = MLP(4, 8, 3, 2).double()
    x, y = torch.randn(50, 4, dtype=torch.float64), torch.randn(50, 2, dtype=torch.float64)
    sites = collect(model, x, y, batch_size=16)["post"]
    assert [site.name for site in sites] == ["layers.0", "layers.2", "layers.4", "output"]
    assert_equal(sites[0].moments, x, y)
    assert_equal(sites[1].moments, model.layers[:2](x).detach(), y)
    assert_equal(sites[3].moments, model(x).detach(), y)
    assert torch.equal(sites[1].weight, model.layers[2].weight)
    assert sites[3].weight is None


def test_features_before_the_activation():
    model = MLP(4, 8, 3, 2, bias=True).double()
    x, y = torch.randn(50, 4, dtype=torch.float64), torch.randn(50, 2, dtype=torch.float64)
    sites = collect(model, x, y, features=("pre",))["pre"]
    assert_equal(sites[1].moments, model.layers[0](x).detach(), y)
    assert_equal(sites[0].moments, x, y)


def test_convolutions_are_averaged_over_positions():
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2))
    x, y = torch.randn(20, 3, 8, 8, dtype=torch.float64), torch.randn(20, 2, dtype=torch.float64)
    sites = collect(model.double(), x, y)["post"]
    assert_equal(sites[0].moments, x.mean((2, 3)), y)
    assert sites[0].weight.shape == (5 * 9, 3)
    assert sites[1].moments.width == 5


def test_the_columns_of_a_filter_matrix_are_its_input_channels():
    layer = nn.Conv2d(3, 2, 2, bias=False)
    matrix = weight_matrix(layer)
    assert torch.equal(matrix[:, 1].sort().values, layer.weight[:, 1].flatten().sort().values.detach())


def test_a_residual_network_has_sites_but_none_before_the_activation():
    model = resnet18(num_classes=2)
    x, y = torch.randn(4, 3, 32, 32), torch.randn(4, 2)
    assert len(measure(model, x, y)) == 22
    with pytest.raises(ValueError, match="use features='post'"):
        collect(model, x, y, features=("pre",))


def test_measuring_leaves_the_model_as_it_was():
    model = MLP(4, 8, 3, 2).train()
    model.layers[2].eval()  # frozen by its owner
    before = [p.clone() for p in model.parameters()]
    collect(model, torch.randn(9, 4), torch.randn(9, 2))
    assert model.training
    assert [layer.training for layer in model.layers] == [number != 2 for number in range(len(model.layers))]
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert not any(layer._forward_hooks for layer in model.modules())


def test_a_model_without_layers_has_no_site():
    with pytest.raises(ValueError, match="ReLU has no linear or convolutional layer"):
        collect(nn.ReLU(), torch.randn(3, 2), torch.randn(3, 2))


def test_a_shared_layer_is_not_one_site():
    layer = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="ran twice"):
        collect(nn.Sequential(layer, nn.ReLU(), layer), torch.randn(3, 2), torch.randn(3, 2))


def test_grouped_convolutions_are_refused():
    with pytest.raises(ValueError, match="groups = 2, use groups = 1"):
        weight_matrix(nn.Conv2d(4, 4, 3, groups=2))


class Failing(nn.Module):
    def forward(self, x):
        raise RuntimeError("on purpose")


def test_hooks_are_removed_after_an_error():
    model = nn.Sequential(nn.Linear(2, 2), Failing())
    with pytest.raises(RuntimeError, match="on purpose"):
        collect(model, torch.zeros(3, 2), torch.zeros(3, 2))
    assert not model[0]._forward_hooks
    assert not model[0]._forward_pre_hooks
