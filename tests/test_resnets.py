"""ResNets: torchvision's, their sites, and every metric of both readings against plain numpy."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet18, resnet34

from nrc_core import measure
from nrc_core.metrics.sites import collect
from nrc_core.networks.resnets import ResNet
from tests import oracle

PIXELS = {"pixel_mean": (120.0, 110.0, 100.0), "pixel_spread": (60.0, 50.0, 40.0)}


def images(n: int, size: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("depth", "original"), [(18, resnet18), (34, resnet34)])
def test_at_full_width_it_is_torchvisions_own(depth, original):
    torch.manual_seed(3)
    network = ResNet(depth, 64, 2, **PIXELS).eval()
    torch.manual_seed(3)
    expected = original(num_classes=2).eval()
    own = {name: value for name, value in network.state_dict().items() if not name.startswith("pixel")}
    assert own.keys() == expected.state_dict().keys()
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in own.items())
    x = images(2)
    scaled = (x - torch.tensor(PIXELS["pixel_mean"]).view(3, 1, 1)) / torch.tensor(PIXELS["pixel_spread"]).view(3, 1, 1)
    torch.testing.assert_close(network(x), expected(scaled), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("depth", "count"), [(18, 17), (34, 33)])
def test_sites_are_the_convolutions_of_the_stages_and_the_head(depth, count):
    network = ResNet(depth, 4, 1, **PIXELS)
    assert len(network.sites) == count
    assert network.sites[:2] == ("layer1.0.conv1", "layer1.0.conv2")
    assert network.sites[-2:] == (f"layer4.{1 if depth == 18 else 2}.conv2", "fc")
    assert [site.name for site in collect(network, images(3), torch.randn(3, 1))["post"]] == [*network.sites, "output"]


def test_the_width_is_that_of_the_first_stage_and_doubles():
    network = ResNet(18, 6, 1, **PIXELS)
    widths = [site.moments.width for site in collect(network, images(3), torch.randn(3, 1))["post"]]
    assert widths == [6] * 5 + [12] * 4 + [24] * 4 + [48] * 4 + [1]
    assert network.conv1.out_channels == 6


def test_the_head_of_the_released_code():
    network = ResNet(18, 4, 2, head="layernorm", **PIXELS)
    assert network.sites[-2:] == ("fc.0", "fc.3")
    assert [type(layer) for layer in network.fc] == [nn.Linear, nn.LayerNorm, nn.ReLU, nn.Linear]
    table = measure(network, images(5), torch.randn(5, 2))
    assert table["name"].tolist()[-3:] == ["fc.0", "fc.3", "output"]


@pytest.mark.parametrize(("depth", "width"), [(50, 4), (18, 0)])
def test_sizes_that_are_not_offered(depth, width):
    with pytest.raises(ValueError, match="must be"):
        ResNet(depth, width, 1, **PIXELS)


@pytest.fixture(scope="module")
def dense():
    """A narrow ResNet-34 on few images, its table of both readings, and every whole activation, in numpy.

    They are in double precision, since a different batch size may change the last bits.
    """
    torch.manual_seed(0)
    network = ResNet(34, 4, 2, **PIXELS).double()
    x, y = images(40, 64), torch.randn(40, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for _ in range(3):
        network.train()(x)  # running means and variances that are not their first values
    network.eval()
    activations: dict[str, np.ndarray] = {}
    layers = dict(network.named_modules())
    handles = [
        layers[name].register_forward_pre_hook(
            lambda _, inputs, name=name: activations.__setitem__(name, inputs[0].detach().numpy())
        )
        for name in network.sites
    ]
    with torch.no_grad():
        output = network(x)
    for handle in handles:
        handle.remove()
    tables = {kind: measure(network, x, y, features=kind, batch_size=7) for kind in ("post", "positions")}
    return network, activations, y.numpy(), tables, float(((output - y) ** 2).mean())


def filters(layer: nn.Module) -> np.ndarray:
    """The paper's c_in x (rest), transposed: section 4.2."""
    weight = layer.weight.detach().numpy()
    return weight if weight.ndim == 2 else np.moveaxis(weight, 1, -1).reshape(-1, weight.shape[1])


@pytest.mark.parametrize("kind", ["post", "positions"])
def test_every_metric_of_every_site_equals_a_dense_computation(dense, kind):
    network, activations, y, tables, error = dense
    layers = dict(network.named_modules())
    for row in tables[kind].iloc[:-1].to_dict("records"):
        full = activations[row["name"]]
        if full.ndim == 2:
            features, targets = full, y
        elif kind == "post":
            features, targets = full.mean((2, 3)), y
        else:
            features = np.moveaxis(full, 1, -1).reshape(-1, full.shape[1])
            targets = y.repeat(full.shape[2] * full.shape[3], axis=0)
        expected = {
            "nrc1": oracle.noise(features, 2),
            "nrc2": oracle.gram_cka(oracle.project(features, 2)[:400], targets[:400]) if len(features) <= 400 else None,
            "nrc3": oracle.mean_cosine(features, filters(layers[row["name"]]), 2),
            "nrc4": oracle.prediction_error(features, targets),
        }
        for name, value in expected.items():
            if value is not None:
                assert row[name] == pytest.approx(value, rel=1e-9, abs=1e-9), (row["name"], name)
        assert row["network_mse"] == pytest.approx(error, rel=1e-9)


def test_two_readings_in_one_pass_are_those_of_two(dense):
    network, _, y, _, _ = dense
    x, targets = images(40, 64), torch.from_numpy(y)
    together = collect(network, x, targets, features=("post", "positions"), batch_size=16)
    for kind, sites in together.items():
        alone = collect(network, x, targets, features=(kind,), batch_size=16)[kind]
        assert all(torch.equal(a.moments.scatter, b.moments.scatter) for a, b in zip(sites, alone, strict=True))
    assert together["positions"][0].moments.n == 40 * 16 * 16


def test_a_batch_is_all_that_is_ever_held(monkeypatch):
    """The moments get at most one batch of a layer's activations at once."""
    from nrc_core.metrics import moments

    rows: list[int] = []
    update = moments.Moments.update
    monkeypatch.setattr(moments.Moments, "update", lambda self, h, y: (rows.append(len(h)), update(self, h, y))[1])
    network = ResNet(18, 4, 1, **PIXELS)
    collect(network, images(20), torch.randn(20, 1), features=("positions",), batch_size=5)
    assert max(rows) == 5 * 8 * 8
    assert sum(rows) == 20 * (5 * 64 + 4 * 16 + 4 * 4 + 3 + 1 + 1)
